"""Lines that tell a newcomer what the demo is doing while it fills."""

from __future__ import annotations

import sys


def say(line: str) -> None:
    """Print one line of progress at once."""
    sys.stdout.write(f"  {line}\n")
    sys.stdout.flush()
