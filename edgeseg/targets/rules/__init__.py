"""What may be refused of a graph: a module a kind of fault."""
