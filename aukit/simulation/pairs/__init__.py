"""Avatar pairs: a woman and a man with the expression of each driving frame."""
