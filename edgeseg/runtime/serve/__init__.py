"""Show streams on a page, and to programs: live overlays, figures, health."""
