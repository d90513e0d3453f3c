"""Skin, hair, headwear and glasses: what a head looks like."""
