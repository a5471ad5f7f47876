"""The same answers as from raw events, from the state where it knows them; everything else from raw."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np

import equipoise_stats as stats
from equipoise_server.analysis.dialects.sql import DAY, micros
from equipoise_server.analysis.moments import ArmMoments, DayCount, Files, UnjoinableEvents, Warehouse
from equipoise_server.analysis.plan import Plan, Span
from equipoise_server.analysis.rollups import sums
from equipoise_server.analysis.rollups.advance import make_sums, shift_of
from equipoise_server.analysis.rollups.arrivals import HOUR
from equipoise_server.analysis.rollups.shape import plan_hash, run_of
from equipoise_server.analysis.rollups.state import State

_COUNTS = f"""
SELECT f.first_at // {DAY} * {DAY} AS day, f.arm, COUNT(*),
  COUNT(*) FILTER (WHERE f.crossed_at < $until)
FROM firsts AS f WHERE f.run = $run AND f.first_at < $exposed_before GROUP BY day, f.arm
"""
_STRANGERS = """
SELECT s.variant, COUNT(DISTINCT s.u) FROM strangers AS s WHERE s.run = $run AND s.first_at < $until
GROUP BY s.variant ORDER BY s.variant
"""
_CARRIED = f"""
SELECT c.event, SUM(c.events) FILTER (WHERE c.unit_type = ''),
  COALESCE(SUM(c.events) FILTER (WHERE c.unit_type = $unit_type), 0)
FROM carried AS c WHERE c.hour >= $since // {HOUR} * {HOUR} AND c.hour < $until AND c.event IN
  (SELECT UNNEST($events)) GROUP BY c.event ORDER BY c.event
"""


class RolledWarehouse(Warehouse):
    """A state that knows the plan's run; for instants that it cannot tell, and for marks, the raw files."""

    def __init__(self, files: Files, state: State) -> None:
        super().__init__(files)
        self._state = state
        self._as_of = state.as_of
        self._hashes, self._runs = state.hashes, state.runs

    def moments(self, plan: Plan, span: Span, pivots: Mapping[str, float]) -> dict[str, ArmMoments]:
        """Moments per arm: those of now are kept, those at a midnight are added up from segments."""
        if plan.attributes or not self._can_tell(plan, span):
            return super().moments(plan, span, pivots)
        until, before = micros(span.until), micros(span.exposed_before)
        if until == before == self._as_of:
            return self._moments_now(plan, pivots)
        shift = shift_of(plan, pivots)
        found = sums.evaluate(self._state, plan, shift, sums.Scope(until, before))
        return {
            arm: _moments(plan, one, shift, found.largest[arm]) for arm, one in sorted(found.arms.items())
        }

    def counts(self, plan: Plan, span: Span) -> tuple[DayCount, ...]:
        """Units by arm and day of first exposure, in order of days."""
        if not self._can_tell(plan, span):
            return super().counts(plan, span)
        given = {
            "run": self._runs[run_of(plan)], "until": micros(span.until),
            "exposed_before": micros(span.exposed_before),
        }  # fmt: skip
        rows = self._state.run(_COUNTS, given)
        told = sorted((day, plan.arms[arm - 1], units, crossed) for day, arm, units, crossed in rows)
        return tuple(DayCount(instant_of(day).date(), *rest) for day, *rest in told)

    def strangers(self, plan: Plan, span: Span) -> dict[str, int]:
        """Units exposed to variants that the design does not have, by variant."""
        if not self._can_tell(plan, span):
            return super().strangers(plan, span)
        return dict(
            self._state.run(_STRANGERS, {"run": self._runs[run_of(plan)], "until": micros(span.until)})
        )

    def unjoinable(self, plan: Plan, span: Span) -> tuple[UnjoinableEvents, ...]:
        """By event name, what cannot be joined to units of the plan's type; from the hour of the start on."""
        if not self._can_tell(plan, span):
            return super().unjoinable(plan, span)
        given = {
            "unit_type": plan.unit_type, "events": [*plan.events], "since": micros(plan.since),
            "until": micros(span.until),
        }  # fmt: skip
        rows = self._state.run(_CARRIED, given)
        return tuple(UnjoinableEvents(event, int(events), int(events - ours)) for event, events, ours in rows)

    def _can_tell(self, plan: Plan, span: Span) -> bool:
        """Segments end at midnights and now; in between, only raw events know."""
        until = micros(span.until)
        is_told = until == self._as_of or (until < self._as_of and until % DAY == 0)
        return is_told and self._hashes.get(run_of(plan)) == plan_hash(plan)

    def _moments_now(self, plan: Plan, pivots: Mapping[str, float]) -> dict[str, ArmMoments]:
        """The sums that touched units moved; made again once, when they are to be shifted otherwise."""
        shift = shift_of(plan, pivots)
        kept = sums.kept_sums(self._state, run_of(plan)).get(run_of(plan))
        if kept is None or kept.pivots != shift:
            with self._state.transaction():
                make_sums(self._state, [(plan, shift)], now=self._as_of)
            kept = sums.kept_sums(self._state, run_of(plan))[run_of(plan)]
        return {arm: _moments(plan, one, shift, None) for arm, one in sorted(kept.arms.items())}


def _moments(
    plan: Plan, arm: sums.ArmSums, shift: tuple[float, ...], largest: sums.Floats | None
) -> ArmMoments:
    found = stats.Moments.from_shifted_sums(
        plan.names, arm.units, shift=list(shift), sums=arm.gram[0, 1:], products=arm.gram[1:, 1:]
    )
    tops = {} if largest is None else dict(zip(plan.names, map(float, np.asarray(largest)), strict=True))
    return ArmMoments(found, arm.crossed, tops)


def instant_of(at: int) -> datetime:
    """Microseconds since 1970 as an instant."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=at)
