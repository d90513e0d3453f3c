"""Jobs of SLURM: what they do when they are asked to end, and a cluster of our own to run them on."""
