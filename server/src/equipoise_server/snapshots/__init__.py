"""Turns the rows of an environment at a revision into one immutable snapshot."""
