"""Sample ratio mismatch: did the units arrive in the planned shares?

Knows counts and weights alone; never sees a metric.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import special, stats

from equipoise_stats.moments import FloatArray
from equipoise_stats.sequences import SMALLEST_P

WARN_BELOW = 0.01
LOCK_BELOW = 0.001
LOCK_E_VALUE = 1000.0
# Below this many expected units in an arm the chi-squared approximation is not used.
_SPARSE = 5.0
_MOST_OUTCOMES = 200_000
_CONCENTRATIONS = (1e2, 1e3, 1e4, 1e5)


class SrmVerdict(StrEnum):
    """LOCKED withholds every metric; UNKNOWN means that nothing was there to test."""

    PASS = "pass"  # noqa: S105 - a verdict, not a secret
    WARN = "warn"
    LOCKED = "locked"
    UNKNOWN = "unknown"


class SrmMethod(StrEnum):
    """How the p-value was found."""

    CHI_SQUARED = "chi_squared"
    EXACT_MULTINOMIAL = "exact_multinomial"
    POOLED_SPARSE_ARMS = "pooled_sparse_arms"


@dataclass(frozen=True, slots=True)
class Srm:
    """The answer, over arms with weight. Numbers are None when the verdict is UNKNOWN.

    statistic: chi-squared, also beside an exact p-value. log_e_value: evidence that may be
    looked at as often as one likes; at ln 1000 it locks.
    """

    verdict: SrmVerdict
    p_value: float | None
    statistic: float | None
    degrees_of_freedom: int
    method: SrmMethod | None
    log_e_value: float | None


def judge_srm(counts: Sequence[int], weights: Sequence[float]) -> Srm:
    """Test counts of units against planned weights; arms of weight 0 are left out.

    PASS, WARN (p < .01) or LOCKED (p < .001, or e-value >= 1000). Exact multinomial below 5
    expected units in an arm; if that has over 200,000 outcomes, sparse arms are pooled first.
    """
    _check(counts, weights)
    kept = [(count, weight) for count, weight in zip(counts, weights, strict=True) if weight > 0]
    observed = np.array([count for count, _ in kept], dtype=np.float64)
    shares = np.array([weight for _, weight in kept], dtype=np.float64)
    total = float(observed.sum())
    df = len(kept) - 1
    if total == 0 or df < 1:
        return Srm(SrmVerdict.UNKNOWN, None, None, max(df, 0), None, None)
    shares = shares / shares.sum()
    expected = total * shares
    statistic = float(np.sum((observed - expected) ** 2 / expected))
    p_value, method = _p_value(observed, shares, statistic)
    log_e = srm_log_e_value(observed.tolist(), shares.tolist())
    return Srm(_verdict(p_value, log_e), p_value, statistic, df, method, log_e)


@dataclass(frozen=True, slots=True)
class AllocationEpoch:
    """A time in which the weights stood still: units that came in it, and the weights, by arm."""

    counts: tuple[int, ...]
    weights: tuple[float, ...]


def judge_srm_over_epochs(epochs: Sequence[AllocationEpoch]) -> Srm:
    """Test a split whose weights changed: each epoch against its own weights.

    Chi-squared and its degrees of freedom add up; so does ln E for each concentration. Pooling
    against today's weights would be a false alarm. One epoch is `judge_srm`.
    """
    judged = [judge_srm(epoch.counts, epoch.weights) for epoch in epochs]
    if len(judged) == 1:
        return judged[0]
    tested = [srm for srm in judged if srm.statistic is not None]
    if not tested:
        return Srm(SrmVerdict.UNKNOWN, None, None, 0, None, None)
    statistic = sum(known_statistic for srm in tested if (known_statistic := srm.statistic) is not None)
    df = sum(srm.degrees_of_freedom for srm in tested)
    p_value = max(float(special.chdtrc(df, statistic)), SMALLEST_P)
    by_prior = np.array([_log_e_values(*_with_weight(e.counts, e.weights), _CONCENTRATIONS) for e in epochs])
    log_e = _averaged(by_prior.sum(axis=0))
    return Srm(_verdict(p_value, log_e), p_value, statistic, df, SrmMethod.CHI_SQUARED, log_e)


def srm_log_e_value(
    counts: Sequence[float],
    weights: Sequence[float],
    concentrations: Sequence[float] = _CONCENTRATIONS,
) -> float:
    """ln of the Dirichlet-multinomial e-value, averaged over concentrations of the prior.

    E = B(k θ + N) / B(k θ) / prod θ^N (Lindon & Malek 2022, eq. 6); valid at every look.
    """
    return _averaged(_log_e_values(counts, weights, concentrations))


def log_e_value_of_counts(counts: Sequence[float], weights: Sequence[float], prior: Sequence[float]) -> float:
    """The same for one Dirichlet prior of any shape, (arms,)."""
    n, theta = np.asarray(counts, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    alpha = np.asarray(prior, dtype=np.float64)
    log_null = float(n @ np.log(theta / theta.sum()))
    return float(_log_beta(alpha + n) - _log_beta(alpha)) - log_null


def _log_e_values(
    counts: Sequence[float], weights: Sequence[float], concentrations: Sequence[float]
) -> FloatArray:
    """By concentration, (concentrations,)."""
    n, theta = np.asarray(counts, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    theta = theta / theta.sum()
    priors = np.multiply.outer(np.asarray(concentrations, dtype=np.float64), theta)
    return _log_beta(priors + n) - _log_beta(priors) - float(n @ np.log(theta))


def _averaged(logs: FloatArray) -> float:
    largest = float(logs.max())
    return largest + math.log(float(np.exp(logs - largest).mean()))


def _with_weight(counts: Sequence[int], weights: Sequence[float]) -> tuple[list[float], list[float]]:
    """The arms that can get units."""
    kept = [at for at, weight in enumerate(weights) if weight > 0]
    return [float(counts[at]) for at in kept], [weights[at] for at in kept]


def _log_beta(a: FloatArray) -> FloatArray:
    """ln of the Dirichlet's constant over the last axis."""
    return np.asarray(special.gammaln(a).sum(axis=-1) - special.gammaln(a.sum(axis=-1)))


def _verdict(p_value: float, log_e: float) -> SrmVerdict:
    if p_value < LOCK_BELOW or log_e >= math.log(LOCK_E_VALUE):
        return SrmVerdict.LOCKED
    return SrmVerdict.WARN if p_value < WARN_BELOW else SrmVerdict.PASS


def _p_value(observed: FloatArray, shares: FloatArray, statistic: float) -> tuple[float, SrmMethod]:
    total = int(observed.sum())
    if float(total * shares.min()) >= _SPARSE:
        tail = float(special.chdtrc(len(observed) - 1, statistic))
        return max(tail, SMALLEST_P), SrmMethod.CHI_SQUARED
    if len(observed) == 2 or _outcomes(total, len(observed)) <= _MOST_OUTCOMES:  # noqa: PLR2004 - a pair
        return _exact(observed, shares), SrmMethod.EXACT_MULTINOMIAL
    pooled, pooled_shares = _pooled(observed, shares)
    if len(pooled) == 2:  # noqa: PLR2004 - a pair
        return _exact(pooled, pooled_shares), SrmMethod.POOLED_SPARSE_ARMS
    expected = total * pooled_shares
    fit = float(np.sum((pooled - expected) ** 2 / expected))
    tail = float(special.chdtrc(len(pooled) - 1, fit))
    return max(tail, SMALLEST_P), SrmMethod.POOLED_SPARSE_ARMS


def _outcomes(total: int, arms: int) -> int:
    return math.comb(total + arms - 1, arms - 1)


def _pooled(observed: FloatArray, shares: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Join the two smallest arms until none is sparse or two are left."""
    total = float(observed.sum())
    while len(shares) > 2 and total * float(shares.min()) < _SPARSE:  # noqa: PLR2004 - a pair
        order = np.argsort(shares)
        first, second, rest = order[0], order[1], order[2:]
        observed = np.append(observed[rest], observed[first] + observed[second])
        shares = np.append(shares[rest], shares[first] + shares[second])
    return observed, shares


def _exact(observed: FloatArray, shares: FloatArray) -> float:
    """The probability of all outcomes that are no likelier than the observed one."""
    total = int(observed.sum())
    if len(observed) == 2:  # noqa: PLR2004 - a pair
        p = stats.binomtest(int(observed[0]), total, float(shares[0])).pvalue
        return min(max(float(p), SMALLEST_P), 1.0)
    outcomes = _compositions(total, len(observed))
    log_p = _log_pmf(outcomes, shares)
    threshold = float(_log_pmf(observed[None, :], shares)[0]) + 1e-7
    p = float(np.exp(log_p[log_p <= threshold]).sum())
    return min(max(p, SMALLEST_P), 1.0)


def _compositions(total: int, parts: int) -> FloatArray:
    """Every way to give `total` units to `parts` arms: (outcomes, parts)."""
    rows = np.zeros((1, 0), dtype=np.int64)
    left = np.array([total])
    for _ in range(parts - 1):
        repeats = left + 1
        rows = np.repeat(rows, repeats, axis=0)
        starts = np.repeat(np.cumsum(repeats) - repeats, repeats)
        taken = np.arange(len(rows)) - starts
        left = np.repeat(left, repeats) - taken
        rows = np.column_stack((rows, taken))
    return np.column_stack((rows, left)).astype(np.float64)


def _log_pmf(outcomes: FloatArray, shares: FloatArray) -> FloatArray:
    total = outcomes.sum(axis=1)
    ways = special.gammaln(total + 1) - special.gammaln(outcomes + 1).sum(axis=1)
    return np.asarray(ways + outcomes @ np.log(shares), dtype=np.float64)


def _check(counts: Sequence[int], weights: Sequence[float]) -> None:
    if len(counts) != len(weights):
        raise ValueError("give one weight per count")
    if any(count < 0 for count in counts) or any(weight < 0 for weight in weights):
        raise ValueError("counts and weights are 0 or more")
