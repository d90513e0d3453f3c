"""The published systems, their rivals, and the parts that they share."""
