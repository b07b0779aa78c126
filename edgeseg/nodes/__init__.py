"""The nodes of a graph as numbers: how much each computes and moves, and where it comes from."""
