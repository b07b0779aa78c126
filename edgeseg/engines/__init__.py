"""Engines: a folder a backend, and what they share; importing it imports no library."""
