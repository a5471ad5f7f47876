"""The operator's kill without a database: a wrong place or a wrong name is told, never believed."""

from __future__ import annotations

import getpass
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from equipoise_server.commands import break_glass as command
from equipoise_server.foundation import break_glass

KILL = ["kill", "--project", "shop", "--environment", "production", "--flag", "banner", "--reason", "errors"]


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(command.command, arguments)


def test_a_place_where_no_server_keeps_its_data_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EQUIPOISE_DATA", str(tmp_path / "elsewhere"))
    for arguments in (KILL, ["list"], ["lift", "1"]):
        refused = _run(*arguments)
        assert refused.exit_code == 1
        assert "EQUIPOISE_DATA" in refused.stderr
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("trouble", ["There is no flag “banner” in this project.", ""])
def test_what_the_database_makes_of_it_is_told(
    trouble: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EQUIPOISE_DATA", str(tmp_path))
    monkeypatch.setattr(command, "HEARD_WITHIN_SECONDS", 30.0)
    is_done = threading.Event()

    def take_over() -> None:
        while not is_done.is_set():
            for kill in break_glass.read(tmp_path).open:
                break_glass.settle(tmp_path, replace(kill, adopted=(1, 7), trouble=trouble))

    server = threading.Thread(target=take_over)
    server.start()
    told = _run(*KILL)
    is_done.set()
    server.join()
    assert told.exit_code == (1 if trouble else 0)
    assert (trouble or "The database has it") in told.output


def test_a_database_that_is_away_leaves_the_spelling_to_the_operator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EQUIPOISE_DATA", str(tmp_path))
    monkeypatch.setattr(command, "HEARD_WITHIN_SECONDS", 0.0)
    told = _run(*KILL)
    assert told.exit_code == 0
    assert "Check the spelling" in told.stdout
    assert "lift 1" in told.stdout


def test_a_user_without_a_name_may_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", nameless)
    monkeypatch.setenv("EQUIPOISE_DATA", str(tmp_path))
    monkeypatch.setattr(command, "HEARD_WITHIN_SECONDS", 0.0)
    assert _run(*KILL).exit_code == 0
    (kill,) = break_glass.read(tmp_path).kills
    assert kill.by.startswith("user ")
