"""What has happened in the demo until now, in order; what happened long ago is done with the time it had.

Uses the actions that people use and, for visitors, the shop, which knows the SDK alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

from equipoise_server.analysis.actions import measure_holdouts, refresh
from equipoise_server.commands.demo_experiments import (
    EXPERIMENTS,
    PAST_ENDED_BEFORE,
    PAST_RAN_FOR,
    PAST_VISITORS_PER_DAY,
    RUNNING_FOR,
    VISITORS_PER_DAY,
    Fate,
    PlannedExperiment,
)
from equipoise_server.commands.demo_imports import import_real_experiments
from equipoise_server.commands.demo_progress import say
from equipoise_server.commands.demo_setting import Setting, let_rise, set_up
from equipoise_server.commands.demo_snapshot import await_revision
from equipoise_server.events.actions import compact
from equipoise_server.experiments.actions import (
    CreateExperiment,
    Decide,
    Launch,
    Stop,
    create_experiment,
    decide,
    launch,
    stop,
)
from equipoise_server.experiments.values import DecisionKind, Experiment

OWNER_ONLY = 0o600
A_DAY = timedelta(days=1)


def tell(server: str, state: Path, *, now: datetime) -> None:
    """Fill everything; `state` is written last and says that the demo is complete."""
    ended = now - PAST_ENDED_BEFORE
    began = ended - PAST_RAN_FOR
    say("People, metrics and flags")
    setting = set_up(now=began - A_DAY)
    _ship_the_photos(setting, server, began=began, ended=ended)
    since = now - RUNNING_FOR
    running = [_launch(setting, planned, now=since) for planned in _with_fate(Fate.RUNNING)]
    for planned in _with_fate(Fate.DRAFT):
        _draft(setting, planned, now=now - A_DAY)
    _let_visit(setting, server, days=RUNNING_FOR.days, per_day=VISITORS_PER_DAY, until=now)
    import_real_experiments(setting, now=now)
    let_rise(setting, now=now)
    say("Reports")
    compact(now=now)
    for experiment in running:
        _report(experiment, now=now)
    measure_holdouts(now)
    _write_state(state, setting)


def _ship_the_photos(setting: Setting, server: str, *, began: datetime, ended: datetime) -> None:
    """An experiment that is over: launched, visited, read at its planned end, decided."""
    for planned in _with_fate(Fate.SHIPPED):
        experiment = _launch(setting, planned, now=began)
        _let_visit(setting, server, days=PAST_RAN_FOR.days, per_day=PAST_VISITORS_PER_DAY, until=ended)
        compact(now=ended)
        _report(experiment, now=ended)
        stop(setting.experimenter, Stop(experiment.id, "The planned end has come."), now=ended)
        _report(experiment, now=ended)
        chosen = Decide(experiment.id, DecisionKind.SHIP, "treatment", "More filled carts, pages as fast.")
        decide(setting.experimenter, chosen, now=ended + A_DAY)


def _with_fate(fate: Fate) -> list[PlannedExperiment]:
    return [planned for planned in EXPERIMENTS if planned.fate is fate]


def _draft(setting: Setting, planned: PlannedExperiment, *, now: datetime) -> Experiment:
    command = CreateExperiment(
        setting.project.id, planned.key, planned.name, planned.design, owner=planned.owner
    )
    return create_experiment(setting.experimenter, command, now=now)


def _launch(setting: Setting, planned: PlannedExperiment, *, now: datetime) -> Experiment:
    experiment = _draft(setting, planned, now=now)
    command = Launch(experiment.id, setting.production.id, experiment.version)
    return launch(setting.experimenter, command, now=now)


def _report(experiment: Experiment, *, now: datetime) -> None:
    iteration = experiment.iteration
    if iteration is None:
        raise LookupError(f"{experiment.key} was never launched")
    refresh(iteration.id, now=now)


def _let_visit(setting: Setting, server: str, *, days: int, per_day: int, until: datetime) -> None:
    """Send simulated visitors of past days through the shop."""
    await_revision(server, setting.sdk_key, setting.production.id)
    say(f"{days * per_day:,} simulated visitors on {days} days until {until:%d %B}")
    subprocess.run(  # noqa: S603  # our own program with arguments of our own
        [
            *(sys.executable, "-m", "equipoise_shop.main", "backfill"),
            *("--server", server, "--key", setting.sdk_key, "--until", until.isoformat()),
            *("--days", str(days), "--visitors-per-day", str(per_day)),
        ],
        check=True,
    )


def _write_state(path: Path, setting: Setting) -> None:
    """Keep the shop's key for the next start; complete from its first byte, and private."""
    written = path.with_suffix(".new")
    with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY), "w") as file:
        json.dump({"sdk_key": setting.sdk_key}, file)
    written.replace(path)
