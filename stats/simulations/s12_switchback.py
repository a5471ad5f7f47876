"""S12: where arms share a supply, users of one arm feel the other; switching whole regions does not."""

from __future__ import annotations

from itertools import product

import numpy as np

from equipoise_stats import (
    SingleRegion,
    SwitchbackDesign,
    SwitchbackEffect,
    SwitchbackPlan,
    fixed_effects_fit,
    horvitz_thompson,
    optimal_points,
    switchback_design,
    switchback_effect,
    without_burn_in,
)
from simulations.study import Row, StudyResult, main, near, share

CI, FULL = 40, 400
DEMAND, MORE, KEPT, ALPHA = 1.70, 0.10, 0.6, 0.05


def study(replications: int, seed: int) -> StudyResult:
    """+10 % requests on a supply that serves 82 %; half-hours that carry .6 of their state over."""
    rng = np.random.default_rng(seed)
    truth = _served(DEMAND * (1 + MORE)) / _served(DEMAND) - 1
    plan = SwitchbackPlan(8, 14, 12, seed=seed)
    seen = [_lift(plan, rng) for _ in range(replications)]
    split = np.array([1.0, 1 + MORE]) * _served(DEMAND * (1 + MORE / 2))
    rows = [
        near("true lift of everybody treated", truth, 0.035, 0.001),
        near("lift between users of one market", split[1] / split[0] - 1, 0.10, 0.001, is_foil=True),
        near("lift by switchback", np.mean(seen), truth, 0.005),
        *_burn_in(rng),
        _size(rng, replications * 10),
        _unbiased(rng),
    ]
    return StudyResult("S12 switchback", replications, tuple(rows))


def _served(demand: float | np.ndarray) -> float | np.ndarray:
    """Orders per unit of supply: each request finds a free one by chance."""
    return 1 - np.exp(-demand)


def _lift(plan: SwitchbackPlan, rng: np.random.Generator) -> float:
    design = switchback_design(SwitchbackPlan(8, 14, 12, seed=int(rng.integers(1 << 30))))
    supply = 100 * (1 + 0.3 * np.sin(plan.hours / 2)) * np.exp(rng.normal(0, 0.05, design.treated.shape))
    demand = DEMAND * np.exp(rng.normal(0, 0.1, design.treated.shape)) * (1 + MORE * design.treated)
    orders = supply * _served(demand)
    regions, windows = np.indices(orders.shape)
    found = fixed_effects_fit(
        orders.ravel(),
        design.treated.ravel(),
        regions=regions.ravel(),
        periods=plan.hours_of_week[windows.ravel()],
    )
    return 0.0 if found is None else found.effect / float(orders[design.treated == 0].mean())


def _burn_in(rng: np.random.Generator) -> list[Row]:
    """What is left of an effect that builds up, by window length and half-hours left out."""
    rows = []
    for parts, burn_in, left in ((2, 0, 0.52), (4, 0, 0.67), (4, 2, 0.82), (8, 0, 0.82), (8, 4, 0.95)):
        treated = rng.integers(0, 2, (1, 6000))
        state = np.empty(treated.size * parts)
        carried = 0.0
        for at, now in enumerate(np.repeat(treated[0], parts)):
            carried = KEPT * carried + (1 - KEPT) * now
            state[at] = carried
        means = without_burn_in(state.reshape(1, -1, parts), burn_in)[0]
        one = np.zeros(treated.size, dtype=int)
        found = fixed_effects_fit(means, treated[0], regions=one, periods=one)
        kept = 0.0 if found is None else found.effect
        name = f"effect left, windows of {parts / 2:g} h without the first {burn_in / 2:g} h"
        rows.append(near(name, kept, left, 0.02))
    return rows


def _size(rng: np.random.Generator, replications: int) -> Row:
    """How often re-drawn schedules reject when nothing differs."""
    design: SwitchbackDesign = switchback_design(SwitchbackPlan(2, 4, 12, seed=1))
    rejected = []
    for _ in range(replications):
        found = switchback_effect(rng.normal(size=design.treated.shape), design, rng=rng, draws=99)
        rejected.append(isinstance(found, SwitchbackEffect) and found.p_value <= ALPHA)
    return share("false positives of re-drawn schedules", rejected, (0.05, 0.05))


def _unbiased(rng: np.random.Generator) -> Row:
    """The mean of Horvitz-Thompson over all schedules of one region is the true effect, exactly."""
    points, baseline = optimal_points(12, 2), rng.normal(0, 3, 12)
    blocks = np.searchsorted(points, np.arange(1, 13), side="right") - 1
    found = []
    for tosses in product((0, 1), repeat=len(points)):
        treated = np.array(tosses)[blocks]
        carried = np.concatenate((np.zeros(2), treated[:-2]))
        region = SingleRegion(baseline + 2 * treated + carried, treated, points)
        found.append(horvitz_thompson(region, 2, rng=rng).value)
    return near("Horvitz-Thompson over all schedules, truth 3", np.mean(found), 3.0, 1e-9)


if __name__ == "__main__":
    main(study, FULL)
