"""Files and directories for their owner's eyes alone. What exists keeps the mode it has."""

from __future__ import annotations

from pathlib import Path


def make_directory(path: Path) -> None:
    """Make a directory that only its owner may enter, unless there is one."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def make_file(path: Path) -> None:
    """Make an empty file that only its owner may read, unless there is one."""
    if not path.exists():
        path.touch(mode=0o600)
