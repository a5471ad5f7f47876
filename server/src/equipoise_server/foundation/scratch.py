"""Where rows may lie while something is made of them: beside the other data, where leavings are swept up."""

from __future__ import annotations

import tempfile
from pathlib import Path

from django.conf import settings

from equipoise_server.foundation.private_files import make_directory


def scratch_directory() -> Path:
    """What may be deleted whenever nothing runs; what is an hour old is deleted."""
    return (Path(settings.DATA_DIRECTORY) / "scratch").resolve()


def scratch(name: str) -> tempfile.TemporaryDirectory[str]:
    """A directory of one's own, gone when its user is done."""
    make_directory(scratch_directory())
    return tempfile.TemporaryDirectory(dir=scratch_directory(), prefix=f"{name}-")
