"""Turns a frozen design and stored events into moments, and moments into a report."""
