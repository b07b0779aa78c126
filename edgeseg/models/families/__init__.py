"""Families: what each training library's checkpoints look like, and how its networks are made from them."""
