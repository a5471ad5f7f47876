"""Whatever people do in whatever order: one run per experiment, no slot twice, pins while undecided."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as some
from people import NOW
from scenes import Shop, a_design, a_draft_experiment, a_shop, environment_of, found

from equipoise_server.audit.reads import chain_fault
from equipoise_server.experiments import reads
from equipoise_server.experiments.actions import (
    Archive,
    Decide,
    Launch,
    Restart,
    Stop,
    Widen,
    archive,
    decide,
    launch,
    restart,
    stop,
    widen,
)
from equipoise_server.experiments.launch_checks import flags_set
from equipoise_server.experiments.moves import MOVES
from equipoise_server.experiments.values import DecisionKind, Experiment, Status
from equipoise_server.flags.reads import flags_of
from equipoise_server.foundation.refusals import Refusal
from equipoise_server.snapshots.reads import preview

KEYS = ("one", "two", "three", "four")
Move = Callable[[Shop, Experiment, datetime], object]


def _decide(kind: DecisionKind) -> Move:
    def move(shop: Shop, held: Experiment, now: datetime) -> object:
        if held.iteration is not None:
            found(held)
        return decide(shop.owner, Decide(held.id, kind, "treatment", "Because"), now=now)

    return move


def _launch(shop: Shop, held: Experiment, now: datetime) -> object:
    return launch(shop.owner, Launch(held.id, environment_of(shop).id, held.version), now=now)


def _widen(shop: Shop, held: Experiment, now: datetime) -> object:
    share = 1 if held.iteration is None else held.iteration.gate_parts_per_million + 250_000
    return widen(shop.owner, Widen(held.id, held.version, share), now=now)


VERBS: dict[str, Move] = {
    "launch": _launch,
    "widen": _widen,
    "stop": lambda shop, held, now: stop(shop.owner, Stop(held.id), now=now),
    "restart": lambda shop, held, now: restart(shop.owner, Restart(held.id, held.version), now=now),
    "ship": _decide(DecisionKind.SHIP),
    "do not ship": _decide(DecisionKind.DO_NOT_SHIP),
    "archive": lambda shop, held, now: archive(shop.owner, Archive(held.id), now=now),
}
sequences = some.lists(
    some.tuples(some.sampled_from(sorted(VERBS)), some.sampled_from(KEYS)), min_size=4, max_size=25
)


def a_shop_with_drafts() -> Shop:
    """Three experiments compete for one flag and its layer, the fourth has a layer of its own."""
    shop = a_shop()
    for key, share in (("one", 0.5), ("two", 0.4), ("three", 0.3)):
        plan = a_design("button", layer="shared", slot_share=share, audience_parts_per_million=500_000)
        a_draft_experiment(shop, key, plan, flag="button")
    a_draft_experiment(shop, "four", a_design("banner"), flag="banner")
    return shop


@contextmanager
def undone() -> Iterator[None]:
    """What happens inside leaves no trace."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def everything_holds(shop: Shop) -> None:
    environment_id = environment_of(shop).id
    held = {experiment.key: experiment for experiment in reads.experiments_of(shop.project.id)}
    undecided = {k for k, e in held.items() if e.status in {Status.RUNNING, Status.STOPPED}}
    for experiment in held.values():
        running = [one for one in experiment.iterations if one.stopped_at is None]
        assert running == ([experiment.iteration] if experiment.status is Status.RUNNING else [])
        assert [one.number for one in experiment.iterations] == list(range(1, len(experiment.iterations) + 1))
    for layer in reads.layers_of(environment_id):
        assert all(end <= first for (_, end, _), (first, _, _) in pairwise(layer.taken))
        assert layer.free_slots == 10_000 - sum(end - first for first, end, _ in layer.taken)
        assert {key for _, _, key in layer.taken} <= undecided
    pins = {
        (pin.experiment_key, flag.key)
        for flag in flags_of(shop.project.id)
        for pin in flag.settings["production"].pins
    }
    assert pins == {(key, flag) for key in undecided for flag in flags_set(held[key].design)}
    assert set(reads.payload(environment_id).experiments) == undecided
    if any(experiment.iterations for experiment in held.values()):
        assert preview(environment_id).faults == {}


@pytest.mark.django_db
def test_no_sequence_of_moves_breaks_what_must_hold() -> None:
    shop = a_shop_with_drafts()

    @settings(max_examples=25, deadline=None)
    @given(sequences)
    def play(sequence: list[tuple[str, str]]) -> None:
        with undone():
            for step, (verb, key) in enumerate(sequence):
                held = reads.experiment_by_key(shop.project.id, key)
                try:
                    VERBS[verb](shop, held, NOW + timedelta(days=step))
                except Refusal:
                    assert reads.experiment(held.id).status is held.status
                everything_holds(shop)
            assert chain_fault() is None

    play()


def test_the_table_has_every_move_of_the_lifecycle_and_nothing_leaves_the_archive() -> None:
    assert {name: (sorted(move.sources), move.target) for name, move in MOVES.items()} == {
        "launch": (["draft"], "running"),
        "widen": (["running"], "running"),
        "stop": (["running"], "stopped"),
        "restart": (["running", "stopped"], "running"),
        "decide": (["stopped"], "decided"),
        "archive": (["decided", "draft"], "archived"),
    }
