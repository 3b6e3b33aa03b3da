"""Predictions handed in for a challenge: read, scored, and told with what is wrong with them."""
