"""Inference that stays valid at every look: asymptotic confidence sequences and e-values.

Knows multipliers and evidence at one look. The ledger of looks belongs to the caller.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy import special

from equipoise_stats.moments import FloatArray

Numbers = FloatArray | float

# An e-value may exceed what a float holds; its p-value is then "at most this", never 0.
SMALLEST_P = float(np.finfo(np.float64).tiny)


def mixing(n: Numbers, expected_units: Numbers, alpha: float) -> FloatArray:
    """x = n·rho², the information in units of the mixture's width.

    Tuned so that the sequence is tightest near n = expected_units:
    x* = -2 ln a + ln(1 - 2 ln a) (Waudby-Smith et al. 2024, sec. B.2; Howard et al. 2021, eq. 23).
    """
    best = -2 * math.log(alpha) + math.log1p(-2 * math.log(alpha))
    return np.asarray(n, dtype=np.float64) * (best / np.asarray(expected_units, dtype=np.float64))


def two_sided_multiplier(n: Numbers, expected_units: Numbers, alpha: float = 0.05) -> FloatArray:
    """How many standard errors the confidence sequence reaches on either side at n units.

    sqrt((1 + 1/x)(2 ln(1/a) + ln(1 + x))) (Waudby-Smith et al. 2024, eq. 12).
    """
    x = mixing(n, expected_units, alpha)
    return np.sqrt((1 + 1 / x) * (-2 * math.log(alpha) + np.log1p(x)))


def one_sided_multiplier(n: Numbers, expected_units: Numbers, alpha: float = 0.05) -> FloatArray:
    """How many standard errors a one-sided confidence sequence reaches at n units.

    sqrt(2(1 + 1/x) ln(1 + sqrt(1 + x)/(2a))), x tuned at 2a (Waudby-Smith et al. 2024, eq. 134).
    """
    x = mixing(n, expected_units, 2 * alpha)
    return np.sqrt(2 * (1 + 1 / x) * np.log1p(np.sqrt(1 + x) / (2 * alpha)))


@lru_cache(maxsize=4096)
def one_sided_reach(n: float, expected_units: float, alpha: float) -> float:
    """One `one_sided_multiplier`, kept: the metrics of an experiment ask for the same few."""
    return float(one_sided_multiplier(n, expected_units, alpha))


def log_e_value(z: Numbers, x: Numbers) -> FloatArray:
    """ln E = z² x / (2(1 + x)) - ln(1 + x)/2 for the z-statistic at information x.

    The mixture likelihood ratio of Robbins 1970; the mSPRT of Johari et al. 2022 with
    x = tau²/V. E >= 1/alpha exactly when the two-sided confidence sequence leaves out 0.
    """
    spread = 1 + np.asarray(x, dtype=np.float64)
    evidence = np.asarray(z, dtype=np.float64) ** 2 * (spread - 1) / (2 * spread)
    return evidence - np.log(spread) / 2


def p_value_of(log_e: Numbers) -> FloatArray:
    """The always-valid p-value of one look, min(1, 1/E)."""
    return np.clip(np.exp(-np.maximum(log_e, 0.0)), SMALLEST_P, 1.0)


def running_p_values(p_by_look: Sequence[float]) -> tuple[float, ...]:
    """What a ledger reports: the smallest always-valid p-value so far (Johari et al. 2022)."""
    return tuple(np.minimum.accumulate(np.asarray(p_by_look, dtype=np.float64)).tolist())


def log_e_value_of_events(
    treatment_events: int, events: int, share: float, *, concentration: float = 10.0
) -> float:
    """Exact evidence that the treatment has *more* events than its share, at any look.

    Given `events` in both arms, the treatment's count is binomial with `share` under the null;
    beta mixture cut off at share (Lindon & Malek 2022). One event per unit, or it is too bold.
    """
    a, b = concentration * share, concentration * (1 - share)
    others = events - treatment_events
    fit = special.betaln(a + treatment_events, b + others) - special.betaln(a, b)
    null = treatment_events * math.log(share) + others * math.log1p(-share)
    above = _log_betainc(b + others, a + treatment_events, 1 - share)
    return float(fit) - null + above - _log_betainc(b, a, 1 - share)


def _log_betainc(a: float, b: float, x: float) -> float:
    """ln I_x(a, b), also where I_x is too small for a float (DLMF 8.17.8)."""
    plain = float(special.betainc(a, b, x))
    if plain > SMALLEST_P:
        return math.log(plain)
    lead = a * math.log(x) + b * math.log1p(-x) - math.log(a) - float(special.betaln(a, b))
    return lead + math.log(float(special.hyp2f1(a + b, 1.0, a + 1.0, x)))
