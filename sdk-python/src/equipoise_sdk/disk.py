"""Keeps what was received on disk: whole or not at all. Knows nothing of its meaning."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_DIGEST_LENGTH = 64


class Damaged(Exception):
    """What is on disk cannot be used."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A snapshot as it was received, its signature, and when (epoch seconds)."""

    body: bytes
    signature: str | None
    at: float


class DiskCache:
    """One snapshot and its lists of members per server and key; a missing directory (None) keeps nothing."""

    def __init__(self, directory: Path | None, server_url: str, key: str) -> None:
        name = hashlib.sha256(f"{server_url}\n{key}".encode()).hexdigest()[:32]
        self.path = None if directory is None else directory / f"{name}.snapshot"
        self.members = None if directory is None else directory / f"{name}.members"

    def load(self) -> Kept | None:
        """Return what was kept, or None when there is nothing.

        Raises:
            Damaged: when there is something, and it is not what was kept.
        """
        if self.path is None:
            return None
        try:
            content = self.path.read_bytes()
            at = self.path.stat().st_mtime
        except FileNotFoundError:
            return None
        except OSError as cause:
            raise Damaged(f"{self.path} cannot be read: {cause.strerror}") from cause
        digest, kept = content[:_DIGEST_LENGTH], content[_DIGEST_LENGTH + 1 :]
        if digest != hashlib.sha256(kept).hexdigest().encode():
            raise Damaged(f"{self.path} is damaged")
        signature, _, body = kept.partition(b"\n")
        return Kept(body, signature.decode("latin-1") or None, at)

    def store(self, body: bytes, signature: str | None = None) -> None:
        """Replace the snapshot by rename, after its bytes reached the disk.

        Raises:
            OSError: when the disk refuses; the old file is still whole.
        """
        if self.path is not None:
            kept = (signature or "").encode("latin-1") + b"\n" + body
            _write_whole(self.path, hashlib.sha256(kept).hexdigest().encode() + b"\n" + kept)

    def touch(self) -> None:
        """Note that what is kept is still current."""
        if self.path is not None:
            with suppress(OSError):
                os.utime(self.path)

    def load_members(self, address: str) -> bytes | None:
        """Return a list of members, unchecked; None when it is not there."""
        if self.members is None:
            return None
        try:
            return (self.members / address).read_bytes()
        except OSError:
            return None

    def store_members(self, address: str, data: bytes) -> None:
        """Keep a list of members.

        Raises:
            OSError: when the disk refuses.
        """
        if self.members is not None:
            _write_whole(self.members / address, data)

    def retain_members(self, addresses: Collection[str]) -> None:
        """Remove all other lists of members."""
        if self.members is None or not self.members.is_dir():
            return
        for path in self.members.iterdir():
            if path.name not in addresses:
                with suppress(OSError):
                    path.unlink()


def _write_whole(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".unfinished-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
