"""PRNet (Feng et al., ECCV 2018) as published: its network, its UV data, and the registration by them."""
