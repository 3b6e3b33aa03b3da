"""Predictions: reading, scoring, what they look like."""
