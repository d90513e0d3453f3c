"""Camera to pixels: light, background, shading kernels."""
