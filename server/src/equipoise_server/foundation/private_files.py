"""Files and directories for their owner's eyes alone. What exists keeps the mode it has."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def make_directory(path: Path) -> None:
    """Make a directory that only its owner may enter, unless there is one."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def make_file(path: Path) -> None:
    """Make an empty file that only its owner may read, unless there is one."""
    if not path.exists():
        path.touch(mode=0o600)


def kept_text(path: Path, make: Callable[[], str]) -> str:
    """What a file keeps, made now unless there is one: whole or not at all, and of two at once the first."""
    if not path.exists():
        make_directory(path.parent)
        fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(make())
        try:
            with suppress(FileExistsError):
                os.link(fresh, path)
        finally:
            fresh.unlink()
    return path.read_text()
