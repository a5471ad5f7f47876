"""Whether a state says what plain Python says over everything that was stored; for tests."""

from __future__ import annotations

import numpy as np
from plain_units import DAY, unit_rows
from stored import Stored

from equipoise_server.analysis.plan import Plan
from equipoise_server.analysis.rollups import sums
from equipoise_server.analysis.rollups.shape import run_of
from equipoise_server.analysis.rollups.state import State


def by_hand(plan: Plan, stored: Stored, until: int, exposed_before: int) -> dict[str, sums.ArmSums]:
    rows = unit_rows(plan, stored.met, stored.did, until=until, exposed_before=exposed_before).values()
    arms = {}
    for arm in plan.arms:
        mine = [row for row in rows if row.arm == arm]
        if mine:
            numbers = np.array([(1.0, *row.numbers) for row in mine])
            arms[arm] = sums.ArmSums(sum(row.is_crossed for row in mine), numbers.T @ numbers)
    return arms


def assert_equal(found: dict[str, sums.ArmSums], wanted: dict[str, sums.ArmSums]) -> None:
    assert found.keys() == wanted.keys()
    for arm, one in wanted.items():
        assert found[arm].crossed == one.crossed
        np.testing.assert_allclose(found[arm].gram, one.gram, rtol=1e-9, atol=1e-9)


def assert_true(state: State, plan: Plan, stored: Stored, now: int) -> None:
    """The moved sums, and sums from rollups now and at the midnight before, are those of plain Python."""
    assert_equal(sums.kept_sums(state)[run_of(plan)].arms, by_hand(plan, stored, now, now))
    midnight = now - now % DAY
    for until, before in ((now, now), (midnight, midnight), (midnight, midnight - DAY)):
        found = sums.evaluate(state, plan, [0.0] * len(plan.columns), sums.Scope(until, before))
        assert_equal(dict(found.arms), by_hand(plan, stored, until, before))
