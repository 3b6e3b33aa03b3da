"""Whether a network was trained on ImageNet from random weights: scripts, log, README and weights."""
