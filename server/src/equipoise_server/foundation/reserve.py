"""Room on a full disk for what must not fail: a file that takes up space until a kill needs it.

Knows no database and no settings; any process with the data directory may release it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

RESERVED_BYTES = 16 * 1024 * 1024
SCARCE_BYTES = 8 * 1024 * 1024
"""With less free than this, a kill releases the reserve before it begins."""
EASED_BYTES = 64 * 1024 * 1024
"""With more free than this, the reserve is taken again; with less, events are refused."""
_CHUNK_BYTES = 1024 * 1024


def free_bytes(directory: Path) -> int:
    """How much may still be written there."""
    return shutil.disk_usage(directory).free


def take(directory: Path, *, size: int = RESERVED_BYTES) -> bool:
    """Keep room back, unless it is kept already or the disk is short of it; whether it is kept now."""
    path = _path(directory)
    if path.exists():
        return True
    if free_bytes(directory) < EASED_BYTES + size:
        return False
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        for _ in range(max(1, size // _CHUNK_BYTES)):  # written, not only promised: disks may compress
            file.write(os.urandom(_CHUNK_BYTES))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    return True


def release(directory: Path) -> bool:
    """Give the room back to whoever writes next; whether there was any."""
    try:
        _path(directory).unlink()
    except FileNotFoundError:
        return False
    return True


def release_if_scarce(directory: Path) -> bool:
    """Give the room back when there is hardly any other."""
    return free_bytes(directory) < SCARCE_BYTES and release(directory)


def _path(directory: Path) -> Path:
    return directory / "reserve"
