"""Synthetic scenes with their true labels and objects, and pictures for proofs: NumPy and OpenCV alone."""
