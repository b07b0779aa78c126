"""Use Ray's clusters: join them, send engines to their nodes, run cameras there."""
