"""From exposures and events to unit tables: windows, retention, ordered funnels, credit.

Everything is anchored at a unit's first exposure: [t0, t0 + window). Times are in days on any
common scale. Only matured units decide: those whose window has closed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from equipoise_stats.faults import require
from equipoise_stats.moments import Moments


@dataclass(frozen=True, slots=True)
class Exposure:
    """A unit met a variant."""

    unit: str
    variant: str
    at: float


@dataclass(frozen=True, slots=True)
class Event:
    """Something a unit did, by the time it happened."""

    unit: str
    name: str
    at: float
    value: float = 1.0


@dataclass(frozen=True, slots=True)
class Window:
    """From `opens` to `closes` days after exposure, the end excluded; seen at `as_of`.

    as_of: the time up to which events are complete.
    """

    closes: float
    as_of: float
    opens: float = 0.0

    def __post_init__(self) -> None:
        require(
            (self.opens >= 0, f"opens must be 0 or more, not {self.opens}"),
            (self.closes > self.opens, f"closes must lie after opens, not {self.closes}"),
        )

    def holds(self, exposed_at: float, at: float) -> bool:
        """Whether an event lies in the window of a unit."""
        return exposed_at + self.opens <= at < exposed_at + self.closes and at < self.as_of

    def has_matured(self, exposed_at: float) -> bool:
        """Whether a unit's window has closed."""
        return exposed_at + self.closes <= self.as_of


@dataclass(frozen=True, slots=True, eq=False)
class UnitTable:
    """One row per unit: identities, variants, whether matured, and (units, k) values."""

    columns: tuple[str, ...]
    units: tuple[str, ...]
    variants: tuple[str, ...]
    matured: tuple[bool, ...]
    values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]

    @property
    def matured_share(self) -> float | None:
        """How much of the table decides; None of an empty table."""
        return sum(self.matured) / len(self.units) if self.units else None

    def moments(self, *, matured_only: bool = True) -> dict[str, Moments]:
        """By variant: of the units that decide, or of all, which understates unfinished windows."""
        chosen = np.array(self.matured, dtype=bool) if matured_only else np.ones(len(self.units), dtype=bool)
        of = np.array(self.variants)
        return {
            str(v): Moments.from_rows(self.columns, self.values[chosen & (of == v)]) for v in np.unique(of)
        }


def first_exposures(exposures: Iterable[Exposure]) -> dict[str, Exposure]:
    """Each unit under the variant it met first; it stays there whatever it met later."""
    first: dict[str, Exposure] = {}
    for exposure in exposures:
        known = first.get(exposure.unit)
        if known is None or exposure.at < known.at:
            first[exposure.unit] = exposure
    return first


def windowed_values(exposures: Iterable[Exposure], events: Iterable[Event], window: Window) -> UnitTable:
    """A `value` column: the total value of each unit's events in its window."""
    first = first_exposures(exposures)
    kept = _by_unit(first, events, window)
    return _table(first, ("value",), [[sum(e.value for e in kept[unit])] for unit in first], window)


def retention(exposures: Iterable[Exposure], events: Iterable[Event], window: Window) -> UnitTable:
    """A `retained` column: 1 for units that came back in the window."""
    first = first_exposures(exposures)
    kept = _by_unit(first, events, window)
    return _table(first, ("retained",), [[float(bool(kept[unit]))] for unit in first], window)


def funnel(
    exposures: Iterable[Exposure], events: Iterable[Event], steps: Sequence[str], window: Window
) -> UnitTable:
    """One 0/1 column per step, reached in order within the window.

    Each step's rate is a proportion of all exposed units. From step to step it is a ratio of two
    columns and descriptive only: who reached the earlier step is itself a result of treatment.
    """
    require(
        (len(steps) > 0, "a funnel needs steps"),
        (len(set(steps)) == len(steps), "steps must differ"),
    )
    first = first_exposures(exposures)
    kept = _by_unit(first, events, window)
    return _table(first, tuple(steps), [_reached(kept[unit], steps) for unit in first], window)


def credited(
    conversion_at: float,
    *,
    clicks: Iterable[float] = (),
    views: Iterable[float] = (),
    click_days: float,
    view_days: float,
) -> str | None:
    """What one conversion is credited to, once: "click" before "view", or None.

    clicks, views: times of the unit's touches; a touch counts for so many days.
    """
    for kind, touches, days in (("click", clicks, click_days), ("view", views, view_days)):
        if any(at <= conversion_at < at + days for at in touches):
            return kind
    return None


def _by_unit(
    first: Mapping[str, Exposure], events: Iterable[Event], window: Window
) -> dict[str, list[Event]]:
    kept: dict[str, list[Event]] = {unit: [] for unit in first}
    for event in events:
        exposure = first.get(event.unit)
        if exposure is not None and window.holds(exposure.at, event.at):
            kept[event.unit].append(event)
    return kept


def _reached(events: Sequence[Event], steps: Sequence[str]) -> list[float]:
    done = 0
    for event in sorted(events, key=lambda e: e.at):
        done += done < len(steps) and event.name == steps[done]
    return [float(at < done) for at in range(len(steps))]


def _table(
    first: Mapping[str, Exposure], columns: tuple[str, ...], rows: list[list[float]], window: Window
) -> UnitTable:
    return UnitTable(
        columns,
        tuple(first),
        tuple(exposure.variant for exposure in first.values()),
        tuple(window.has_matured(exposure.at) for exposure in first.values()),
        np.array(rows, dtype=np.float64).reshape(len(first), len(columns)),
    )
