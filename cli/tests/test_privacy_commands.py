"""Erasing units and setting retention at the command line, against a real server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

Terminal = Callable[..., Result]


def test_units_of_a_file_are_erased_after_a_yes(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "units.csv"
    file.write_text("user_id\nforget-me-1\nforget-me-2\n")
    asked = terminal("privacy", "erase", str(file), "--unit-type", "user", "--yes", "--json")
    assert asked.exit_code == 0, asked.output
    erasure = json.loads(asked.stdout)
    assert (erasure["asked"], erasure["unit_type"]) == (2, "user")
    assert "forget-me" not in asked.stdout
    assert erasure["id"] in terminal("privacy", "erasures").stdout
    assert terminal("privacy", "show", erasure["id"]).stdout.startswith("2 users, step ")


def test_without_a_yes_nobody_is_erased(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "units.txt"
    file.write_text("stays\n")
    before = json.loads(terminal("privacy", "erasures", "--json").stdout)
    assert terminal("privacy", "erase", str(file), "--unit-type", "user").exit_code == 1
    assert json.loads(terminal("privacy", "erasures", "--json").stdout) == before


def test_an_unknown_unit_type_is_refused_with_those_that_there_are(
    terminal: Terminal, tmp_path: Path
) -> None:
    file = tmp_path / "units.txt"
    file.write_text("somebody\n")
    refused = terminal("privacy", "erase", str(file), "--unit-type", "ship", "--yes")
    assert refused.exit_code == 1
    assert "unit_type" in refused.stderr
    assert "user" in refused.stderr


def test_retention_is_shown_and_set(terminal: Terminal) -> None:
    shown = terminal("privacy", "retention", "development")
    assert shown.stdout == "Raw events are kept for ever, refused ones for 30 days.\n"
    terminal("privacy", "retention", "development", "--events", "90")
    edited = terminal("privacy", "retention", "development", "--quarantine", "7")
    assert edited.stdout == "Raw events are kept for 90 days, refused ones for 7 days.\n"
    assert terminal("privacy", "retention", "development", "--events", "some").exit_code == 2
    refused = terminal("privacy", "retention", "development", "--events", "0")
    assert refused.exit_code == 1
    assert "event_days" in refused.stderr
    terminal("privacy", "retention", "development", "--events", "forever", "--quarantine", "30")
