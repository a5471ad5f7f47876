"""The Bayesian option: posterior of a lift under a proper prior, and what a decision would lose.

Calibrated on average over the prior. It does not hold alpha: with a flat prior and a 95 % rule
14 looks call 38 % of harmless changes wins. Refuses to know looks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import optimize, special, stats

from equipoise_stats.estimates import Estimate, Status, Undefined
from equipoise_stats.faults import require
from equipoise_stats.intervals import Interval, known, normal_critical, unusable, unusable_baseline
from equipoise_stats.moments import FloatArray

# Fewer past experiments than this say too little about the spread of true lifts.
FEWEST_EXPERIMENTS = 20
SMALLEST_INFORMATION = 0.5
_NODES = 200


@dataclass(frozen=True, slots=True)
class Prior:
    """What past changes did: normal, in the unit of the estimate (0.05 is a lift of 5 %)."""

    mean: float = 0.0
    sd: float = 0.05

    def __post_init__(self) -> None:
        require(
            (math.isfinite(self.mean), f"mean must be finite, not {self.mean}"),
            (0 < self.sd < math.inf, f"sd must be above 0 and finite, not {self.sd}"),
        )


DEFAULT_PRIOR = Prior()


@dataclass(frozen=True, slots=True)
class Rope:
    """Posterior shares inside, above and below a region of practical equivalence."""

    inside: float
    above: float
    below: float


@dataclass(frozen=True, slots=True)
class Posterior:
    """A normal posterior of the lift (or effect)."""

    mean: float
    sd: float

    @property
    def probability_positive(self) -> float:
        """P(lift > 0). Never show it without the expected loss."""
        return float(special.ndtr(self.mean / self.sd))

    @property
    def loss_of_shipping(self) -> float:
        """E[max(-lift, 0)] = sd phi(m/sd) - m Phi(-m/sd)."""
        return _expected_excess(-self.mean, self.sd)

    @property
    def loss_of_holding(self) -> float:
        """E[max(lift, 0)]."""
        return _expected_excess(self.mean, self.sd)

    def interval(self, alpha: float = 0.05) -> Interval:
        """The central credible interval."""
        reach = normal_critical(alpha / 2) * self.sd
        return Interval(self.mean, self.mean - reach, self.mean + reach, 1 - alpha)

    def rope(self, lower: float, upper: float) -> Rope:
        """How much of the posterior calls the two variants equal in practice."""
        require((lower <= upper, "lower must not exceed upper"))
        below = float(special.ndtr((lower - self.mean) / self.sd))
        above = float(special.ndtr((self.mean - upper) / self.sd))
        return Rope(max(1 - below - above, 0.0), above, below)


def posterior(estimate: float, standard_error: float, prior: Prior = DEFAULT_PRIOR) -> Posterior:
    """Normal estimate, normal prior: precisions add (Gelman et al. 2013, eq. 2.12)."""
    require((standard_error > 0, f"standard_error must be above 0, not {standard_error}"))
    data, before = standard_error**-2, prior.sd**-2
    mean = (estimate * data + prior.mean * before) / (data + before)
    return Posterior(mean, (data + before) ** -0.5)


def posterior_lift(
    treatment: Estimate, control: Estimate, prior: Prior = DEFAULT_PRIOR
) -> Posterior | Undefined:
    """The posterior of the lift; its standard error by the delta method."""
    reason = unusable(treatment, control) or unusable_baseline(control)
    if reason is not None:
        return Undefined(reason)
    mt, mc = known(treatment.value), known(control.value)
    variance = known(treatment.variance) / mc**2 + known(control.variance) * mt**2 / mc**4
    return posterior(mt / mc - 1, math.sqrt(variance), prior)


@dataclass(frozen=True, slots=True)
class RatePosterior:
    """Two rates with few events. Losses are in rate, not in lift."""

    probability_better: float
    loss_of_shipping: float
    loss_of_holding: float


def posterior_rates(
    treatment: tuple[float, float], control: tuple[float, float], prior: tuple[float, float] = (1.0, 1.0)
) -> RatePosterior:
    """Beta-binomial posteriors of two rates, compared by quadrature; for under about 50 events.

    treatment, control: (events, units). prior: (a, b) of both rates. Raises InputError.
    """
    for name, (events, units) in (("treatment", treatment), ("control", control)):
        require((0 <= events <= units and units > 0, f"{name}: events lie in 0..units, units above 0"))
    require((min(prior) > 0, "prior: both numbers above 0"))
    t, c = _beta(treatment, prior), _beta(control, prior)
    rate, mass = _nodes_of(c)
    below = special.betainc(*t, rate)
    short = rate * below - t[0] / sum(t) * special.betainc(t[0] + 1, t[1], rate)
    shipping = float(mass @ short)
    gained = t[0] / sum(t) - c[0] / sum(c)
    return RatePosterior(float(mass @ (1 - below)), shipping, shipping + gained)


def prior_of_experiments(lifts: Sequence[float], standard_errors: Sequence[float]) -> Prior | Undefined:
    """The prior that past experiments make likeliest: restricted marginal maximum likelihood.

    lift_i ~ N(mu, tau² + se_i²) (Efron 2010, sec. 1.3). All that were run, not only winners.
    Undefined below 20 experiments, or when their noise explains all of their spread.
    """
    effect, error = np.asarray(lifts, dtype=np.float64), np.asarray(standard_errors, dtype=np.float64)
    require(
        (effect.shape == error.shape, "standard_errors: one per lift"),
        (bool((error > 0).all()), "standard_errors must be above 0"),
    )
    if len(effect) < FEWEST_EXPERIMENTS:
        return Undefined(Status.TOO_FEW_EXPERIMENTS)

    def unlikeliness(log_tau: float) -> float:
        variance = math.exp(2 * log_tau) + error**2
        gap = effect - _weighted_mean(effect, variance)
        return float((gap**2 / variance + np.log(variance)).sum() + math.log(float((1 / variance).sum())))

    widest = math.log(float(np.abs(effect).max() + error.max()) * 2)
    smallest = math.log(float(error.min()) * 1e-3)
    best = optimize.minimize_scalar(unlikeliness, bounds=(smallest, widest), method="bounded").x
    tau = math.exp(float(best))
    if tau < 2e-3 * float(error.min()):
        return Undefined(Status.NOT_IDENTIFIABLE)
    return Prior(_weighted_mean(effect, tau**2 + error**2), tau)


class Choice(StrEnum):
    """What the expected losses allow."""

    SHIP = "ship"
    HOLD = "hold"
    KEEP_RUNNING = "keep_running"


def choose(found: Posterior, threshold_of_caring: float, information: float) -> Choice:
    """Stop when a choice would lose less than the threshold and half of the planned units have come."""
    require((threshold_of_caring > 0, "threshold_of_caring must be above 0"))
    if information < SMALLEST_INFORMATION:
        return Choice.KEEP_RUNNING
    ship, hold = found.loss_of_shipping, found.loss_of_holding
    if min(ship, hold) >= threshold_of_caring:
        return Choice.KEEP_RUNNING
    return Choice.SHIP if ship < hold else Choice.HOLD


def _expected_excess(mean: float, sd: float) -> float:
    """E[max(X, 0)] of a normal X."""
    z = mean / sd
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return max(sd * density + mean * float(special.ndtr(z)), 0.0)


def _beta(arm: tuple[float, float], prior: tuple[float, float]) -> tuple[float, float]:
    events, units = arm
    return prior[0] + events, prior[1] + units - events


def _nodes_of(shape: tuple[float, float]) -> tuple[FloatArray, FloatArray]:
    """Rates and their mass under a beta posterior."""
    low, high = stats.beta.ppf(1e-15, *shape), stats.beta.isf(1e-15, *shape)
    points, weights = np.polynomial.legendre.leggauss(_NODES)
    rate = (high + low) / 2 + (high - low) / 2 * points
    mass = weights * stats.beta.pdf(rate, *shape)
    return rate, mass / mass.sum()


def _weighted_mean(effect: FloatArray, variance: FloatArray) -> float:
    return float((effect / variance).sum() / (1 / variance).sum())
