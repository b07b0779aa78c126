"""The targets: a module each, with its `TARGET`."""
