"""S15: a fading effect is told from a constant one, and a changing crowd is taken for neither."""

from __future__ import annotations

import numpy as np

from equipoise_stats import TenureContrast, TenureReport, balanced_panel, judge_tenure
from equipoise_stats.tenure import TREND_BELOW
from simulations.study import StudyResult, main, share

CI, FULL = 120, 4000
UNITS, DAYS, ALPHA = 1500, 14, 0.05
_NAMES = tuple(f"day_{k}" for k in range(DAYS))


def study(replications: int, seed: int) -> StudyResult:
    """+25 % that fades within days against a constant +8 %, 1,500 units an arm, two weeks."""
    rng = np.random.default_rng(seed)
    fading = 0.25 * np.exp(-np.arange(DAYS) / 3)
    found = [_slope(_panel(rng, fading)) < TREND_BELOW for _ in range(replications)]
    constant = [_slope(_panel(rng, np.full(DAYS, 0.08))) < ALPHA for _ in range(replications)]
    drifts = [_composition(rng) for _ in range(replications)]
    rows = (
        share("a fading effect is found", found, (0.99, 1.0)),
        share("a constant effect has a trend", constant, (0.05, 0.05)),
        share("the same with leavers, balanced", [d[0] for d in drifts], (0.05, 0.05)),
        share("the same with leavers, all units a day", [d[1] for d in drifts], (0.5, 1.0), is_foil=True),
    )
    return StudyResult("S15 novelty", replications, rows)


def _panel(rng: np.random.Generator, effect: np.ndarray) -> TenureReport:
    level = rng.gamma(2, 1, (2, UNITS, 1))
    y = rng.poisson(level * (1 + np.stack((np.zeros(DAYS), effect))[:, None, :]))
    control, treatment = (balanced_panel(arm).moments() for arm in y)
    return judge_tenure(treatment, control, _NAMES)


def _slope(report: TenureReport) -> float:
    return report.slope.p_value if isinstance(report.slope, TenureContrast) else 1.0


def _composition(rng: np.random.Generator) -> tuple[bool, bool]:
    """Heavy users gain and leave after five days; the others stay and gain nothing."""
    heavy = rng.random((2, UNITS)) < 0.3
    level = np.where(heavy, 4.0, 1.0)[:, :, None]
    gain = np.stack((np.ones(UNITS), np.where(heavy[1], 1.25, 1.0)))[:, :, None]
    y = rng.poisson(level * gain, (2, UNITS, DAYS)).astype(float)
    y[:, :, 5:][heavy] = np.nan
    control, treatment = (balanced_panel(arm).moments() for arm in y)
    balanced = _slope(judge_tenure(treatment, control, _NAMES)) < ALPHA
    days = np.nanmean(y, axis=1)
    errors = np.sqrt(np.sum(np.nanvar(y, axis=1) / np.isfinite(y).sum(axis=1), axis=0))
    late, early = (days[1] - days[0])[7:].mean(), (days[1] - days[0])[:5].mean()
    error = np.sqrt(np.sum(errors[7:] ** 2) / 49 + np.sum(errors[:5] ** 2) / 25)
    return balanced, bool(abs(late - early) > 1.96 * error)


if __name__ == "__main__":
    main(study, FULL)
