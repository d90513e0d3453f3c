"""Files, processes and long jobs."""
