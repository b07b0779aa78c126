"""The portable model as one object: read once, hashed once, and handed on. No torch."""
