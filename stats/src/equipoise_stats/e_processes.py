"""Exact evidence that may be read at any time: shares of events, one rate, one linear model, quantiles.

Knows counts and sorted values. Needs independent units: one event per unit, or it is too bold.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from equipoise_stats.faults import require
from equipoise_stats.intervals import Interval
from equipoise_stats.moments import FloatArray
from equipoise_stats.sequences import SMALLEST_P, Numbers

# The mixture of the Bernoulli sequence is kept proper near 0 and 1 (Howard et al. 2021, sec. 3.3).
_LEAST_MIXTURE = 1e-3
_EDGE = 1e-15


def log_e_value_of_split(
    treatment_events: Numbers, events: Numbers, share: Numbers, *, concentration: Numbers = 10.0
) -> FloatArray:
    """Exact evidence that the treatment's share of the events is not `share`, either way.

    E = B(a + S, b + n - S) / B(a, b) / (p0^S (1 - p0)^(n - S)), (a, b) = k (p0, 1 - p0)
    (Lindon & Malek 2022, eq. 6). Arrays broadcast; the answer is ln E.
    """
    s, n, p = (np.asarray(x, dtype=np.float64) for x in (treatment_events, events, share))
    k = np.asarray(concentration, dtype=np.float64)
    a, b = k * p, k * (1 - p)
    fit = special.betaln(a + s, b + n - s) - special.betaln(a, b)
    return np.asarray(fit - special.xlogy(s, p) - special.xlog1py(n - s, -p))


def tolerated_share(share: float, margin: float) -> float:
    """The share of events that a relative margin of harm still allows: p0 R / (1 - p0 + p0 R), R = 1 + m.

    share: 0..1; margin: 0.1 is 10 %, above -1. Raises InputError.
    """
    require(
        (0 <= share <= 1, f"share must lie in 0..1, not {share}"),
        (margin > -1, f"margin must be above -1, not {margin}"),
    )
    raised = share * (1 + margin)
    return raised / (1 - share + raised)


def concentration_for(expected_n: float, alpha: float) -> float:
    """The beta mixture's concentration that is sharpest near expected_n units or events.

    n* / x* - 1 with x* as for normal mixtures (Howard et al. 2021, prop. 7 and eq. 23). Raises InputError.
    """
    require(
        (expected_n > 0, f"expected_n must be above 0, not {expected_n}"),
        (0 < alpha < 1, f"alpha must lie between 0 and 1, not {alpha}"),
    )
    return max(expected_n / _spread(alpha) - 1, _LEAST_MIXTURE)


def bernoulli_sequence(events: float, n: int, *, expected_n: float, alpha: float = 0.05) -> Interval:
    """The rate of one arm with bounds that hold at all looks, for a fixed limit such as an SLO.

    Howard, Ramdas, McAuliffe & Sekhon 2021, prop. 7. expected_n: where it is tightest.
    Raises InputError.
    """
    require(
        (n >= 1, f"n must be at least 1, not {n}"),
        (0 <= events <= n, f"events must lie in 0..n, not {events}"),
        (expected_n > 0, f"expected_n must be above 0, not {expected_n}"),
    )
    rare = min(events, n - events)
    low, high = _bounds_of_rate(rare, n, concentration_for(expected_n, alpha), -math.log(alpha))
    # Rates near 1 have no digits to spare: the rarer outcome is bounded and mirrored.
    lower, upper = (low, high) if events == rare else (1 - high, 1 - low)
    return Interval(events / n, lower, upper, 1 - alpha)


def one_sided_boundary(
    variance: float, best_at: float, alpha: float = 0.05, *, tuned_for: float | None = None
) -> float:
    """The sum that a martingale of this intrinsic variance exceeds ever with probability alpha.

    Exact one-sided normal mixture (Howard et al. 2021, prop. 6); `one_sided_multiplier` is its
    closed form from above. best_at: the variance at which it is tightest. tuned_for: the alpha of the
    tuning; alpha when not given. Raises InputError.
    """
    require(
        (variance >= 0, f"variance must be 0 or more, not {variance}"),
        (best_at > 0, f"best_at must be above 0, not {best_at}"),
        (0 < alpha < 0.5, f"alpha must lie between 0 and 0.5, not {alpha}"),  # noqa: PLR2004 - one side
        (tuned_for is None or 0 < tuned_for < 0.5, "tuned_for must lie between 0 and 0.5"),  # noqa: PLR2004
    )
    rho = best_at / _spread(2 * (alpha if tuned_for is None else tuned_for))

    def excess(s: float) -> float:
        total = variance + rho
        lead = math.log(4 * rho / total) / 2 + s * s / (2 * total)
        return lead + float(special.log_ndtr(s / math.sqrt(total))) + math.log(alpha)

    highest = math.sqrt(2 * (variance + rho) * (math.log(1 / alpha) + math.log1p(variance / rho) + 2))
    return float(optimize.brentq(excess, 0.0, highest, xtol=1e-10))


def anytime_t_multiplier(n: float, coefficients: int, *, g: float = 1.0, alpha: float = 0.05) -> float | None:
    """How many standard errors an anytime-valid t interval reaches in a linear model.

    Lindon, Ham, Tingley & Bojinov 2022, eq. 16: nu (1 - c) / (c - r) with r = g / (g + n) and
    c = (r alpha²)^(1/(nu + 1)). None while the data cannot bound the coefficient yet.
    """
    nu = n - coefficients
    require((nu > 0, "n must be more than the coefficients"), (g > 0, f"g must be above 0, not {g}"))
    r = g / (g + n)
    c = (r * alpha * alpha) ** (1 / (nu + 1))
    return math.sqrt(nu * (1 - c) / (c - r)) if c > r else None


def quantile_p_value(
    treatment: ArrayLike, control: ArrayLike, quantile: float, *, expected_n: float, alpha: float = 0.05
) -> float:
    """The always-valid p-value that a quantile is the same in both arms, at this look.

    Howard & Ramdas 2022, thm. 5: the least evidence over all values that the common quantile
    might have. treatment, control: independent units' values, in any order, any length.
    Raises InputError.
    """
    arms = [np.sort(np.asarray(arm, dtype=np.float64)) for arm in (treatment, control)]
    require(
        (0 < quantile < 1, f"quantile must lie between 0 and 1, not {quantile}"),
        (all(len(arm) > 0 for arm in arms), "both arms need units"),
    )
    k = concentration_for(expected_n, alpha)
    candidates = np.unique(np.concatenate(arms))
    evidence = sum(_evidence_against(arm, candidates, quantile, k) for arm in arms)
    return float(np.clip(np.exp(-np.min(evidence)), SMALLEST_P, 1.0))


def _evidence_against(arm: FloatArray, values: FloatArray, quantile: float, k: float) -> FloatArray:
    """ln E that each value is the arm's quantile; ties may fall on either side of it."""
    n = len(arm)
    below, up_to = np.searchsorted(arm, values, "left"), np.searchsorted(arm, values, "right")
    weakest = optimize.minimize_scalar(
        lambda s: float(log_e_value_of_split(s, n, quantile, concentration=k)),
        bounds=(0, n),
        method="bounded",
        options={"xatol": 1e-9 * n},
    ).x
    return log_e_value_of_split(np.clip(weakest, below, up_to), n, quantile, concentration=k)


def _spread(alpha: float) -> float:
    return -2 * math.log(alpha) + math.log1p(-2 * math.log(alpha))


def _bounds_of_rate(events: float, n: int, k: float, evidence: float) -> tuple[float, float]:
    """The rates with less evidence against them than ln(1 / alpha)."""

    def excess(rate: float) -> float:
        return float(log_e_value_of_split(events, n, rate, concentration=k)) - evidence

    seen = max(events / n, _EDGE)
    bounds = [
        float(optimize.brentq(excess, min(edge, seen), max(edge, seen), xtol=1e-13))
        if excess(edge) > 0
        else edge
        for edge in (_EDGE, 1 - _EDGE)
    ]
    return (0.0 if bounds[0] <= _EDGE else bounds[0]), (1.0 if bounds[1] >= 1 - _EDGE else bounds[1])
