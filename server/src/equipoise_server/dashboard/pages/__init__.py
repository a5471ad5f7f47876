"""Pages: a frozen dataclass each, made from other rooms' values by pure functions."""
