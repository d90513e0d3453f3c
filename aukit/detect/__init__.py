"""Photographs and videos to faces, landmarks and action units. Names are imported on first use."""
