"""Where units stay on their way and which were left out, per arm: counts, shown while withheld, too."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """How many units came this far, per arm in the design's order.

    p_value: whether the arms hold the planned shares. lost_p_value: whether the arms lose units alike
    since the step before; None at the first step, and where nothing can be told.
    """

    name: str
    counts: tuple[int, ...]
    p_value: float | None
    lost_p_value: float | None = None


@dataclass(frozen=True, slots=True)
class Funnel:
    """Units from eligible to triggered. Who was assigned is computed again from the ids that events carry.

    eligible: units of the experiment's type that sent any event or exposure while it ran; those of them that
    slots and gate let in are assigned. share: of the eligible units that were looked at. elsewhere: exposed
    units that the assignment gives another arm, or none. reason: why assignment is not known; "" when it is.
    """

    steps: tuple[FunnelStep, ...]
    eligible: int = 0
    share: float = 1.0
    elsewhere: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What one rule of the traffic filter took away, per arm; p_value: whether it does so alike."""

    rule: str
    name: str
    counts: tuple[int, ...]
    p_value: float | None
    is_about_behaviour: bool


@dataclass(frozen=True, slots=True)
class Traffic:
    """The traffic filter at work: units per arm before and after, and the sample-ratio test of both."""

    version: int
    """Of the project's filter; 0 where the experiment has its own."""
    before: tuple[int, ...]
    before_p_value: float | None
    after: tuple[int, ...]
    after_p_value: float | None
    rules: tuple[LeftOut, ...]
    p_value: float | None
    """Whether the arms lose the same share of units, over all rules."""
