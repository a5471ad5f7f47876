"""Keeps the last good snapshot on disk: whole or not at all. Knows nothing of its meaning."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_DIGEST_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Kept:
    """A snapshot as it was received, and when (epoch seconds)."""

    body: bytes
    at: float


class DiskCache:
    """One file per server and key; a missing directory (None) keeps nothing."""

    def __init__(self, directory: Path | None, server_url: str, key: str) -> None:
        name = hashlib.sha256(f"{server_url}\n{key}".encode()).hexdigest()[:32]
        self.path = None if directory is None else directory / f"{name}.snapshot"

    def load(self) -> Kept | None:
        """Return what was kept, or None when there is nothing or it is damaged."""
        if self.path is None:
            return None
        try:
            content = self.path.read_bytes()
            at = self.path.stat().st_mtime
        except OSError:
            return None
        digest, body = content[:_DIGEST_LENGTH], content[_DIGEST_LENGTH + 1 :]
        if digest != hashlib.sha256(body).hexdigest().encode():
            return None
        return Kept(body, at)

    def store(self, body: bytes) -> None:
        """Replace the file by rename, after its bytes reached the disk.

        Raises:
            OSError: when the disk refuses; the old file is still whole.
        """
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=".snapshot-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise

    def touch(self) -> None:
        """Note that what is kept is still current."""
        if self.path is not None:
            with suppress(OSError):
                os.utime(self.path)
