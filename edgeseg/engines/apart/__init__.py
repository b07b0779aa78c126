"""Run a library in a process of its own, where it can print, block and crash."""
