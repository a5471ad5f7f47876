"""What a relay keeps on disk: the last good snapshot of each key, its lists, and whose the keys are.

Every file is whole or not there, and carries the SHA-256 of what it holds. Secrets are not written.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from equipoise_server.edge.relay.upstream import Facts, Fetched, facts_of


@dataclass(frozen=True, slots=True)
class Kept:
    """A snapshot from the disk, what belongs to it, and when it was last known to hold (epoch seconds)."""

    fetched: Fetched
    facts: Facts
    at: float


class Shelf:
    """One directory. Failures to write are the caller's to report: what is served does not depend on them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        (directory / "members").mkdir(parents=True, exist_ok=True, mode=0o700)

    def load(self, key: str) -> Kept | None:
        """What was kept for a key; None when there is nothing or it is damaged."""
        path = self._path(key, "snapshot")
        content = _read(path)
        if content is None:
            return None
        try:
            head, _, body = content.partition(b"\n")
            told = json.loads(head)
            fetched = Fetched(body, told["etag"], told["signature"])
            return Kept(fetched, facts_of(told["facts"]), path.stat().st_mtime)
        except (ValueError, KeyError, TypeError, OSError):
            return None

    def store(self, key: str, fetched: Fetched, facts: Facts) -> None:
        """Keep a snapshot in place of the one before."""
        head = {"etag": fetched.etag, "signature": fetched.signature, "facts": _told(facts)}
        _write(self._path(key, "snapshot"), json.dumps(head).encode() + b"\n" + fetched.body)

    def touch(self, key: str) -> None:
        """Note that what is kept still holds."""
        with suppress(OSError):
            os.utime(self._path(key, "snapshot"))

    def load_facts(self, key: str) -> Facts | None:
        """Whose a client key is, as far as it was told before."""
        content = _read(self._path(key, "key"))
        try:
            return None if content is None else facts_of(json.loads(content))
        except (ValueError, KeyError, TypeError):
            return None

    def store_facts(self, key: str, facts: Facts) -> None:
        """Keep whose a client key is."""
        _write(self._path(key, "key"), json.dumps(_told(facts)).encode())

    def load_members(self, address: str) -> bytes | None:
        """A list; None when there is none. Its address is its checksum."""
        try:
            return (self._directory / "members" / address).read_bytes()
        except OSError:
            return None

    def store_members(self, address: str, data: bytes) -> None:
        """Keep a list."""
        _replace(self._directory / "members" / address, data)

    def forget_members(self, wanted: frozenset[str], *, before: float) -> None:
        """Remove the lists that nobody names any more, unless they came after a time (epoch seconds)."""
        for path in (self._directory / "members").iterdir():
            with suppress(OSError):
                if path.name not in wanted and path.stat().st_mtime < before:
                    path.unlink()

    def _path(self, key: str, kind: str) -> Path:
        return self._directory / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.{kind}"


def _told(facts: Facts) -> dict[str, object]:
    return {
        "project": facts.project, "environment": facts.environment, "kind": facts.kind,
        "revision": facts.revision, "decimal_flags": sorted(facts.decimal_flags),
    }  # fmt: skip


def _read(path: Path) -> bytes | None:
    try:
        digest, _, content = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    return content if digest == hashlib.sha256(content).hexdigest().encode() else None


def _write(path: Path, content: bytes) -> None:
    _replace(path, hashlib.sha256(content).hexdigest().encode() + b"\n" + content)


def _replace(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
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
