"""A project's own secret key, in a file for its owner alone; it hides unit ids from whoever reads data.

Made once, never replaced: with another key, what was hidden before could not be found again.
"""

from __future__ import annotations

import os
import secrets
from functools import lru_cache
from pathlib import Path
from uuid import UUID

from django.conf import settings

from equipoise_server.access.values import KeyMissing, ProjectKey
from equipoise_server.foundation.private_files import make_directory

_BYTES = 32


def project_key(project_id: UUID) -> ProjectKey:
    """The project's key. Raises KeyMissing."""
    path = _path(project_id)
    try:
        return _read(path)
    except (OSError, ValueError) as fault:
        told = f"The key of project {project_id} is missing: bring {path} back from the backup of the keys."
        raise KeyMissing(told) from fault


@lru_cache(maxsize=1_000)
def _read(path: Path) -> ProjectKey:
    return ProjectKey(bytes.fromhex(path.read_text()))


def make_project_key(project_id: UUID) -> ProjectKey:
    """The project's key, made now and durably unless there is one."""
    path = _path(project_id)
    if not path.exists():
        make_directory(path.parent)
        _write(path, secrets.token_bytes(_BYTES).hex())
    return project_key(project_id)


def _path(project_id: UUID) -> Path:
    return Path(settings.DATA_DIRECTORY) / "keys" / f"{project_id.hex}.key"


def _write(path: Path, text: str) -> None:
    """Whole or not at all; of two at once the first one stays."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, text.encode())
        os.fsync(handle)
    finally:
        os.close(handle)
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
