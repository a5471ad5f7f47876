"""What to compute for one iteration: its frozen design and metric versions, as columns per unit. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from equipoise_server.analysis.columns import BEFORE, Column, Quantile, columns_of, quantile_of
from equipoise_server.experiments.values import Iteration, PlannedMetric
from equipoise_server.metrics.values import Metric

__all__ = ["Column", "MeasuredMetric", "Plan", "Span", "columns_of", "plan_of"]

_DAY = timedelta(days=1)
ATTRIBUTE = "attribute:"
MISSING = ":missing"


@dataclass(frozen=True, slots=True)
class MeasuredMetric:
    """A metric at its frozen version in its role."""

    metric: Metric
    planned: PlannedMetric


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that one statement needs to know of an iteration."""

    experiment: str
    iteration: int
    unit_type: str
    arms: tuple[str, ...]
    since: datetime
    columns: tuple[Column, ...]
    attributes: tuple[str, ...] = ()
    """Numeric attributes on exposures that are covariates; each a column and a mark where it is missing."""
    quantiles: tuple[Quantile, ...] = ()
    """What is ranked rather than added up; each also has a column that counts its events."""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the moments."""
        given = (name for one in self.attributes for name in attribute_columns(one))
        return (*(column.name for column in self.columns), *given)

    @property
    def longest_window(self) -> timedelta:
        """How long after its exposure a unit may still change a number."""
        return max((column.reach for column in self.columns), default=timedelta(0))

    @property
    def longest_past(self) -> timedelta:
        """How long before the start a unit may have done what its covariates read."""
        return max((column.before + _DAY for column in self.columns if column.before), default=timedelta(0))

    @property
    def needs_raw_events(self) -> bool:
        """Whether sums by unit and segment cannot tell it: which event followed which is lost in them."""
        return any(column.touches for column in self.columns)

    @property
    def events(self) -> tuple[str, ...]:
        """The names of the events it reads."""
        return tuple(dict.fromkeys(fact.event for column in self.columns for fact in column.facts))


@dataclass(frozen=True, slots=True)
class Span:
    """Up to when data counts, and before when a unit must have been exposed to be in it."""

    until: datetime
    exposed_before: datetime


def plan_of(iteration: Iteration, measured: Sequence[MeasuredMetric]) -> Plan:
    """The plan of one iteration."""
    ranked = (quantile_of(one.metric.key, one.metric.definition) for one in measured)
    return Plan(
        experiment=iteration.experiment_key,
        iteration=iteration.number,
        unit_type=iteration.design.unit_type,
        arms=tuple(arm.key for arm in iteration.design.arms),
        since=iteration.started_at,
        columns=tuple(
            column for one in measured for column in columns_of(one.metric.key, one.metric.definition)
        ),
        attributes=iteration.design.covariates,
        quantiles=tuple(one for one in ranked if one is not None),
    )


def attribute_columns(attribute: str) -> tuple[str, str]:
    """The moments columns of an attribute: its number, 0 where there is none, and 1 where there is none."""
    return f"{ATTRIBUTE}{attribute}", f"{ATTRIBUTE}{attribute}{MISSING}"


def covariates_of(plan: Plan, metric: str) -> tuple[str, ...]:
    """The columns measured before exposure that a metric is adjusted for: its own past, and attributes."""
    own = {f"{metric}{BEFORE}", f"{metric}:denominator{BEFORE}"}
    past = tuple(column.name for column in plan.columns if column.name in own)
    return (*past, *(name for one in plan.attributes for name in attribute_columns(one)))
