"""When the steps of a ramp are due, and how they get onto the table of due work."""

from __future__ import annotations

from datetime import datetime, timedelta

from equipoise_server.experiments.values import GateStep, Iteration
from equipoise_server.foundation.due_work import WorkDetails, schedule

KIND = "experiment.ramp"


def due_at(iteration: Iteration, step: GateStep) -> datetime:
    """When a step is due, pauses included."""
    return iteration.started_at + timedelta(hours=step.after_hours) + iteration.ramp_delay


def schedule_ramp(iteration: Iteration) -> None:
    """Put the steps that are still to come on the table. Part of a launch or a resumption."""
    for place, step in enumerate(iteration.design.ramp):
        if step.parts_per_million > iteration.gate_parts_per_million:
            delay = round(iteration.ramp_delay.total_seconds())
            payload = {"iteration_id": str(iteration.id), "step": str(place), "delay": str(delay)}
            details = WorkDetails(iteration.project_id, iteration.experiment_key)
            key = f"{iteration.id}:{place}:{delay}"
            schedule(KIND, key, due_at=due_at(iteration, step), payload=payload, details=details)
