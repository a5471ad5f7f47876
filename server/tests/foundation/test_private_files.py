"""What the server keeps for its owner alone is whole, and the same for all processes that start at once."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from equipoise_server.foundation.private_files import kept_text

SEVERAL = 8


def test_of_several_that_start_at_once_all_have_the_key_of_the_first(tmp_path: Path) -> None:
    path, together = tmp_path / "data" / "secret.key", Barrier(SEVERAL)

    def key() -> str:
        """Made by each before any of them keeps it."""
        made = secrets.token_hex()
        together.wait()
        return made

    with ThreadPoolExecutor(SEVERAL) as threads:
        (first,) = set(threads.map(lambda _: kept_text(path, key), range(SEVERAL)))
    assert path.read_text() == first
    assert [place.name for place in path.parent.iterdir()] == ["secret.key"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_kept_is_not_made_again(tmp_path: Path) -> None:
    assert kept_text(tmp_path / "key", lambda: "one") == "one"
    assert kept_text(tmp_path / "key", lambda: "two") == "one"
