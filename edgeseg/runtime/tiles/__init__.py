"""Frames much larger than the network: cut into tiles of its input's size, and put together again."""
