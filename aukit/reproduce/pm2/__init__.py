"""PM2's tables."""
