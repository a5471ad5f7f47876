"""Named checks of the data itself: pass, warn or block.

The checks of exposures may be shown while metrics are withheld; the check of metrics may not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from equipoise_stats.plan import Design, Evidence, MetricKind

WARN_CROSSED_SHARE = 0.001
BLOCK_CROSSED_SHARE = 0.01
WARN_LARGEST_SHARE = 0.01
FULL_WEEK_DAYS = 7


class Outcome(StrEnum):
    """BLOCK withholds the results; UNKNOWN says that nothing was handed in to check."""

    PASS = "pass"  # noqa: S105 - an outcome, not a secret
    WARN = "warn"
    BLOCK = "block"
    UNKNOWN = "unknown"


class CheckName(StrEnum):
    """What was checked."""

    CROSSED_UNITS = "crossed_units"
    FULL_WEEK = "full_week"
    MORE_UNITS_THAN_EXPOSED = "more_units_than_exposed"
    LARGEST_UNIT = "largest_unit"
    SURPRISE = "surprise"
    PRE_PERIOD = "pre_period"
    VARIANCE_RATIO = "variance_ratio"
    JOIN_LOSS = "join_loss"
    BOT_SHARE = "bot_share"
    DUPLICATE_EXPOSURES = "duplicate_exposures"
    NULL_SHARE = "null_share"
    CONSTANT_METRIC = "constant_metric"
    ODD_DAY = "odd_day"
    NULL_P_VALUES = "null_p_values"
    STATIONARITY = "stationarity"
    SKEWED_SPLIT = "skewed_split"


@dataclass(frozen=True, slots=True)
class QualityCheck:
    """One check: what was measured against which threshold, and whom it concerns."""

    name: CheckName
    outcome: Outcome
    value: float | None
    threshold: float
    variant: str | None = None
    metric: str | None = None


def exposure_checks(evidence: Evidence) -> tuple[QualityCheck, ...]:
    """The checks that know counts and days alone."""
    return (_crossed(evidence), _full_week(evidence), *_more_than_exposed(evidence))


def metric_checks(design: Design, evidence: Evidence) -> tuple[QualityCheck, ...]:
    """The checks that look at metrics: does one unit carry a total?"""
    return tuple(_largest_units(design, evidence))


def largest_unit_share(largest: float, total: float) -> float | None:
    """What share of an arm's total one unit holds; None when the total is not positive."""
    return largest / total if total > 0 else None


def mean_without(largest: float, total: float, n: int) -> float | None:
    """The mean of the other units; None when there are none."""
    return (total - largest) / (n - 1) if n > 1 else None


def _crossed(evidence: Evidence) -> QualityCheck:
    units = sum(evidence.counts.values())
    if not evidence.crossed or units == 0:
        return QualityCheck(CheckName.CROSSED_UNITS, Outcome.UNKNOWN, None, WARN_CROSSED_SHARE)
    share = sum(evidence.crossed.values()) / units
    outcome = Outcome.WARN if share > WARN_CROSSED_SHARE else Outcome.PASS
    if share > BLOCK_CROSSED_SHARE:
        outcome = Outcome.BLOCK
    return QualityCheck(CheckName.CROSSED_UNITS, outcome, share, WARN_CROSSED_SHARE)


def _full_week(evidence: Evidence) -> QualityCheck:
    days = evidence.observed_days
    outcome = Outcome.WARN if days < FULL_WEEK_DAYS else Outcome.PASS
    return QualityCheck(CheckName.FULL_WEEK, outcome, days, FULL_WEEK_DAYS)


def _more_than_exposed(evidence: Evidence) -> Iterator[QualityCheck]:
    """A metric cannot have more units than met the variant: the join is wrong."""
    for variant, moments in evidence.moments.items():
        exposed = evidence.counts.get(variant, 0)
        outcome = Outcome.BLOCK if moments.n > exposed else Outcome.PASS
        yield QualityCheck(CheckName.MORE_UNITS_THAN_EXPOSED, outcome, moments.n, exposed, variant=variant)


def _largest_units(design: Design, evidence: Evidence) -> Iterator[QualityCheck]:
    few = {MetricKind.PROPORTION, MetricKind.QUANTILE}
    weighed = tuple(m for m in design.metrics if m.kind not in few)
    for variant, largest in evidence.largest_units.items():
        moments = evidence.moments.get(variant)
        for metric in weighed:
            if moments is None or metric.key not in largest:
                continue
            total = moments.n * float(moments.means[moments.names.index(metric.key)])
            share = largest_unit_share(largest[metric.key], total)
            yield QualityCheck(
                CheckName.LARGEST_UNIT,
                _outcome(share),
                share,
                WARN_LARGEST_SHARE,
                variant=variant,
                metric=metric.key,
            )


def _outcome(share: float | None) -> Outcome:
    if share is None:
        return Outcome.UNKNOWN
    return Outcome.WARN if share > WARN_LARGEST_SHARE else Outcome.PASS
