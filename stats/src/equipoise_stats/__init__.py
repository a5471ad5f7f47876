"""Pure inference on moments: trustworthy results for online experiments."""
