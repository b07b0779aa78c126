"""Synthetic scenes with exact ground truth, three small checkpoints trained on them, and how well they do."""
