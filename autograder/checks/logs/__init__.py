"""Training logs: what they say, and what speaks against them."""
