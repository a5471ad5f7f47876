"""The one status badge."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from dashboard import gallery

from equipoise_server.access.values import Permission
from equipoise_server.dashboard.badges import badge_of
from equipoise_server.dashboard.pages.experiment import powers
from equipoise_server.experiments.moves import MOVES
from equipoise_server.experiments.values import (
    Decision,
    DecisionKind,
    Experiment,
    Status,
    Verdict,
    VerdictState,
)

LATER = gallery.START + timedelta(days=30)


def _experiment(status: Status, state: VerdictState | None = None) -> Experiment:
    verdict = None if state is None else Verdict(state, "", gallery.NOW)
    return replace(gallery.EXPERIMENT, status=status, verdict=verdict)


@pytest.mark.parametrize(
    ("status", "state", "label"),
    [
        (Status.RUNNING, None, "Too early"),
        (Status.RUNNING, VerdictState.NO_DATA, "Too early"),
        (Status.RUNNING, VerdictState.TOO_EARLY, "Too early"),
        (Status.RUNNING, VerdictState.RUNNING, "7\u00a0days left"),
        (Status.RUNNING, VerdictState.INCONCLUSIVE, "7\u00a0days left"),
        (Status.RUNNING, VerdictState.WITHHELD_SRM, "Withheld: sample mismatch"),
        (Status.RUNNING, VerdictState.GUARDRAIL_BREACHED, "Guardrail breached"),
        (Status.RUNNING, VerdictState.WINNING, "Ready to decide: winning"),
        (Status.STOPPED, VerdictState.LOSING, "Ready to decide: losing"),
        (Status.STOPPED, VerdictState.INCONCLUSIVE, "Ready to decide: inconclusive"),
        (Status.STOPPED, VerdictState.RUNNING, "Stopped"),
        (Status.STOPPED, VerdictState.WITHHELD_SRM, "Withheld: sample mismatch"),
        (Status.ARCHIVED, VerdictState.WINNING, "Archived"),
    ],
)
def test_a_badge_says_what_matters_most(status: Status, state: VerdictState | None, label: str) -> None:
    assert badge_of(_experiment(status, state), gallery.NOW).label == label


def test_at_the_planned_end_no_clear_result_is_a_result() -> None:
    running = _experiment(Status.RUNNING, VerdictState.INCONCLUSIVE)
    assert badge_of(running, LATER).label == "Ready to decide: inconclusive"


def test_a_draft_is_a_draft() -> None:
    draft = replace(gallery.EXPERIMENT, status=Status.DRAFT, iterations=(), verdict=None)
    assert badge_of(draft, gallery.NOW).label == "Draft"


@pytest.mark.parametrize(
    ("kind", "label"), [(DecisionKind.SHIP, "Shipped"), (DecisionKind.DO_NOT_SHIP, "Not shipped")]
)
def test_a_decision_is_the_last_word(kind: DecisionKind, label: str) -> None:
    decision = Decision(kind, "green", "", "Mira", gallery.NOW)
    decided = replace(_experiment(Status.DECIDED, VerdictState.WINNING), decision=decision)
    assert badge_of(decided, gallery.NOW).label == label


@pytest.mark.parametrize(
    "status", [Status.DRAFT, Status.RUNNING, Status.STOPPED, Status.DECIDED, Status.ARCHIVED]
)
def test_only_moves_that_the_lifecycle_knows_are_offered(status: Status) -> None:
    offered = powers(_experiment(status), None, frozenset(Permission))
    for name in ("launch", "stop", "restart", "decide", "archive"):
        assert getattr(offered, name) == (status in MOVES[name].sources), name


def test_nothing_is_offered_without_permissions() -> None:
    for status in Status:
        offered = powers(_experiment(status), None, frozenset())
        assert not any(getattr(offered, name) for name in offered.__slots__)
