"""Simulation studies: what the methods promise, measured."""
