"""What keeps an operator's command from its work is said in a sentence, with the way out."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from installation import LONGEST_SECONDS

from equipoise_server.commands.backups import NotPossible, backup
from equipoise_server.foundation.database_troubles import WayOut, way_out

COMMAND = [sys.executable, "-m", "equipoise_server.commands.main"]
TOKEN = ("create-token", "--email", "ada@example.com", "--name", "pipeline")


def _refused(data: Path, *arguments: str, **world: str) -> str:
    """What a command that must fail says, without a traceback."""
    kept = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    done = subprocess.run(
        [*COMMAND, *arguments], env={**kept, "EQUIPOISE_DATA": str(data), **world},
        capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode in {1, 2}, done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr


def test_who_forgot_the_tables_is_told_to_migrate(tmp_path: Path) -> None:
    assert WayOut.MIGRATE in _refused(tmp_path / "data", *TOKEN)


def test_a_database_that_is_away_and_a_wrong_address_are_named(tmp_path: Path) -> None:
    away = _refused(tmp_path, *TOKEN, DATABASE_URL="postgresql://nobody@127.0.0.1:1/shop")
    assert "The configuration store cannot be used" in away
    assert "DATABASE_URL" in away
    wrong = _refused(tmp_path, "migrate", DATABASE_URL="my-secret-database")
    assert "DATABASE_URL is not understood" in wrong
    assert "my-secret" not in wrong


@pytest.mark.parametrize(("name", "given"), [("MAX_STREAMS", "1.5"), ("SOURCE_SECONDS", "nan")])
def test_a_setting_that_is_no_number_is_named(tmp_path: Path, name: str, given: str) -> None:
    said = _refused(tmp_path, "migrate", **{f"EQUIPOISE_{name}": given})
    assert f"EQUIPOISE_{name} is a" in said
    assert f"“{given}” is none" in said


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = _refused(tmp_path / "file" / "data", "migrate")
    assert str(tmp_path / "file") in said
    assert "EQUIPOISE_DATA" in said


def test_a_port_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    assert "65535" in _refused(tmp_path, "serve", "--port", "99999")


def test_a_store_that_is_not_there_is_not_backed_up(tmp_path: Path) -> None:
    store, copy = tmp_path / "store.sqlite3", tmp_path / "copy.sqlite3"
    with pytest.raises(NotPossible, match="EQUIPOISE_DATA"):
        backup(store, copy)
    sqlite3.connect(store).execute("CREATE TABLE something (id)").connection.close()
    with pytest.raises(NotPossible, match="no such table"):
        backup(store, copy)
    assert [path.name for path in tmp_path.iterdir()] == ["store.sqlite3"], "nothing half done is left"


def test_a_full_disk_is_told_from_a_database_that_is_busy() -> None:
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    assert way_out(full) is WayOut.FREE_ROOM
    assert way_out(sqlite3.OperationalError("database is locked")) is None
