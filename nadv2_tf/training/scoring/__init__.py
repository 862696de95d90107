"""Scores of networks: with shared weights, after a training, on images."""
