"""Bring trained segmentation networks from PyTorch to real devices, with proof."""

__version__ = "0.1.0"
