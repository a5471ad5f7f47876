"""Simulated visitors of an experiment, as events that a trusted source loads; for tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from equipoise_server.events.actions import compact, record
from equipoise_server.events.values import Event, Exposure, Track
from equipoise_server.experiments.values import Iteration

_IDS = UUID("3f0c2b54-7c1e-4a0e-9a52-0f6f2f1f9d11")


@dataclass(frozen=True, slots=True)
class Visit:
    """One unit: the variant it met and when, and (event name, value, delay) of what it did."""

    unit: str
    arm: str
    at: datetime
    did: tuple[tuple[str, float | None, timedelta], ...] = ()
    attributes: Mapping[str, object] | None = None
    """What the exposure says of the unit."""
    differs: bool | None = None
    cluster: str | None = None


def visited(iteration: Iteration, visits: Iterable[Visit], *, now: datetime) -> None:
    """Load the visits of an iteration and compact them."""
    record(iteration.environment_id, _events(iteration, visits), now=now)
    compact(now=now)


def acted(iteration: Iteration, visits: Iterable[Visit], *, now: datetime) -> None:
    """Load and compact what the visits did, without their exposures: these come from elsewhere."""
    outcomes = (one for one in _events(iteration, visits) if isinstance(one, Track))
    record(iteration.environment_id, outcomes, now=now)
    compact(now=now)


def _events(iteration: Iteration, visits: Iterable[Visit]) -> Iterator[Event]:
    unit_type = iteration.design.unit_type
    for place, visit in enumerate(visits):
        yield Exposure(
            id=_id(iteration, visit.unit, f"exposure-{visit.arm}-{place}"), at=visit.at,
            experiment=iteration.experiment_key, iteration=iteration.number, flag="checkout-button",
            variant=visit.arm, unit_type=unit_type, unit=visit.unit, revision=1, differs=visit.differs,
            attributes=None if visit.attributes is None else dict(visit.attributes),
            cluster_type=None if visit.cluster is None else "city", cluster=visit.cluster,
        )  # fmt: skip
        for number, (name, value, delay) in enumerate(visit.did):
            yield Track(
                id=_id(iteration, visit.unit, f"track-{place}-{number}"), at=visit.at + delay,
                name=name, units={unit_type: visit.unit}, value=value,
            )  # fmt: skip


def _id(iteration: Iteration, unit: str, what: str) -> UUID:
    return uuid5(_IDS, f"{iteration.id}:{unit}:{what}")
