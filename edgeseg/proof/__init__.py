"""Proofs that an artifact computes what PyTorch computed, in the terms of the task: no torch."""
