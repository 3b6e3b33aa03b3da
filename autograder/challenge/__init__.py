"""A challenge's trusted side: the answers and their split, who may enter how often, what one is worth."""
