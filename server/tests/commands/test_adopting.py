"""Kills by break-glass taken over by the database: of every level, audited, above what was served."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from people import NOW
from scenes import Shop, a_draft_experiment, a_shop, environment_of, later, launched

from equipoise_server.audit.models import AuditRecord
from equipoise_server.commands.adopting import Adopter, adopt
from equipoise_server.edge.frames import Kill as Told
from equipoise_server.edge.frames import kills_of
from equipoise_server.experiments.reads import experiment_by_key
from equipoise_server.experiments.values import Status, StopCause
from equipoise_server.flags.actions import CreateGroup, create_group
from equipoise_server.foundation import break_glass, due_work, reserve, revisions
from equipoise_server.foundation.break_glass import Kill, Level, Target
from equipoise_server.snapshots import reads

pytestmark = pytest.mark.django_db


def a_scene() -> Shop:
    """A shop with a flag in a group, and an experiment that runs on it."""
    shop = a_shop()
    launched(shop, a_draft_experiment(shop))
    flags = frozenset({"checkout-button"})
    create_group(shop.owner, CreateGroup(shop.project.id, "checkout", "Checkout", flags), now=NOW)
    return shop


def a_kill(level: Level, key: str = "", *, environment: str = "production") -> Kill:
    """A kill as the file has it, of yesterday."""
    target = Target("shop", environment, level, key)
    return Kill(1, target, "ada", "errors", later(1).isoformat())


def content(shop: Shop) -> dict[str, object]:
    """What production's clients get."""
    found: dict[str, object] = json.loads(reads.current(environment_of(shop, "production").id).body)
    return found


@pytest.mark.parametrize(
    ("level", "key"),
    [(Level.ENVIRONMENT, ""), (Level.GROUP, "checkout"), (Level.FLAG, "checkout-button")],
)
def test_the_database_says_what_the_file_said(level: Level, key: str) -> None:
    shop = a_scene()
    before = revisions.current(environment_of(shop, "production").id)
    assert before is not None
    settled = adopt(a_kill(level, key), serial=5, now=later(2))
    assert kills_of(content(shop)) == {Told(str(level), key)}
    assert settled.adopted == (before.epoch, before.number + 6), "above all that was served"
    record = AuditRecord.objects.latest("number")
    assert (record.action, record.author_name, record.reason) == (
        "break_glass.kill", "ada (break-glass)", "errors",
    )  # fmt: skip


def test_a_killed_experiment_is_stopped_at_the_instant_of_the_kill() -> None:
    shop = a_scene()
    adopt(a_kill(Level.EXPERIMENT, "checkout-button"), serial=1, now=later(2))
    iteration = experiment_by_key(shop.project.id, "checkout-button").iteration
    assert iteration is not None
    assert (iteration.stopped_at, iteration.stop_cause) == (later(1), StopCause.KILL)


@pytest.mark.parametrize(
    ("level", "key"),
    [(Level.ENVIRONMENT, ""), (Level.GROUP, "checkout"), (Level.FLAG, "checkout-button")],
)
def test_what_runs_on_a_killed_flag_ends_at_the_instant_of_the_kill(level: Level, key: str) -> None:
    shop = a_scene()
    adopt(a_kill(level, key), serial=1, now=later(2))
    work = due_work.claim("worker", now=later(2), kinds=frozenset(["flag.killed"]))
    assert work is not None
    due_work.run(work, now=later(2.1))
    iteration = experiment_by_key(shop.project.id, "checkout-button").iteration
    assert iteration is not None
    assert (iteration.stopped_at, iteration.stop_cause) == (later(1), StopCause.KILL)


def test_a_lifted_kill_is_noted_and_kills_nothing() -> None:
    shop = a_scene()
    lifted = replace(a_kill(Level.ENVIRONMENT), lifted_by="bob", lifted_at=later(1.5).isoformat())
    settled = adopt(lifted, serial=2, now=later(2))
    assert settled.adopted is not None
    assert kills_of(content(shop)) == frozenset()
    record = AuditRecord.objects.latest("number")
    assert (record.action, record.author_name) == ("break_glass.lift", "bob (break-glass)")


@pytest.mark.parametrize(
    ("kill", "told"),
    [
        (a_kill(Level.FLAG, "nothing"), "no flag"),
        (a_kill(Level.GROUP, "nothing"), "no group"),
        (a_kill(Level.EXPERIMENT, "nothing"), "no experiment"),
        (a_kill(Level.EXPERIMENT, "checkout-button", environment="development"), "does not run in"),
        (a_kill(Level.ENVIRONMENT, environment="nowhere"), "no environment"),
    ],
)
def test_what_does_not_exist_is_told(kill: Kill, told: str) -> None:
    shop = a_scene()
    settled = adopt(kill, serial=1, now=later(2))
    assert told in settled.trouble.lower()
    assert kills_of(content(shop)) == frozenset()
    assert experiment_by_key(shop.project.id, "checkout-button").status is Status.RUNNING


def test_the_thread_takes_over_what_is_open_and_forgets_what_is_old(tmp_path: Path) -> None:
    shop = a_scene()
    target = Target("shop", "production", Level.FLAG, "checkout-button")
    break_glass.kill(tmp_path, target, by="ada", reason="errors", at=later(1).isoformat())
    Adopter(tmp_path, clock=lambda: later(2)).tick()
    (taken,) = break_glass.read(tmp_path).kills
    assert taken.adopted is not None
    assert kills_of(content(shop)) == {Told("flag", "checkout-button")}
    Adopter(tmp_path, clock=lambda: later(30)).tick()
    assert break_glass.read(tmp_path).kills == ()
    assert break_glass.read(tmp_path).serial == 1, "which only grows"


def test_room_for_a_kill_is_kept_back_before_the_first_look(tmp_path: Path) -> None:
    adopter = Adopter(tmp_path, clock=lambda: later(2))
    adopter.start()
    try:
        assert reserve.release(tmp_path)
    finally:
        adopter.stop()
