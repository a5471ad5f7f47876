"""Metrics as files at the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from click.testing import Result

Terminal = Callable[..., Result]
PACK = Path(__file__).parents[2] / "examples" / "metrics" / "system-health.yaml"


def test_a_file_is_planned_applied_and_exported(terminal: Terminal, tmp_path: Path) -> None:
    planned = terminal("metrics", "plan", str(PACK))
    assert planned.exit_code == 0, planned.output
    assert "page-load-p95" in planned.stdout
    assert "create" in planned.stdout
    assert terminal("metrics", "apply", str(PACK)).exit_code == 0
    exported = tmp_path / "all.yaml"
    exported.write_text(terminal("metrics", "export").stdout)
    again = terminal("metrics", "plan", str(exported))
    assert "keep" in again.stdout
    assert "create" not in again.stdout


def test_what_is_wrong_with_a_file_is_told_by_its_place(terminal: Terminal, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("metrics:\n  a: {name: A, kind: mode, fact: {event: x}}\n")
    refused = terminal("metrics", "apply", str(wrong))
    assert refused.exit_code == 1
    assert "metrics.a.kind" in refused.stderr
