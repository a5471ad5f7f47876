"""Further readings of a look as the API shows them: nothing here decides."""

from __future__ import annotations

from ninja import Schema


class BoundsShape(Schema):
    """An interval; an end is null where it is unbounded."""

    low: float | None
    high: float | None


class SegmentLineShape(Schema):
    """One value of an attribute; the lift is pulled toward the whole by how little it knows."""

    value: str
    control_units: int
    treatment_units: int
    lift: float | None
    lift_interval: BoundsShape | None
    p_value: float | None
    needs_check: bool


class SegmentTableShape(Schema):
    """One metric by the values of one attribute; `hidden` values have under 20 units in an arm."""

    attribute: str
    metric: str
    name: str
    arm: str
    lines: list[SegmentLineShape]
    hidden: int
    hidden_reason: str
    differs_p_value: float | None


class NoveltyLineShape(Schema):
    """How an effect changes with the days since exposure."""

    metric: str
    name: str
    arm: str
    days: int
    units: int | None
    trend: str
    slope: float | None
    slope_interval: BoundsShape | None
    p_value: float | None
    after: float | None
    after_interval: BoundsShape | None
    reason: str


class InteractionLineShape(Schema):
    """Whether another experiment on the same units changes what this one's OEC shows."""

    experiment: str
    name: str
    state: str
    p_value: float | None
    is_dependent: bool
    reason: str


class TriggeredLineShape(Schema):
    """The effect on units for whom another arm would have looked different."""

    metric: str
    name: str
    arm: str
    control_units: int | None
    treatment_units: int | None
    share: float | None
    lift: float | None
    lift_interval: BoundsShape | None
    everybody: float | None
    everybody_interval: BoundsShape | None
    is_valid: bool
    reason: str


class BayesLineShape(Schema):
    """A second reading under a prior; losses are expected lifts."""

    metric: str
    name: str
    arm: str
    prior_deviation: float
    prior_experiments: int
    probability_better: float
    lift: float
    lift_interval: BoundsShape
    loss_of_shipping: float
    loss_of_holding: float
    advice: str


class FurtherShape(Schema):
    """What else the last look's data can tell."""

    segments: list[SegmentTableShape]
    novelty: list[NoveltyLineShape]
    interactions: list[InteractionLineShape]
    triggered: list[TriggeredLineShape]
    bayes: list[BayesLineShape]
    method_note: str
