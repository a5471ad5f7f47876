"""Is a quick metric a fair stand-in for a slow one? Asked of many past experiments.

Estimates of one experiment share its users' noise, so their plain correlation is mostly that of
users, which says nothing about treatments. The sampling covariance is taken out first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from equipoise_stats.estimates import Status, Undefined
from equipoise_stats.faults import require
from equipoise_stats.intervals import Interval
from equipoise_stats.moments import FloatArray

FEWEST_EXPERIMENTS = 30
_SIGNIFICANT = float(special.ndtri(0.975))
# A bootstrap that often finds no relation has no interval.
_LEAST_IDENTIFIED = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class PastExperiments:
    """Effects (N, 2) of N experiments: on the proxy, on the north star; (N, 2, 2) their covariances.

    One (2, 2) covariance stands for all. Raises InputError with every fault.
    """

    effects: FloatArray
    covariances: FloatArray

    def __post_init__(self) -> None:
        effects, covariances = np.array(self.effects, dtype=np.float64), np.array(self.covariances)
        shaped = effects.ndim == 2 and effects.shape[1] == 2  # noqa: PLR2004 - two metrics
        n = len(effects) if shaped else 0
        if covariances.shape == (2, 2):
            covariances = np.broadcast_to(covariances, (n, 2, 2)).copy()
        fits = shaped and covariances.shape == (n, 2, 2)
        require(
            (shaped, "effects must have shape (N, 2): proxy, north star"),
            (fits, "covariances must have shape (N, 2, 2) or (2, 2)"),
            (bool(np.isfinite(effects).all() and np.isfinite(covariances).all()), "numbers must be finite"),
            (
                not fits or bool((np.diagonal(covariances, axis1=1, axis2=2) > 0).all()),
                "sampling variances must be more than 0",
            ),
        )
        object.__setattr__(self, "effects", effects)
        object.__setattr__(self, "covariances", covariances.astype(np.float64))

    @property
    def n(self) -> int:
        """How many experiments."""
        return len(self.effects)


@dataclass(frozen=True, slots=True, eq=False)
class ProxyReport:
    """What the proxy says of the north star, over treatments.

    covariance: (2, 2) of true effects. slope: north star per unit of proxy. Intervals
    are None when the bootstrap often finds no relation.
    sign_agreement: among experiments that moved the north star; None when none did.
    sensitivity: shares of experiments with |z| > 1.96 on the proxy and on the north star.
    """

    covariance: FloatArray
    slope: float
    correlation: float
    slope_interval: Interval | None
    correlation_interval: Interval | None
    sign_agreement: float | None
    sensitivity: tuple[float, float]


def judge_proxy(
    past: PastExperiments, *, rng: np.random.Generator, draws: int = 1000, alpha: float = 0.05
) -> ProxyReport | Undefined:
    """Relate true effects on two metrics over at least 30 past experiments.

    cov(estimates) - mean sampling covariance (Bibaut, Chou, Ejdemyr & Kallus 2024, sec. 4.1;
    Tripuraneni et al. 2023). NOT_IDENTIFIABLE when that is no covariance.
    """
    require((draws >= 1, "draws: at least 1"), (0 < alpha < 1, "alpha lies between 0 and 1"))
    if past.n < FEWEST_EXPERIMENTS:
        return Undefined(Status.TOO_FEW_EXPERIMENTS)
    covariance = true_covariance(past)
    related = _relation(covariance)
    if related is None:
        return Undefined(Status.NOT_IDENTIFIABLE)
    intervals = _bootstrap(past, related, rng.integers(0, past.n, (draws, past.n)), alpha)
    z = past.effects / np.sqrt(np.diagonal(past.covariances, axis1=1, axis2=2))
    moved = np.abs(z) > _SIGNIFICANT
    decided = moved[:, 1]
    agree = np.sign(past.effects[decided, 0]) == np.sign(past.effects[decided, 1])
    return ProxyReport(
        covariance,
        *related,
        *intervals,
        float(agree.mean()) if decided.any() else None,
        (float(moved[:, 0].mean()), float(moved[:, 1].mean())),
    )


def true_covariance(past: PastExperiments) -> FloatArray:
    """The covariance (2, 2) of true effects; may fail to be one when experiments are weak."""
    return _corrected(past.effects, past.covariances)


def liml_slope(past: PastExperiments) -> float:
    """The slope by limited-information maximum likelihood, steady however weak the experiments.

    Only if the north star moves through the proxy alone; direct effects would be read as slope.

    With S the covariance of estimates and W the mean sampling covariance, k the smallest root of
    |S - k W| = 0: (S12 - k W12)/(S11 - k W11) (Anderson & Rubin 1949; Bibaut et al. 2024, sec. 4.2).
    """
    total, noise = _spread(past.effects), past.covariances.mean(axis=0)
    inverse = np.linalg.inv(np.linalg.cholesky(noise))
    _, vectors = np.linalg.eigh(inverse @ total @ inverse.T)
    # The direction without true effects is orthogonal to (1, slope).
    quiet = inverse.T @ vectors[:, 0]
    return float(-quiet[0] / quiet[1])


def _corrected(effects: FloatArray, covariances: FloatArray) -> FloatArray:
    return np.asarray(_spread(effects) - covariances.mean(axis=0), dtype=np.float64)


def _spread(effects: FloatArray) -> FloatArray:
    return np.asarray(np.cov(effects.T, ddof=1), dtype=np.float64)


def _relation(covariance: FloatArray) -> tuple[float, float] | None:
    """Slope and correlation, None when the matrix is not positive definite."""
    a, b, c = float(covariance[0, 0]), float(covariance[0, 1]), float(covariance[1, 1])
    if a <= 0 or c <= 0 or a * c - b * b <= 0:
        return None
    return b / a, b / math.sqrt(a * c)


def _bootstrap(
    past: PastExperiments,
    related: tuple[float, float],
    rows: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    alpha: float,
) -> tuple[Interval | None, Interval | None]:
    """Percentile intervals over resampled experiments."""
    resampled = [_relation(_corrected(past.effects[row], past.covariances[row])) for row in rows]
    found = np.array([r for r in resampled if r is not None])
    if len(found) < _LEAST_IDENTIFIED * len(rows):
        return None, None
    lower, upper = np.quantile(found, (alpha / 2, 1 - alpha / 2), axis=0)
    slope, correlation = (
        Interval(value, float(low), float(high), 1 - alpha)
        for value, low, high in zip(related, lower, upper, strict=True)
    )
    return slope, correlation
