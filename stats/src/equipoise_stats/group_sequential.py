"""Bounds that let a test look several times at accumulating data and keep alpha.

The z-statistics are those of a Brownian motion at the information times; the recursion is
Armitage, McPherson & Rowe 1969 by Gauss-Legendre quadrature. Refuses to know metrics.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import optimize, special

from equipoise_stats.faults import require
from equipoise_stats.moments import FloatArray
from equipoise_stats.spending import DEFAULT_LOOKS, LookPlan, check_information

# A normal tail beyond this is below the smallest float: a bound that nothing crosses.
FARTHEST_BOUND = 37.5
# Mass beyond this many standard deviations, about 1e-18, is not followed.
_FOLLOWED = 8.8
# Below this the union bound is used: it is wider, and the two agree to all digits that matter.
_TINY = 1e-14
_NODES_PER_STEP = 3.0
_FEWEST_NODES = 24
# Relative precision of the chance of a first crossing.
_CLOSE = 1e-10
_MOST_ROUNDS = 80
# Closer looks are taken as this far apart: less correlation, so their bounds are a little wider.
_SMALLEST_STEP = 5e-4


@dataclass(frozen=True, slots=True)
class Bounds:
    """Critical values by look; one-sided tails used up so far.

    information: (looks,). critical: (looks,), in standard errors. spent: (looks,), cumulative,
    of one side.
    """

    information: tuple[float, ...]
    critical: tuple[float, ...]
    spent: tuple[float, ...]


def group_sequential_bounds(
    information: Sequence[float],
    alpha: float = 0.05,
    plan: LookPlan = DEFAULT_LOOKS,
    *,
    two_sided: bool = True,
    ended: bool = False,
) -> Bounds:
    """The bounds of looks at these information times (Lan & DeMets 1983, eq. 2).

    information: shares of the planned total, rising. alpha: total error, both sides if
    two-sided. ended: the last look is the declared end, so it spends all that is left.
    Raises InputError.
    """
    times = check_information(information)
    require((0 < alpha < 1, f"alpha must lie between 0 and 1, not {alpha}"))
    tail = alpha / 2 if two_sided else alpha
    spent = spent_by_look(times, (tail,), plan, ended=ended)
    critical = critical_values(times, spent, two_sided=two_sided)
    return Bounds(times, tuple(critical[:, 0].tolist()), tuple(look[0] for look in spent))


def spent_by_look(
    information: tuple[float, ...], tails: tuple[float, ...], plan: LookPlan, *, ended: bool
) -> tuple[tuple[float, ...], ...]:
    """Cumulative spending, (looks, tails); at the declared end all of it."""
    spent = [tuple(plan.spent(t, tail) for tail in tails) for t in information]
    if ended:
        spent[-1] = tails
    return tuple(spent)


def critical_values(
    information: tuple[float, ...], spent: tuple[tuple[float, ...], ...], *, two_sided: bool
) -> FloatArray:
    """Critical values (looks, tails) for cumulative spending (looks, tails), several tails at once.

    c_k solves P(no crossing before k, Z_k >= c_k) = spent_k - spent_(k-1). Kept by prefix, so
    a new look costs one step.
    """
    times = _apart(information)
    rows = [_step(times[: k + 1], spent[: k + 1], 0, two_sided=two_sided).critical for k in range(len(times))]
    return np.array(rows)


def exit_probabilities(
    information: Sequence[float],
    critical: Sequence[float],
    *,
    drift: float = 0.0,
    two_sided: bool = True,
) -> FloatArray:
    """The chance to cross first at each look, float64 (looks,).

    drift: the expected z at information 1; 0 under the null, z_(alpha/2) + z_power at the size
    of a fixed test with that power.
    """
    times = _apart(check_information(information))
    require((len(times) == len(critical), "critical: one bound per look"))
    first_exits = []
    state: _Density | None = None
    for k, (t, c) in enumerate(zip(times, critical, strict=True)):
        bound = np.array([min(c, FARTHEST_BOUND)])
        before = times[k - 1] if k else 0.0
        shift = drift * (t - before)
        above = _above(state, bound, t, before, shift)
        below = _above(_mirrored(state), bound, t, before, -shift) if two_sided else np.zeros(1)
        first_exits.append(float(above[0] + below[0]))
        following = times[k + 1] if k + 1 < len(times) else None
        step = _narrowest(before, t, following)
        state = _continued(state, bound, (before, t), step, shift=shift, two_sided=two_sided)
    return np.array(first_exits)


def overall_error(information: Sequence[float], critical: float | Sequence[float]) -> float:
    """The chance of any false positive when z is compared with these bounds at every look.

    A single number stands for the same bound at every look: naive peeking.
    """
    bounds = [critical] * len(information) if isinstance(critical, float) else critical
    return float(exit_probabilities(information, bounds).sum())


def pocock_constant(looks: int, alpha: float = 0.05) -> float:
    """The same two-sided bound at each of so many equal looks (Pocock 1977)."""
    times = equal_looks(looks)
    return float(optimize.brentq(lambda c: overall_error(times, c) - alpha, 0.5, 8.0, xtol=1e-10))


def obrien_fleming_constant(looks: int, alpha: float = 0.05) -> float:
    """C with two-sided bounds C sqrt(K / k) at look k of K equal looks (O'Brien & Fleming 1979)."""
    times = equal_looks(looks)

    def excess(constant: float) -> float:
        return overall_error(times, [constant / math.sqrt(t) for t in times]) - alpha

    return float(optimize.brentq(excess, 0.5, 8.0, xtol=1e-10))


def equal_looks(looks: int) -> tuple[float, ...]:
    """Information times 1/K, 2/K, ..., 1."""
    require((looks >= 1, f"looks must be at least 1, not {looks}"))
    return tuple((k + 1) / looks for k in range(looks))


@dataclass(frozen=True, slots=True, eq=False)
class _Density:
    """The paths that have not crossed: nodes on the Brownian scale and mass at each, (tails, nodes)."""

    nodes: FloatArray
    mass: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    critical: FloatArray
    density: _Density


@lru_cache(maxsize=1024)
def _step(
    information: tuple[float, ...], spent: tuple[tuple[float, ...], ...], halvings: int, *, two_sided: bool
) -> _Look:
    """One look after those before it, which the cache holds.

    The next look is not known yet: nodes serve steps down to half of this one; `halvings` asks
    for finer ones.
    """
    t, now = information[-1], np.array(spent[-1])
    if len(information) == 1:
        state, before, earlier = None, 0.0, np.zeros_like(now)
    else:
        finer = _halvings(information)
        state = _step(information[:-1], spent[:-1], finer, two_sided=two_sided).density
        before, earlier = information[-2], np.array(spent[-2])
    critical = _solved(state, now - earlier, t, before)
    step = math.sqrt((t - before) / 2 ** (halvings + 1))
    return _Look(critical, _continued(state, critical, (before, t), step, shift=0.0, two_sided=two_sided))


def _halvings(information: tuple[float, ...]) -> int:
    """How often the last step but one must be halved to be as narrow as the last one."""
    earliest, before, t = (0.0, *information)[-3:]
    return max(0, math.ceil(math.log2((before - earliest) / (t - before))) - 1)


def _solved(state: _Density | None, increment: FloatArray, t: float, before: float) -> FloatArray:
    """The bounds with these chances of a first crossing, by Newton's method on the log scale.

    ln P(cross above c) is concave and the union bound lies above the root, so the steps descend
    to it; where the chance underflows the bracket is halved instead.
    """
    possible = np.maximum(increment, np.finfo(np.float64).tiny)
    bound = np.minimum(-special.ndtri(possible), FARTHEST_BOUND)
    if state is None:
        return np.asarray(bound)
    exact = increment > _TINY
    goal, low, high = np.log(possible), np.full_like(bound, -FARTHEST_BOUND), bound
    rounds, open_rows = 0, exact
    while rounds < _MOST_ROUNDS and bool(open_rows.any()):
        rounds += 1
        chance = _above(state, bound, t, before, 0.0)
        seen = chance > np.finfo(np.float64).tiny
        gap = np.where(exact & seen, np.log(np.where(seen, chance, 1.0)) - goal, 0.0)
        open_rows = exact & ~(seen & (np.abs(gap) < _CLOSE))
        low, high = np.where(seen & (gap > 0), bound, low), np.where(seen & (gap > 0), high, bound)
        slope = _density_at(state, bound[:, None] * math.sqrt(t), math.sqrt(t - before), 0.0)[:, 0]
        steep = seen & (slope * FARTHEST_BOUND > chance)
        newton = bound + gap * chance / np.where(steep, slope * math.sqrt(t), 1.0)
        inside = steep & (newton > low) & (newton < high)
        bound = np.where(open_rows, np.where(inside, newton, (low + high) / 2), bound)
    return np.asarray(bound)


def _above(state: _Density | None, bound: FloatArray, t: float, before: float, shift: float) -> FloatArray:
    """P(not crossed before, Z_t >= bound) by tail."""
    edge = bound * math.sqrt(t) - shift
    if state is None:
        return np.asarray(special.ndtr(-edge / math.sqrt(t)))
    reach = (state.nodes - edge[:, None]) / math.sqrt(t - before)
    return np.asarray((state.mass * special.ndtr(reach)).sum(axis=1))


def _mirrored(state: _Density | None) -> _Density | None:
    return None if state is None else _Density(-state.nodes, state.mass)


def _continued(
    state: _Density | None,
    critical: FloatArray,
    times: tuple[float, float],
    step: float,
    *,
    shift: float,
    two_sided: bool,
) -> _Density:
    """The density of the paths that go on after this look."""
    before, t = times
    reach = math.sqrt(t)
    upper = np.minimum(critical, _FOLLOWED + abs(shift) / reach) * reach
    lower = -upper if two_sided else np.full_like(upper, -_FOLLOWED * reach)
    nodes, weights = _quadrature(lower, upper, step)
    density = _density_at(state, nodes, math.sqrt(t - before), shift)
    return _Density(nodes, density * weights)


def _quadrature(lower: FloatArray, upper: FloatArray, step: float) -> tuple[FloatArray, FloatArray]:
    half = (upper - lower) / 2
    wanted = _FEWEST_NODES + _NODES_PER_STEP * float(half.max()) / step
    points, weights = _legendre(8 * math.ceil(wanted / 8))
    return (lower + half)[:, None] + half[:, None] * points, half[:, None] * weights


@lru_cache(maxsize=256)
def _legendre(count: int) -> tuple[FloatArray, FloatArray]:
    points, weights = np.polynomial.legendre.leggauss(count)
    return points, weights


def _density_at(state: _Density | None, at: FloatArray, sd: float, shift: float) -> FloatArray:
    """The density of paths at `at` (tails, points) after a step of this sd."""
    scale = 1 / (sd * math.sqrt(2 * math.pi))
    if state is None:
        return np.asarray(scale * np.exp(-(((at - shift) / sd) ** 2) / 2))
    rows = zip(at / sd, (state.nodes + shift) / sd, state.mass, strict=True)
    # By tail: one square at a time stays in the processor's cache.
    return scale * np.array([np.exp(-((x[:, None] - u) ** 2) / 2) @ mass for x, u, mass in rows])


def _apart(times: tuple[float, ...]) -> tuple[float, ...]:
    spread, last = [], 0.0
    for k, t in enumerate(times):
        last = max(t, last + _SMALLEST_STEP) if k else t
        spread.append(last)
    return tuple(spread)


def _narrowest(before: float, t: float, following: float | None) -> float:
    steps = [t - before] if following is None else [t - before, following - t]
    return math.sqrt(min(steps)) / math.sqrt(2)
