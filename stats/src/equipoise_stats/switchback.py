"""Several regions that switch over time: regression, with the p-value from re-drawn schedules.

Knows window tables and their stored design. For one region see `horvitz_thompson`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from equipoise_stats.estimates import Status, Undefined
from equipoise_stats.faults import require
from equipoise_stats.intervals import Interval
from equipoise_stats.moments import FloatArray
from equipoise_stats.switchback_designs import SwitchbackDesign, draw_schedules

# Standard errors clustered by region and day need this many of them.
CLUSTERED_REGION_DAYS = 40
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class SwitchbackEffect:
    """A constant effect per window. p_value and effect: by re-drawn schedules.

    clustered_error: by region and day, given from 40 region-days on; robust_error: HC1 by window.
    """

    effect: Interval
    p_value: float
    clustered_error: float | None
    robust_error: float


def without_burn_in(parts: ArrayLike, burn_in: int) -> FloatArray:
    """Window means (regions, windows) of sub-windows (regions, windows, parts), the first left out.

    burn_in: so many parts at the start of each window still feel the window before.
    """
    table = np.asarray(parts, dtype=np.float64)
    require(
        (table.ndim == 3, "parts: regions × windows × parts"),  # noqa: PLR2004 - three axes
        (table.ndim < 3 or 0 <= burn_in < table.shape[2], "burn_in must leave a part of each window"),  # noqa: PLR2004
    )
    return np.asarray(table[:, :, burn_in:].mean(axis=2), dtype=np.float64)


def switchback_effect(
    outcome: ArrayLike,
    design: SwitchbackDesign,
    *,
    rng: np.random.Generator,
    draws: int = 2000,
    alpha: float = 0.05,
) -> SwitchbackEffect | Undefined:
    """The effect in several regions: region and hour-of-week effects, randomisation inference.

    outcome: (regions, windows) window means, NaN for windows that were not observed. The
    interval holds the constant effects that the re-drawn schedules do not reject.
    """
    plan = design.plan
    table = np.asarray(outcome, dtype=np.float64)
    require(
        (table.shape == design.treated.shape, f"outcome must have shape {design.treated.shape}"),
        (not bool(np.isinf(table).any()), "outcomes must be finite, or NaN where not observed"),
        (draws >= 1, "draws: at least 1"),
    )
    seen = np.isfinite(table)
    regions, windows = np.nonzero(seen)
    panel = Panel(regions, plan.hours_of_week[windows])
    fit = panel.fit(table[seen], design.treated[seen].astype(np.float64))
    if fit is None:
        return Undefined(Status.NOT_IDENTIFIABLE)
    days = windows // plan.windows_per_day
    cluster = np.unique(regions * plan.days + days, return_inverse=True)[1]
    drawn = draw_schedules(plan, draws, rng=rng)[:, seen].astype(np.float64)
    redrawn = _by_redrawing(panel, fit, drawn, alpha)
    if redrawn is None:
        return Undefined(Status.NOT_IDENTIFIABLE)
    enough = cluster.max() + 1 >= CLUSTERED_REGION_DAYS
    return SwitchbackEffect(
        *redrawn, fit.error(cluster) if enough else None, fit.error(np.arange(len(regions)))
    )


def fixed_effects_fit(
    outcome: ArrayLike, treated: ArrayLike, *, regions: ArrayLike, periods: ArrayLike
) -> Fit | None:
    """Least squares on treatment with region and period effects, all arrays (N,).

    None when the effects explain the treatment.
    """
    y, w = np.asarray(outcome, dtype=np.float64), np.asarray(treated, dtype=np.float64)
    return Panel(np.asarray(regions), np.asarray(periods)).fit(y, w)


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A fitted effect with its residual treatment and residuals, (N,) each."""

    effect: float
    outcome: FloatArray
    treated: FloatArray
    residual_treated: FloatArray
    residuals: FloatArray
    coefficients: int

    def error(self, cluster: Sequence[int] | np.ndarray[tuple[int, ...], np.dtype[np.intp]]) -> float:
        """The standard error clustered by labels 0..G-1, (N,); HC1 when each row is its own.

        Scaled by G/(G - 1) · (N - 1)/(N - k), as is usual for least squares.
        """
        scores = np.bincount(np.asarray(cluster), weights=self.residual_treated * self.residuals)
        n, groups = len(self.residuals), len(scores)
        scale = groups / (groups - 1) * (n - 1) / (n - self.coefficients)
        return float(np.sqrt(scale * np.sum(scores**2)) / np.sum(self.residual_treated**2))


class Panel:
    """Region and period effects, and what is left of a variable without them."""

    def __init__(
        self,
        regions: np.ndarray[tuple[int, ...], np.dtype[np.intp]],
        periods: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    ) -> None:
        dummies = [(labels[:, None] == np.unique(labels)).astype(np.float64) for labels in (regions, periods)]
        columns = np.concatenate(dummies, axis=1)
        values, vectors = np.linalg.eigh(columns.T @ columns)
        kept = values > _ROUNDING * values.max(initial=0.0)
        self.basis = columns @ (vectors[:, kept] / np.sqrt(values[kept]))

    def residual(self, columns: FloatArray) -> FloatArray:
        """What region and period do not explain of rows (..., N)."""
        return np.asarray(columns - (columns @ self.basis) @ self.basis.T, dtype=np.float64)

    def fit(self, y: FloatArray, w: FloatArray) -> Fit | None:
        """Regress y on w given the effects (Frisch & Waugh 1933)."""
        left_w, left_y = self.residual(w), self.residual(y)
        squares = float(left_w @ left_w)
        coefficients = self.basis.shape[1] + 1
        if squares <= _ROUNDING * len(w) or len(w) <= coefficients:
            return None
        effect = float(left_w @ left_y) / squares
        return Fit(effect, y, w, left_w, left_y - effect * left_w, coefficients)


def _by_redrawing(panel: Panel, fit: Fit, drawn: FloatArray, alpha: float) -> tuple[Interval, float] | None:
    """The p-value of no effect, and all constant effects with a p-value above alpha.

    Under an effect d a drawn schedule estimates a - d b, a and b being the fits of the outcome
    and of the actual schedule on the drawn one. It is at least as far out as the estimate on an
    interval of d between two roots, so the bounds are order statistics of those.
    """
    left = panel.residual(drawn)
    squares = np.sum(left * left, axis=1)
    usable = squares > _ROUNDING * left.shape[1]
    a, b = (left[usable] @ column / squares[usable] for column in (fit.outcome, fit.treated))
    tame = np.abs(b) < 1 - _ROUNDING
    divisor = np.where(tame, b, 0.0)
    roots = np.sort(np.stack(((fit.effect - a) / (1 - divisor), (fit.effect + a) / (1 + divisor))), axis=0)
    lowest = np.where(tame, roots[0], -np.inf)
    highest = np.where(tame, roots[1], np.inf)
    rejected = math.floor(alpha * (len(a) + 1))
    if rejected < 1:
        return None
    lower, upper = float(np.sort(lowest)[rejected - 1]), float(np.sort(highest)[-rejected])
    if not (math.isfinite(lower) and math.isfinite(upper)):
        return None
    extreme = np.abs(a) >= abs(fit.effect) - _ROUNDING
    p = (int(np.sum(extreme)) + 1) / (len(a) + 1)
    return Interval(fit.effect, lower, upper, 1 - alpha), p
