"""Benchmarks: run by `make bench`, never by the tests; ratios of things measured in one run are what counts."""
