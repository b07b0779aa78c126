"""The rows of `benchmarks.families`: a module a family, each with its `CASES`."""
