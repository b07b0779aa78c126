"""How long an engine takes: each stage, and capture to result."""
