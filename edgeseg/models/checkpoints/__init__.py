"""Checkpoints: read without running anything in them, and matched with the network that they belong to."""
