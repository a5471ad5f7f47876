"""The documents name every move and every check there is."""

from __future__ import annotations

from pathlib import Path

from equipoise_server.experiments.launch_checks import LAUNCH_CHECKS
from equipoise_server.experiments.moves import MOVES

LIFECYCLE = (Path(__file__).parents[3] / "docs" / "concepts" / "lifecycle.md").read_text()


def test_every_move_has_its_row_with_its_statuses_and_its_permission() -> None:
    rows = [line for line in LIFECYCLE.splitlines() if line.startswith("| ")]
    for move in MOVES.values():
        [row] = [row for row in rows if row.startswith(f"| {move.name} |")]
        assert str(move.permission) in row
        assert f"→ {move.target}" in row
        assert all(source in row for source in move.sources)


def test_every_launch_check_is_described() -> None:
    named = {
        name
        for line in LIFECYCLE.splitlines()
        if line.startswith("| ")
        for name in line.split("|")[1].strip().split(", ")
    }
    assert [check.key for check in LAUNCH_CHECKS if check.key not in named] == []
