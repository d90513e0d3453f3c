"""Tables of Niinuma et al. (WACV 2021)."""
