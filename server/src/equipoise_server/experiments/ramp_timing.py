"""When the steps of a ramp are due, and how they get onto the table of due work."""

from __future__ import annotations

from datetime import datetime, timedelta

from equipoise_server.experiments.values import GateStep, Iteration
from equipoise_server.foundation.due_work import WorkDetails, schedule

KIND = "experiment.ramp"
LOOK_AGAIN = timedelta(seconds=15)


def due_at(iteration: Iteration, step: GateStep) -> datetime:
    """When a step is due, pauses and holds included."""
    return iteration.started_at + timedelta(hours=step.after_hours) + iteration.ramp_delay


def schedule_ramp(iteration: Iteration) -> None:
    """Put the steps that are still to come on the table. Part of a launch, a resumption or a release."""
    for place, step in enumerate(iteration.design.ramp):
        if step.parts_per_million > iteration.gate_parts_per_million:
            _plan(iteration, place, due_at(iteration, step))


def look_again(iteration: Iteration, place: int, *, now: datetime) -> None:
    """Let a step that waits be looked at soon."""
    _plan(iteration, place, now + LOOK_AGAIN, slot=":held")


def _plan(iteration: Iteration, place: int, at: datetime, *, slot: str = "") -> None:
    delay = round(iteration.ramp_delay.total_seconds())
    payload = {"iteration_id": str(iteration.id), "step": str(place), "delay": str(delay)}
    details = WorkDetails(iteration.project_id, iteration.experiment_key)
    schedule(KIND, f"{iteration.id}:{place}:{delay}{slot}", due_at=at, payload=payload, details=details)
