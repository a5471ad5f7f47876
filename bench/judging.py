"""Prints what statistics cost in processor time, beside gbstats and tea-tasting: the same work, in one run.

    python -m venv bench/.venv && bench/.venv/bin/pip install --require-hashes -r bench/judging.txt
    PYTHONPATH=stats/src bench/.venv/bin/python bench/judging.py

`python bench/judging.py` in the workspace's own environment leaves the two out.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import io
import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from equipoise_stats import (
    Design,
    Evidence,
    LookPlan,
    Margin,
    MarginKind,
    MetricKind,
    MetricPlan,
    MetricRole,
    Moments,
    Results,
    VariantPlan,
    analyse,
    equal_looks,
    fieller_bounds,
    group_sequential_bounds,
    two_sided_multiplier,
)

METRICS, TREATMENTS, UNITS = 100, 10, 10_000
REPEATS = 40  # the best run met no other process
KINDS = tuple(MetricKind)
ROOT = Path(__file__).parents[1]
CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)


def best(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Milliseconds of processor time of the best run; garbage is collected between runs, as timeit does."""
    times = []
    for _ in range(repeats):
        gc.collect()
        gc.disable()
        before = time.process_time()
        work()
        times.append(time.process_time() - before)
        gc.enable()
    return 1000 * min(times)


def plans() -> tuple[MetricPlan, ...]:
    """One OEC, guardrails with margins and secondaries; means, rates and ratios in turn."""
    margin = Margin(MarginKind.RELATIVE, 0.02)
    found = [MetricPlan("m0", MetricKind.MEAN, MetricRole.OEC)]
    for at in range(1, METRICS):
        guards = at % 2 == 1
        role = MetricRole.GUARDRAIL if guards else MetricRole.SECONDARY
        found.append(MetricPlan(f"m{at}", KINDS[at % 3], role, margin=margin if guards else None))
    return tuple(found)


def arm(metrics: tuple[MetricPlan, ...], rng: np.random.Generator) -> Moments:
    """Plausible moments of one arm."""
    means, variances = [], []
    for metric in metrics:
        if metric.kind is MetricKind.PROPORTION:
            rate = 0.1 + 0.002 * rng.standard_normal()
            means, variances = [*means, rate], [*variances, rate * (1 - rate)]
        elif metric.kind is MetricKind.MEAN:
            means, variances = [*means, 5 + 0.1 * rng.standard_normal()], [*variances, 100.0]
        else:
            means, variances = [*means, 0.6 + 0.01 * rng.standard_normal(), 3.0], [*variances, 1.0, 2.0]
    columns = tuple(column for metric in metrics for column in metric.columns)
    return Moments(columns, UNITS, np.array(means), np.diag(np.array(variances) * UNITS))


def experiment(*, looks: LookPlan | None) -> tuple[Evidence, Design]:
    """1,000 metric × variant results."""
    metrics, rng = plans(), np.random.default_rng(1)
    keys = ("control", *(f"t{at}" for at in range(TREATMENTS)))
    arms = {key: arm(metrics, rng) for key in keys}
    design = Design(
        tuple(VariantPlan(key, 1) for key in keys),
        "control",
        metrics,
        expected_units=2 * UNITS * len(keys),
        planned_end_reached=False,
        looks=looks,
    )
    return Evidence(dict.fromkeys(keys, UNITS), arms, 14.0), design


def floor() -> None:
    """The same numbers as arrays alone: absolute, Fieller, both bounds."""
    rng = np.random.default_rng(1)
    t, c = 5 + rng.standard_normal(1000), np.full(1000, 5.0)
    v = np.full(1000, 0.01)
    error = np.sqrt(v + v)
    for critical in (np.full(1000, 2.5), two_sided_multiplier(np.full(1000, 20_000.0), 40_000.0)):
        _ = t - c - critical * error, t - c + critical * error
        fieller_bounds(t, v, control=c, control_variance=v, critical=critical)


def past_experiments() -> None:
    """The page on the ASOS data, from the file to its table: 99 comparisons × 4 metrics at every look."""
    names: dict[str, object] = {}
    with contextlib.redirect_stdout(io.StringIO()), contextlib.chdir(ROOT):
        for code in CODE.findall((ROOT / "docs/statistics/asos.md").read_text()):
            exec(code, names)


def gbstats_results(evidence: Evidence, design: Design) -> Callable[[], object]:
    """The same 1,000 results by GrowthBook's tests: absolute and relative, fixed and sequential."""
    tests = importlib.import_module("gbstats.frequentist.tests")
    made = importlib.import_module("gbstats.models.statistics")

    def mean(moments: Moments, column: str) -> object:
        at = moments.names.index(column)
        total = moments.n * float(moments.means[at])
        squares = float(moments.comoments[at, at]) + moments.n * float(moments.means[at]) ** 2
        return made.SampleMeanStatistic(n=moments.n, sum=total, sum_squares=squares)

    def statistic(moments: Moments, metric: MetricPlan) -> object:
        if metric.kind is MetricKind.RATIO:
            above, below = (moments.names.index(column) for column in metric.columns)
            product = float(moments.comoments[above, below])
            product += moments.n * float(moments.means[above] * moments.means[below])
            parts = (mean(moments, column) for column in metric.columns)
            return made.RatioStatistic(moments.n, *parts, m_d_sum_of_products=product)
        if metric.kind is MetricKind.PROPORTION:
            at = moments.names.index(metric.key)
            return made.ProportionStatistic(n=moments.n, sum=round(moments.n * float(moments.means[at])))
        return mean(moments, metric.key)

    kinds = [
        (test, config(difference_type=scale))
        for test, config in (
            (tests.TwoSidedTTest, tests.FrequentistConfig),
            (tests.SequentialTwoSidedTTest, tests.SequentialConfig),
        )
        for scale in ("absolute", "relative")
    ]

    def work() -> None:
        for metric in design.metrics:
            control = statistic(evidence.moments[design.control], metric)
            for treatment in design.treatments:
                other = statistic(evidence.moments[treatment], metric)
                for test, config in kinds:
                    test(control, other, config).compute_result()

    return work


def tea_tasting_results(evidence: Evidence, design: Design) -> Callable[[], object]:
    """The same 1,000 results by tea-tasting: absolute and relative, fixed; it has no sequential ones."""
    aggr, metrics = (importlib.import_module(f"tea_tasting.{name}") for name in ("aggr", "metrics"))

    def aggregates(moments: Moments) -> object:
        spread = moments.comoments / (moments.n - 1)
        names = moments.names
        return aggr.Aggregates(
            count_=moments.n,
            mean_=dict(zip(names, moments.means.tolist(), strict=True)),
            var_=dict(zip(names, np.diagonal(spread).tolist(), strict=True)),
            cov_={
                tuple(sorted(metric.columns)): float(spread[tuple(map(names.index, metric.columns))])
                for metric in design.metrics
                if metric.kind is MetricKind.RATIO
            },
        )

    def work() -> None:
        held = {arm: aggregates(moments) for arm, moments in evidence.moments.items()}
        for metric in design.metrics:
            is_ratio = metric.kind is MetricKind.RATIO
            asked = metrics.RatioOfMeans(*metric.columns) if is_ratio else metrics.Mean(metric.key)
            for treatment in design.treatments:
                asked.analyze_aggregates(held[design.control], held[treatment])

    return work


PEERS = {"gbstats": gbstats_results, "tea_tasting": tea_tasting_results}


def peers(ours: float) -> None:
    """What the others take for the same 1,000 results, in the same run, as far as they are there."""
    evidence, design = experiment(looks=None)
    for module, results in PEERS.items():
        if importlib.util.find_spec(module) is None:
            print(f"{module:<47} not installed: see the first lines of this file")
            continue
        cost = best(results(evidence, design), 3)
        print(f"{module:<47} {cost:8.1f} ms   {cost / ours:5.0f} times ours")


def main() -> None:
    """Print one line per question."""
    costs = []
    for name, looks in (("planned looks", LookPlan()), ("sequences", None)):
        evidence, design = experiment(looks=looks)
        found = analyse(evidence, design)
        assert isinstance(found, Results)
        assert len(found.metrics) == METRICS * TREATMENTS
        cost = best(lambda e=evidence, d=design: analyse(e, d))
        costs.append(cost)
        print(f"1,000 results, {name:<15} (limit 20 ms)       {cost:8.1f} ms")
    print(f"the same as bare arrays                         {best(floor):8.2f} ms")
    shifts = iter(range(1, 1000))

    def uncached() -> None:
        times = [t * (1 - 1e-6 * next(shifts)) for t in equal_looks(14)]
        group_sequential_bounds(times)

    uncached()
    print(f"bounds of 14 looks, not kept (limit 50 ms)      {best(uncached):8.2f} ms")
    print(f"ASOS, 99 x 4 at 24,153 looks (limit 2,000 ms)   {best(past_experiments, 3):8.0f} ms")
    peers(max(costs))


if __name__ == "__main__":
    main()
