"""Past experiments read again at every look at once: one row of arms per metric and look.

Knows arrays of moments and the confidence sequence. Refuses to know plans: `analyse` judges one
experiment at one look, this re-reads thousands of rows for a study of looks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise_stats.comparison import MINIMUM_UNITS
from equipoise_stats.faults import require
from equipoise_stats.intervals import FiellerBounds, fieller_bounds
from equipoise_stats.moments import FloatArray
from equipoise_stats.sequences import Numbers, log_e_value, mixing, p_value_of, two_sided_multiplier

# A spread below the rounding of the mean itself is a constant column.
_ROUNDING = 16 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True, eq=False)
class ArmRows:
    """One arm, row by row: float64 (rows,) each.

    n: units. mean: of a unit's value. variance: of one unit's value, n - 1 below; NaN where the
    source has none. Raises InputError with every fault.
    """

    n: FloatArray
    mean: FloatArray
    variance: FloatArray

    def __post_init__(self) -> None:
        require(
            (self.n.ndim == 1, "n: one dimension, a row per look"),
            (self.n.shape == self.mean.shape == self.variance.shape, "n, mean and variance: as many rows"),
            (bool(np.all(self.n >= 0)), "n: 0 or more"),
            (not bool(np.any(self.variance < 0)), "variance: 0 or more, NaN when unknown"),
        )

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Rows with enough units, and a spread that is not rounding."""
        spread = self.variance > (_ROUNDING * self.mean) ** 2
        return np.asarray((self.n >= MINIMUM_UNITS) & np.isfinite(self.mean) & spread)


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """What each comparable row said at its look.

    rows: places of the comparable rows in the input, (found,); whoever is not among them has no
    answer. All else is float64 (found,): effect with its bounds at confidence 1 - alpha over all
    looks, z, the always-valid p-value. lift: Fieller's bounds, where bounded.
    """

    rows: NDArray[np.intp]
    effect: FloatArray
    lower: FloatArray
    upper: FloatArray
    lift: FiellerBounds
    z: FloatArray
    p_value: FloatArray

    @property
    def excludes_zero(self) -> NDArray[np.bool_]:
        """Rows whose interval leaves out "no effect"."""
        return np.asarray((self.lower > 0) | (self.upper < 0))


def replay(treatment: ArmRows, control: ArmRows, *, expected_units: Numbers, alpha: float = 0.05) -> Replay:
    """Confidence sequences of many looks, the same numbers as `analyse` gives at each.

    expected_units: of both arms, by row or one for all; where the sequences are tightest
    (Waudby-Smith et al. 2024, eq. 12). Raises InputError.
    """
    units = np.asarray(expected_units, dtype=np.float64)
    require(
        (treatment.n.shape == control.n.shape, "treatment and control: as many rows"),
        (bool(np.all(units > 0)), "expected_units: above 0"),
        (units.shape in {(), control.n.shape}, "expected_units: one number, or one per row"),
        (0 < alpha < 1, f"alpha must lie between 0 and 1, not {alpha}"),
    )
    rows = np.flatnonzero(treatment.usable & control.usable)
    mt, mc = treatment.mean[rows], control.mean[rows]
    vt, vc = treatment.variance[rows] / treatment.n[rows], control.variance[rows] / control.n[rows]
    n, planned = treatment.n[rows] + control.n[rows], np.broadcast_to(units, control.n.shape)[rows]
    effect, error = mt - mc, np.sqrt(vt + vc)
    critical, z = two_sided_multiplier(n, planned, alpha), effect / error
    bounds = fieller_bounds(mt, vt, control=mc, control_variance=vc, critical=critical)
    has_lift = bounds.bounded & (mc > 0)
    return Replay(
        rows,
        effect,
        effect - critical * error,
        effect + critical * error,
        FiellerBounds(bounds.lower, bounds.upper, has_lift),
        z,
        p_value_of(log_e_value(z, mixing(n, planned, alpha))),
    )
