"""How what happens over time is written as JSON: switchbacks, their schedules, and the steps of ramps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from equipoise_server.experiments.json_reading import Json, Reader
from equipoise_server.experiments.values import GateStep, Pairing, Schedule, Switchback


def switchback_to_json(plan: Switchback | None) -> dict[str, object] | None:
    """The plan with every field."""
    if plan is None:
        return None
    starts_at = None if plan.starts_at is None else plan.starts_at.isoformat()
    return asdict(plan) | {
        "regions": list(plan.regions),
        "pairing": str(plan.pairing),
        "starts_at": starts_at,
    }


def read_switchback(reader: Reader) -> Switchback:
    """The plan of an object."""
    reader.allow(Switchback.__slots__)
    return Switchback(
        regions=reader.texts("regions"),
        window_minutes=reader.integer("window_minutes", 120),
        days=reader.integer("days", 28),
        burn_in_minutes=reader.integer("burn_in_minutes", 0),
        pairing=reader.word("pairing", Pairing, Pairing.DAYS),
        starts_at=reader.instant("starts_at"),
    )


def ramp_to_json(ramp: Iterable[GateStep]) -> list[dict[str, object]]:
    """The steps in their order."""
    return [asdict(step) for step in ramp]


def read_gate_step(reader: Reader) -> GateStep:
    """One step of an object."""
    reader.allow(GateStep.__slots__)
    return GateStep(reader.integer("after_hours", 0), reader.integer("parts_per_million", 0))


def schedule_to_json(schedule: Schedule) -> dict[str, object]:
    """The schedule of an iteration with every field."""
    return asdict(schedule) | {
        "pairing": str(schedule.pairing),
        "starts_at": schedule.starts_at.isoformat(),
        "rows": dict(schedule.rows),
    }


def schedule_from_json(written: Json | None) -> Schedule | None:
    """The schedule of a row, if the iteration is a switchback."""
    if written is None:
        return None
    reader = Reader(written, "", [])
    starts_at = reader.instant("starts_at")
    assert starts_at is not None  # a stored schedule begins somewhere
    return Schedule(
        seed=reader.integer("seed", 0),
        pairing=reader.word("pairing", Pairing, Pairing.DAYS),
        starts_at=starts_at,
        window_seconds=reader.integer("window_seconds", 0),
        burn_in_seconds=reader.integer("burn_in_seconds", 0),
        days=reader.integer("days", 0),
        rows=reader.texts_by_key("rows"),
    )
