"""Finding faces and their landmarks with networks of our own, whose weights come along."""
