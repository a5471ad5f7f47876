"""Experiments: designs, iterations, lifecycle, layers and slots, decisions."""
