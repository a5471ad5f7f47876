"""S2: the default engine, read every day for two weeks, when nothing differs."""

from __future__ import annotations

import numpy as np

from equipoise_stats import (
    Design,
    Evidence,
    Ledger,
    LookPlan,
    MetricKind,
    MetricPlan,
    MetricRole,
    Moments,
    Quantity,
    Results,
    VariantPlan,
    adjust,
    analyse,
    equal_looks,
    group_sequential_bounds,
)
from simulations.paths import Floats, about, at_most, brownian
from simulations.study import StudyResult, main

CI, FULL = 800, 100_000
LOOKS, DAILY = 14, 120
VARIANTS = ("control", "green", "blue")
OEC = MetricPlan("visits", MetricKind.MEAN, MetricRole.OEC)
OTHERS = (
    MetricPlan("converted", MetricKind.PROPORTION, MetricRole.DIAGNOSTIC),
    MetricPlan("clicks", MetricKind.RATIO, MetricRole.DIAGNOSTIC),
    MetricPlan("capped_revenue", MetricKind.MEAN, MetricRole.DIAGNOSTIC),
)
METRICS = (OEC, *OTHERS)
COLUMNS = (*(column for metric in METRICS for column in metric.columns), "visits_before")
DESIGN = Design(
    tuple(VariantPlan(key, 1) for key in VARIANTS),
    "control",
    METRICS,
    expected_units=LOOKS * DAILY * len(VARIANTS),
    planned_end_reached=False,
    looks=LookPlan(),
)


def study(replications: int, seed: int) -> StudyResult:
    """Any-look false positives by metric through `analyse`, and of the bounds alone."""
    rng = np.random.default_rng(seed)
    runs = max(replications // 10, 60)
    found = [_experiment(rng) for _ in range(runs)]
    names = [metric.key for metric in METRICS]
    rows = [at_most(f"{name}, one treatment", np.array([hit[name] for hit in found]), 0.05) for name in names]
    rows.append(at_most("three arms, Holm", np.array([hit["family"] for hit in found]), 0.05))
    rows.append(at_most("adjusted by covariates", np.array([hit["adjusted"] for hit in found]), 0.05))
    z = brownian(min(replications * 10, 200_000), LOOKS, seed)
    bounds = np.array(group_sequential_bounds(equal_looks(LOOKS)).critical)
    rows.append(about("bounds of 14 looks", (np.abs(z) >= bounds).any(axis=1), 0.05))
    return StudyResult("S2 Planned looks hold alpha", replications, tuple(rows))


def _experiment(rng: np.random.Generator) -> dict[str, bool]:
    """Which claims were made at any look of one experiment without effects."""
    totals = {key: Moments.empty(COLUMNS) for key in VARIANTS}
    ledger, hits = Ledger(), dict.fromkeys([*(m.key for m in METRICS), "family", "adjusted"], False)
    for day in range(LOOKS):
        totals = {key: total.merge(Moments.from_rows(COLUMNS, _units(rng))) for key, total in totals.items()}
        counts = {key: total.n for key, total in totals.items()}
        seen = analyse(Evidence(counts, totals, day + 1.0, ledger=ledger), DESIGN)
        if not isinstance(seen, Results):
            break
        ledger = seen.ledger or ledger
        for metric in METRICS:
            look = seen.of(metric.key, "green").look
            hits[metric.key] |= look is not None and look.has_crossed
        family = [seen.of("visits", key).adjusted_p_value for key in VARIANTS[1:]]
        hits["family"] |= any(p is not None and p <= DESIGN.alpha for p in family)
        oec = seen.of("visits", "green").look
        if oec is not None:
            hits["adjusted"] |= abs(_adjusted_z(totals)) >= oec.critical
    return hits


def _units(rng: np.random.Generator) -> Floats:
    taste = rng.standard_normal(DAILY)
    visits = rng.poisson(np.exp(0.5 + 0.4 * taste)) + 1.0
    revenue = np.minimum(rng.lognormal(2, 1, DAILY) * (rng.random(DAILY) < 0.3), 60.0)
    converted = rng.random(DAILY) < 0.05
    clicks = rng.binomial(visits.astype(np.int64), 0.2)
    before = rng.poisson(np.exp(0.5 + 0.4 * taste)).astype(np.float64)
    return np.column_stack((visits, converted, clicks, visits, revenue, before))


def _adjusted_z(totals: dict[str, Moments]) -> float:
    found = adjust(totals, Quantity("visits"), (Quantity("visits_before"),))
    t, c = found.of("green"), found.of("control")
    at = [found.variants.index(key) for key in ("green", "control")]
    v = found.covariance
    variance = v[at[0], at[0]] + v[at[1], at[1]] - 2 * v[at[0], at[1]]
    return float(((t.value or 0.0) - (c.value or 0.0)) / variance**0.5)


if __name__ == "__main__":
    main(study, FULL)
