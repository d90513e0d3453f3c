"""Stand-ins of corpora: rendered people in the official layouts."""
