"""Who would get what if a draft were launched now: the draft compiled as clients would get it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from equipoise_engine import Decision, Snapshot, Step, compile_snapshot
from equipoise_server.access import reads as access
from equipoise_server.access.values import Environment
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.values import Experiment, Iteration
from equipoise_server.flags import reads as flags
from equipoise_server.foundation.revisions import Revision
from equipoise_server.snapshots.composing import Rows, compose
from equipoise_server.snapshots.lists import lists_of

SAMPLED_UNITS = 5_000
HELD, ELSEWHERE, OUTSIDE = "held", "another experiment", "outside"
# What has to be sound before a draft can be compiled at all.
NEEDED = frozenset(
    {"arms", "control", "arm_keys", "weights", "flags", "unit_type", "eligibility", "audience"}
    | {"clusters", "switchback", "layer", "rivals", "surface"}
)


@dataclass(frozen=True, slots=True)
class DraftShares:
    """How many of some made-up eligible units get each arm; `missing` says why none can be told."""

    units: int
    arms: Mapping[str, int] = field(default_factory=dict)
    held: int = 0
    """Kept on the baseline by a holdout."""
    elsewhere: int = 0
    """In another experiment on the same flags."""
    outside: int = 0
    """Outside the slots or the gate."""
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DraftAnswer:
    """What one context would get of one of the draft's flags, step by step."""

    flag_key: str
    decision: Decision
    steps: tuple[Step, ...]


def what_is_missing(experiment: Experiment, environment: Environment, now: datetime) -> tuple[str, ...]:
    """What the draft must say before anybody can see who would get what."""
    checks = experiments.launch_checks(experiment, environment, now)
    return tuple(check.message for check in checks if check.key in NEEDED and not check.passed)


def draft_shares(experiment: Experiment, environment: Environment, *, now: datetime) -> DraftShares:
    """Shares of the arms among eligible units with made-up ids. A launch shuffles them anew."""
    missing = what_is_missing(experiment, environment, now)
    if experiment.design.exposures is not None:
        missing = ("Units are assigned outside, so who gets what is decided there.",)
    if missing or not experiment.design.arms[0].values:
        return DraftShares(0, missing=missing)
    run, snapshot = _compiled(experiment, environment, now, is_open_to_all=True)
    flag_key = min(run.design.arms[0].values)
    found = Counter(_place(snapshot.evaluate(flag_key, context, None), run) for context in _sample(run, now))
    return DraftShares(
        units=found.total(),
        arms={arm.key: found[f"arm {arm.key}"] for arm in run.design.arms},
        held=found[HELD],
        elsewhere=found[ELSEWHERE],
        outside=found[OUTSIDE],
    )


def explain_draft(
    experiment: Experiment, environment: Environment, context: Mapping[str, object], *, now: datetime
) -> tuple[DraftAnswer, ...]:
    """What a context would get of every flag that the draft sets, and why; empty while it cannot be told."""
    if experiment.design.exposures is not None or what_is_missing(experiment, environment, now):
        return ()
    run, snapshot = _compiled(experiment, environment, now, is_open_to_all=False)
    asked = {"now": now.isoformat(), **context}
    keys = sorted({key for arm in run.design.arms for key in arm.values})
    return tuple(
        DraftAnswer(key, snapshot.evaluate(key, asked, None), snapshot.explain(key, asked)) for key in keys
    )


def _compiled(
    experiment: Experiment, environment: Environment, now: datetime, *, is_open_to_all: bool
) -> tuple[Iteration, Snapshot]:
    run, payload = experiments.payload_with(experiment, environment, now=now)
    project = access.project(environment.project_id)
    document = compose(Rows(project, environment, flags.payload(environment.id), payload), Revision(1, 1))
    if is_open_to_all:
        nodes = document["experiments"]
        assert isinstance(nodes, dict)
        nodes[run.experiment_key] = {**nodes[run.experiment_key], "eligibility": None}
        del document["hash"]
    return run, compile_snapshot(document, lists_of(project.id, document))


def _sample(run: Iteration, now: datetime) -> list[dict[str, object]]:
    """Made-up units, each in a cluster of its own; of a switchback, its regions in every window."""
    if run.schedule is None:
        design = run.design
        types = {design.unit_type, design.randomised_type}
        return [{"units": dict.fromkeys(types, f"unit-{place}")} for place in range(SAMPLED_UNITS)]
    windows = range(min(run.schedule.windows, SAMPLED_UNITS // len(run.schedule.rows)))
    seconds = run.schedule.window_seconds
    return [
        {"units": {run.design.unit_type: region}, "now": now.timestamp() + seconds * (window + 0.5)}
        for window in windows
        for region in run.schedule.rows
    ]


def _place(decision: Decision, run: Iteration) -> str:
    if decision.metadata.get("holdout.arm") == "holdout":
        return HELD
    seat = decision.enrolment
    if seat is None:
        return OUTSIDE if decision.metadata.get("step") != "experiment" else ELSEWHERE
    return f"arm {seat.arm}" if seat.experiment == run.experiment_key else ELSEWHERE
