"""A demo shop whose simulated visitors meet experiments through the SDK."""
