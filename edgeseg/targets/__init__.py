"""What devices refuse, said before a model is carried there; each target is a table in `tables/`."""
