"""Turn the settings of a site, from flags or a file, into running streams."""
