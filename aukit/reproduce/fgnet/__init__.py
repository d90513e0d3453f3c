"""FG-Net's tables."""
