"""Turn a portable model into an engine on the device itself, proven, without torch."""
