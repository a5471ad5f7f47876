"""Backups and restores: nothing is half done, and clients take what was restored for newer."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from installation import LONGEST_SECONDS, Installation, an_installation
from people import NOW
from scenes import a_shop

from equipoise_server.audit.models import AuditRecord
from equipoise_server.commands.backups import NotPossible, backup, begin_epochs, restore
from equipoise_server.foundation import revisions
from equipoise_server.foundation.private_files import make_directory
from equipoise_server.snapshots import reads

COMMAND = [sys.executable, "-m", "equipoise_server.commands.main"]
FILL = """
import sys
sys.path.insert(0, sys.argv[1])
from scenes import a_button_flag, a_shop
from equipoise_server.access.models import Project
from equipoise_server.access import reads
if not Project.objects.exists():
    a_button_flag(a_shop())
else:
    from people import NOW
    from equipoise_server.flags.actions import CreateFlag, create_flag
    from equipoise_server.flags.values import FlagType, FlagVariant
    project = Project.objects.get()
    variants = (FlagVariant("on", True), FlagVariant("off", False))
    command = CreateFlag(project.pk, "late", "Late", FlagType.BOOLEAN, variants, "off", "on")
    create_flag(reads.operator_actor(), command, now=NOW)
"""
TOLD = """
import json
from equipoise_server.access.models import Environment
from equipoise_server.snapshots import reads
kept = reads.current(Environment.objects.get(key="production").pk)
print(json.dumps([sorted(json.loads(kept.body)["flags"]), [kept.revision.epoch, kept.revision.number]]))
"""
TESTS = str(Path(__file__).parents[1])


def _run(installation: Installation, *arguments: str) -> subprocess.CompletedProcess[str]:
    world = installation.environment
    return subprocess.run(
        [*COMMAND, *arguments],
        env=world,
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )


def test_what_was_restored_is_newer_to_clients_than_what_they_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    data = tmp_path / "data"
    data.mkdir()
    installation = an_installation(data)
    installation.run(FILL, TESTS)
    copy = str(tmp_path / "copy.sqlite3")
    done = _run(installation, "backup", copy)
    assert done.returncode == 0, done.stderr
    assert Path(copy).stat().st_mode & 0o077 == 0, "what is in it is for its owner alone"
    assert "exists already" in _run(installation, "backup", copy).stderr
    installation.run(FILL, TESTS)
    flags, before = json.loads(installation.run(TOLD))
    assert flags == ["checkout-button", "late"]
    done = _run(installation, "restore", copy)
    assert done.returncode == 0, done.stderr
    flags, after = json.loads(installation.run(TOLD))
    assert flags == ["checkout-button"]
    assert after > before
    assert after[1] == 1


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_what_the_server_keeps_is_for_its_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("EQUIPOISE_SECRET_KEY", raising=False)
    data = tmp_path / "data"
    world = {**os.environ, "EQUIPOISE_DATA": str(data)}
    too_early = ["create-token", "--email", "ada@example.com", "--name", "pipeline"]
    subprocess.run(
        [*COMMAND, *too_early], env=world, capture_output=True, timeout=LONGEST_SECONDS, check=False
    )
    assert _mode(data) == 0o700
    assert {path.name: _mode(path) for path in data.iterdir()} == {
        "equipoise.sqlite3": 0o600, "secret.key": 0o600,
    }  # fmt: skip


def test_a_restored_store_is_for_its_owner_alone(tmp_path: Path) -> None:
    copy = _a_store(tmp_path / "copy.sqlite3")
    copy.chmod(0o644)
    store = tmp_path / "fresh" / "store.sqlite3"
    store.parent.mkdir()
    (store.parent / ".store.sqlite3.new").touch(mode=0o644)  # of a restore that was interrupted
    restore(copy, store)
    assert _mode(store) == 0o600


def test_a_directory_that_the_operator_opened_to_a_group_stays_open(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    make_directory(tmp_path)
    assert _mode(tmp_path) == 0o750


def _a_store(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as store:
        store.execute("PRAGMA journal_mode=WAL")
        store.execute("CREATE TABLE foundation_environmentrevision (epoch)")
        store.commit()
    return path


def test_a_file_that_is_no_backup_replaces_nothing(tmp_path: Path) -> None:
    store = _a_store(tmp_path / "store.sqlite3")
    before = store.read_bytes()
    nonsense = tmp_path / "nonsense"
    nonsense.write_bytes(b"nonsense" * 1000)
    other = tmp_path / "other.sqlite3"
    with closing(sqlite3.connect(other)) as made:
        made.execute("CREATE TABLE something (else_)")
    for source, told in ((tmp_path / "nothing", "no file"), (nonsense, "no backup"), (other, "no backup")):
        with pytest.raises(NotPossible, match=told):
            restore(source, store)
    assert store.read_bytes() == before


def test_a_store_in_use_is_not_replaced(tmp_path: Path) -> None:
    store, copy = _a_store(tmp_path / "store.sqlite3"), tmp_path / "copy.sqlite3"
    backup(store, copy)
    with closing(sqlite3.connect(store)) as user:
        user.execute("SELECT * FROM foundation_environmentrevision").fetchall()
        with pytest.raises(NotPossible, match="in use"):
            restore(copy, store)
    restore(copy, store)


@pytest.mark.django_db
def test_a_new_epoch_serves_the_same_flags_and_is_audited() -> None:
    shop = a_shop()
    place = shop.project.environments[0].id
    before = reads.current(place)
    assert before.revision.epoch == revisions.epoch_at(NOW)
    assert begin_epochs(now=NOW + timedelta(days=3)) == len(shop.project.environments)
    after = reads.current(place)
    assert after.revision.epoch == revisions.epoch_at(NOW + timedelta(days=3))
    assert after.revision.number == 1
    assert json.loads(after.body)["flags"] == json.loads(before.body)["flags"]
    assert AuditRecord.objects.filter(action="environment.begin_epoch").count() == 2
    begin_epochs(now=NOW - timedelta(days=99))
    assert reads.current(place).revision.epoch == after.revision.epoch + 1, "also when the clock went back"
