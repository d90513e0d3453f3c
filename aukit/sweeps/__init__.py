"""Sweeps: one file in the schema of Weights & Biases, whose points its agents train, or this machine."""
