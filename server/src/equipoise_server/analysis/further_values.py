"""What a look can tell beside the decision: segments, novelty, interactions, triggers, a Bayesian view."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval; an end is None where it is unbounded."""

    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class SegmentLine:
    """One value of a declared attribute; its effect is pulled toward the whole by how little it knows."""

    value: str
    control_units: int
    treatment_units: int
    lift: float | None
    lift_interval: Interval | None
    """Of the shrunk lift."""
    p_value: float | None
    """Adjusted over all values of all attributes."""
    needs_check: bool
    """Significantly worse, in a tenth of the units or more."""


@dataclass(frozen=True, slots=True)
class SegmentTable:
    """One metric's lift by the values of one attribute, for one treatment. To explore, never to decide."""

    attribute: str
    metric: str
    name: str
    arm: str
    lines: tuple[SegmentLine, ...]
    hidden: int
    """Values with fewer than 20 units in an arm: not shown."""
    differs_p_value: float | None
    """Whether the values differ at all; None when fewer than two can be compared."""
    hidden_reason: str = ""


@dataclass(frozen=True, slots=True)
class NoveltyLine:
    """How an effect changes with the days since exposure."""

    metric: str
    name: str
    arm: str
    days: int
    units: int | None
    trend: str
    """`stable`, `novelty`, `primacy`, `growing` or `unknown`."""
    slope: float | None
    slope_interval: Interval | None
    """Per day, in the metric's own unit."""
    p_value: float | None
    after: float | None
    after_interval: Interval | None
    """The effect per day once the novelty is over."""
    reason: str = ""
    """Why nothing is shown; "" when something is."""


@dataclass(frozen=True, slots=True)
class InteractionLine:
    """Whether another experiment on the same units changes what this one's OEC shows."""

    experiment: str
    name: str
    state: str
    """`interacts`, `clear`, `too_small` or `unknown`."""
    p_value: float | None
    """Adjusted over all pairs."""
    is_dependent: bool
    """The two splits are related, which no analysis can repair."""
    reason: str = ""
    """Why nothing is shown; "" when something is."""


@dataclass(frozen=True, slots=True)
class TriggeredLine:
    """The effect on units for whom another arm would have looked different, and what it is for everybody."""

    metric: str
    name: str
    arm: str
    control_units: int | None
    treatment_units: int | None
    share: float | None
    lift: float | None
    lift_interval: Interval | None
    everybody: float | None
    everybody_interval: Interval | None
    """The same lift over all exposed units."""
    is_valid: bool
    """Whether the trigger fires alike in both arms; if not, read all units."""
    reason: str = ""
    """Why nothing is shown; "" when something is."""


@dataclass(frozen=True, slots=True)
class BayesLine:
    """A second reading of the OEC under a prior; it does not hold alpha and decides nothing."""

    metric: str
    name: str
    arm: str
    prior_deviation: float
    prior_experiments: int
    """How many past experiments the prior was learnt from; 0 is the default prior."""
    probability_better: float
    lift: float
    lift_interval: Interval
    loss_of_shipping: float
    """Expected lift lost by shipping now if it is harmful."""
    loss_of_holding: float
    """Expected lift lost by not shipping if it is good."""
    advice: str
    """`ship`, `hold` or `keep_running`."""


@dataclass(frozen=True, slots=True)
class Further:
    """What else the last look's data can tell. Nothing here decides."""

    segments: tuple[SegmentTable, ...] = ()
    novelty: tuple[NoveltyLine, ...] = ()
    interactions: tuple[InteractionLine, ...] = ()
    triggered: tuple[TriggeredLine, ...] = ()
    bayes: tuple[BayesLine, ...] = ()
    method_note: str = ""
    """How clusters or switched regions were analysed."""
