"""Damaged releases and weights, each judged against the truth: `python -m tests.fuzz --help`."""
