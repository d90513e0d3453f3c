"""Niinuma et al. (WACV 2021): expressions synthesised after 3D registration, intensities estimated."""
