"""Kills by break-glass over what the database said: every level, signed, and never back in time."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from people import NOW

from equipoise_engine import canonical_json, content_hash
from equipoise_server.commands.break_glass import command
from equipoise_server.edge.break_glass import BreakGlass, Watcher
from equipoise_server.edge.frames import Kill as ToldKill
from equipoise_server.edge.frames import kills_of
from equipoise_server.edge.signing import SnapshotSigner
from equipoise_server.edge.state import EdgeState, Servable, View, servable
from equipoise_server.foundation import break_glass
from equipoise_server.foundation.break_glass import Kill, Level, NoSuchKill, Target, UnreadableFile
from equipoise_server.foundation.revisions import Revision
from equipoise_server.snapshots.values import KeptSnapshot

SHOP = UUID(int=1)
AT = NOW.isoformat()
TARGETS = [
    Target("shop", "production", Level.ENVIRONMENT),
    Target("shop", "production", Level.GROUP, "checkout"),
    Target("shop", "production", Level.FLAG, "button"),
    Target("shop", "production", Level.EXPERIMENT, "trial"),
]


def a_body(number: int, killed: bool = False) -> bytes:
    """A snapshot with something of every level, at a revision."""
    flag = {
        "type": "boolean", "variants": {"a": False, "b": True}, "off": "a", "default": "a", "killed": killed,
    }  # fmt: skip
    document: dict[str, object] = {
        "format": 1, "project": "shop", "environment": "production", "epoch": 1, "revision": number,
        "default_unit_type": "user", "unit_types": ["user"], "killed": False,
        "groups": {"checkout": {"killed": False}}, "flags": {"button": flag},
        "experiments": {"trial": {"killed": False}},
    }  # fmt: skip
    document["hash"] = content_hash(document)
    return canonical_json(document)


@dataclass(slots=True)
class Edge:
    """A state over a directory, and what was served one after the other."""

    directory: Path
    signer: SnapshotSigner | None = None
    state: EdgeState = field(init=False)
    glass: BreakGlass = field(init=False)
    number: int = 1
    served: list[Servable] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = EdgeState(signer=self.signer)
        self.glass = BreakGlass(self.directory, self.signer)
        self.state.overlay = self.glass
        self.state.listeners.append(lambda _before, view: self.served.append(view.snapshots[SHOP]))
        self.say(1)

    def say(self, number: int, *, killed: bool = False) -> None:
        """The database says this revision."""
        self.number = number
        body = a_body(number, killed)
        kept = KeptSnapshot(SHOP, Revision(1, number), NOW, json.loads(body)["hash"], body)
        self.state.swap(View({}, {SHOP: servable(kept, signer=self.signer)}, 0.0))

    def look(self) -> None:
        """What the watcher does when the file was replaced."""
        Watcher(self.glass.look, self.state.lay_over).tick()


def a_kill(directory: Path, target: Target = TARGETS[2]) -> Kill:
    """A kill on disk."""
    return break_glass.kill(directory, target, by="ada", reason="errors", at=AT)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: str(target.level))
def test_every_level_can_be_killed(tmp_path: Path, target: Target) -> None:
    edge = Edge(tmp_path)
    a_kill(tmp_path, target)
    edge.look()
    assert kills_of(edge.served[-1].document) == {ToldKill(str(target.level), target.key)}


def test_what_is_laid_over_has_its_own_hash_number_and_signature(tmp_path: Path) -> None:
    edge = Edge(tmp_path, SnapshotSigner(Ed25519PrivateKey.generate()))
    a_kill(tmp_path)
    edge.look()
    before, after = edge.served[0], edge.served[-1]
    assert after.revision > before.revision
    assert after.document["revision"] == after.revision.number
    assert after.etag == f'"{content_hash(dict(after.document))}"' != before.etag
    assert after.signature != before.signature != ""


def test_other_environments_are_left_alone(tmp_path: Path) -> None:
    edge = Edge(tmp_path)
    before = edge.served[-1]
    a_kill(tmp_path, Target("shop", "staging", Level.FLAG, "button"))
    edge.look()
    assert edge.served[-1] is before


def test_the_same_kill_twice_is_one(tmp_path: Path) -> None:
    assert a_kill(tmp_path) == a_kill(tmp_path)
    assert len(break_glass.read(tmp_path).kills) == 1


def test_what_the_command_writes_belongs_to_whom_the_directory_belongs_to(tmp_path: Path) -> None:
    if os.geteuid() == 0:  # the command in a root shell, the server as its own user
        os.chown(tmp_path, 1234, 4321)
    a_kill(tmp_path)
    with break_glass.adopting(tmp_path):
        owners = {(found.stat().st_uid, found.stat().st_gid) for found in (tmp_path, *tmp_path.iterdir())}
    assert len(owners) == 1


def test_a_damaged_file_changes_nothing_that_is_served_and_is_told(tmp_path: Path) -> None:
    edge = Edge(tmp_path)
    a_kill(tmp_path)
    edge.look()
    count = len(edge.served)
    break_glass.path_in(tmp_path).write_text('{"serial": 1')
    edge.look()
    assert len(edge.served) == count
    with pytest.raises(UnreadableFile, match="damaged"):
        break_glass.read(tmp_path)


def test_a_kill_that_cannot_be_laid_over_is_tried_again() -> None:
    outcomes = [RuntimeError("busy"), None]
    looks = [True, False, False]
    laid: list[bool] = []

    def lay_over() -> None:
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome
        laid.append(True)

    watcher = Watcher(lambda: looks.pop(0), lay_over)
    for _ in range(3):
        watcher.tick()
    assert laid == [True]


def test_only_an_open_kill_can_be_lifted(tmp_path: Path) -> None:
    kill = a_kill(tmp_path)
    break_glass.settle(tmp_path, replace(kill, adopted=(1, 9)))
    with pytest.raises(NoSuchKill):
        break_glass.lift(tmp_path, kill.number, by="ada", at=AT)


def test_a_lift_that_comes_too_late_is_told(tmp_path: Path) -> None:
    kill = a_kill(tmp_path)
    break_glass.lift(tmp_path, kill.number, by="ada", at=AT)
    break_glass.settle(tmp_path, replace(kill, adopted=(1, 9)))
    (settled,) = break_glass.read(tmp_path).kills
    assert settled.adopted == (1, 9)
    assert "lift it on its page" in settled.trouble


Operation = Callable[[Edge], None]


def _commits(edge: Edge) -> None:
    edge.say(edge.number + 1)


def _kills(edge: Edge) -> None:
    a_kill(edge.directory)
    edge.look()


def _lifts(edge: Edge) -> None:
    for kill in break_glass.read(edge.directory).open:
        if not kill.is_lifted:
            break_glass.lift(edge.directory, kill.number, by="ada", at=AT)
    edge.look()


def _adopts(edge: Edge) -> None:
    kills = break_glass.read(edge.directory)
    for kill in kills.open:
        number = edge.number + kills.serial + 1
        break_glass.settle(edge.directory, replace(kill, adopted=(1, number)))
        edge.look()  # the file is often seen before the database
        edge.say(number, killed=not kill.is_lifted)


@given(st.lists(st.sampled_from([_commits, _kills, _lifts, _adopts]), max_size=12))
def test_an_sdk_that_follows_never_sees_a_revision_go_back_or_change(operations: Sequence[Operation]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        edge = Edge(Path(directory))
        for operation in operations:
            operation(edge)
    numbers = [(found.revision, found.etag) for found in edge.served]
    for (was, etag), (then, other) in pairwise(numbers):
        assert then > was or (then, other) == (was, etag)


def test_the_command_kills_lists_and_lifts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EQUIPOISE_DATA", str(tmp_path))
    place = ["--project", "shop", "--environment", "production"]
    run = CliRunner()
    assert "There are none" in run.invoke(command, ["list"]).output
    killed = run.invoke(command, ["kill", *place, "--group", "checkout", "--reason", "errors", "--by", "ada"])
    assert "Kill 1 is on disk: shop › production › group checkout" in killed.output
    assert "killed  by ada: errors" in run.invoke(command, ["list"]).output
    assert run.invoke(command, ["lift", "1"]).exit_code == 0
    assert "lifted  by ada" in run.invoke(command, ["list"]).output
    assert run.invoke(command, ["lift", "1"]).exit_code == 1
    both = run.invoke(command, ["kill", *place, "--flag", "a", "--group", "b", "--reason", "errors"])
    assert both.exit_code == 2
    break_glass.path_in(tmp_path).write_text("nonsense")
    for arguments in (["list"], ["kill", *place, "--reason", "errors"]):
        assert "damaged" in run.invoke(command, arguments).output
