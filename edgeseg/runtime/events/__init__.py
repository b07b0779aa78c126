"""Turn results into events: a class covers, or counts, more than a threshold within a zone for some time."""
