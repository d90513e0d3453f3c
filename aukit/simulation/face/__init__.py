"""The procedural face basis: mean head, identity and action units."""
