"""Fairness for any group: predictions, ours or a tool's, and what is known of the people in them."""
