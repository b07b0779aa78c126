"""Build engines on the device itself, proven, without torch."""
