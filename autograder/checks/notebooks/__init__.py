"""Notebooks, read for what they claim and show; on the trusted side, from data alone."""
