"""S16: fifty metrics without effect, and what a hierarchy, BH, e-BH and FCR intervals claim."""

from __future__ import annotations

import numpy as np
from scipy import special

from equipoise_stats import benjamini_hochberg, e_benjamini_hochberg, fcr_intervals, gatekeep, log_e_value
from simulations.paths import Floats, at_most
from simulations.study import Row, StudyResult, main, near

CI, FULL = 1_500, 20_000
METRICS, LOOKS = 50, 7


def study(replications: int, seed: int) -> StudyResult:
    """Shares of experiments with a false claim, false discovery rates, coverage of selected intervals."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for correlation in (0.0, 0.5):
        z = _correlated(rng, replications, correlation)
        p = np.asarray(2 * special.ndtr(-np.abs(z)))
        label = f"correlation {correlation}"
        if correlation == 0:
            hit = float((p < 0.05).any(axis=1).mean())
            rows.append(near("any of 50 below .05", hit, 0.923, 0.03, is_foil=True))
        rows.append(at_most(f"hierarchy, any claim, {label}", np.array([_claims(row) for row in p]), 0.05))
        false = np.array([any(a <= 0.05 for a in benjamini_hochberg(row.tolist())) for row in p])
        rows.append(at_most(f"false discoveries of BH, {label}", false, 0.05))
        stopped = np.array([_stopped_e_bh(rng, correlation) for _ in range(max(replications // 3, 300))])
        rows.append(at_most(f"false discoveries of e-BH at a chosen stop, {label}", stopped, 0.05))
    rows.append(_coverage(rng, replications))
    return StudyResult("S16 Many metrics", replications, tuple(rows))


def _correlated(rng: np.random.Generator, rows: int, correlation: float) -> Floats:
    shared = rng.standard_normal((rows, 1)) * correlation**0.5
    return np.asarray(shared + rng.standard_normal((rows, METRICS)) * (1 - correlation) ** 0.5)


def _claims(p: Floats) -> bool:
    """The first metric is the OEC, the others wait behind it."""
    found = gatekeep(p[:1].tolist(), p[1:].tolist())
    return found.gate_open


def _stopped_e_bh(rng: np.random.Generator, correlation: float) -> float:
    """The false share at the look, of 7, at which most is rejected: an adversary's stop."""
    steps = np.stack([_correlated(rng, 1, correlation)[0] for _ in range(LOOKS)])
    look = np.arange(1, LOOKS + 1)
    z = steps.cumsum(axis=0) / np.sqrt(look)[:, None]
    log_e = log_e_value(z, 8 * look[:, None] / LOOKS)
    return float(max(any(e_benjamini_hochberg(row.tolist())) for row in log_e))


def _coverage(rng: np.random.Generator, replications: int) -> Row:
    """False coverage of the selected among 50 effects, ten of which are real."""
    truth = np.where(np.arange(METRICS) < 10, 3.0, 0.0)
    missed = []
    for _ in range(replications):
        found = fcr_intervals((truth + rng.standard_normal(METRICS)).tolist(), [1.0] * METRICS).intervals
        shown = [(i, t) for i, t in zip(found, truth.tolist(), strict=True) if i is not None]
        missed.append(float(np.mean([not i.lower <= t <= i.upper for i, t in shown])) if shown else 0.0)
    return Row("false coverage of selected intervals", float(np.mean(missed)), 0.0, 0.05)


if __name__ == "__main__":
    main(study, FULL)
