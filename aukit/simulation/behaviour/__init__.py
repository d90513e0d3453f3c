"""How people move, how annotators code them, how landmark trackers err."""
