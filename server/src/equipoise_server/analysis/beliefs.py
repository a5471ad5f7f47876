"""A second reading of the deciding metrics: what past lifts were like, and what waiting or shipping loses."""

from __future__ import annotations

from collections.abc import Iterator

import equipoise_stats as stats
from equipoise_server.analysis.evidence import treatments_of
from equipoise_server.analysis.plan import MeasuredMetric
from equipoise_server.analysis.reading import Reading, estimate_of
from equipoise_server.analysis.values import BayesLine, Interval
from equipoise_server.metrics.values import Direction

SMALLEST_LOSS = 0.001
"""A lift that nobody would miss; below it an expected loss is as good as none."""


def bayes_lines(reading: Reading, results: stats.Results) -> Iterator[BayesLine]:
    """The deciding metrics under what past lifts were like, or a wide guess at it."""
    for one in reading.deciding:
        learnt = reading.job.past.priors.get(one.metric.key)
        prior, experiments = (stats.Prior(), 0) if learnt is None else learnt
        for treatment in treatments_of(reading.job.iteration):
            found = stats.posterior_lift(
                estimate_of(reading.gathered.arms, treatment, one),
                estimate_of(reading.gathered.arms, reading.job.iteration.design.control, one),
                prior,
            )
            if isinstance(found, stats.Posterior):
                information = _information(results, reading)
                yield _bayes_line(one, treatment, found, (prior.sd, experiments, information))


def _bayes_line(
    one: MeasuredMetric, treatment: str, found: stats.Posterior, known: tuple[float, int, float]
) -> BayesLine:
    deviation, experiments, information = known
    interval = found.interval()
    good = found if one.metric.direction is Direction.INCREASE else stats.Posterior(-found.mean, found.sd)
    return BayesLine(
        metric=one.metric.key,
        name=one.metric.name,
        arm=treatment,
        prior_deviation=deviation,
        prior_experiments=experiments,
        probability_better=good.probability_positive,
        lift=found.mean,
        lift_interval=Interval(interval.lower, interval.upper),
        loss_of_shipping=good.loss_of_shipping,
        loss_of_holding=good.loss_of_holding,
        advice=str(stats.choose(good, SMALLEST_LOSS, information)),
    )


def _information(results: stats.Results, reading: Reading) -> float:
    """The share of the plan; all of it when nothing else will come."""
    looks = [row.look.information for row in results.metrics if row.look is not None]
    if looks:
        return max(looks)
    is_over = results.method is stats.Method.FIXED or reading.job.iteration.stopped_at is not None
    if is_over or reading.job.expected_units is None:
        return 1.0
    return sum(reading.gathered.evidence.counts.values()) / reading.job.expected_units
