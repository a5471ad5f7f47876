"""How far units came and who was left out, as the API shows them: counts per arm in the design's order."""

from __future__ import annotations

from ninja import Schema


class FunnelStepShape(Schema):
    """Units that came this far. `lost_p_value`: whether the arms lose units alike since the step before."""

    name: str
    counts: list[int]
    p_value: float | None
    lost_p_value: float | None


class FunnelShape(Schema):
    """Units from eligible to triggered. Assignments are computed again from the ids that events carry.

    `share` of the eligible units was looked at. `elsewhere` were exposed to another arm than the assignment
    gives. `reason` says why assignments are not known; then the funnel begins at the exposure.
    """

    steps: list[FunnelStepShape]
    eligible: int
    share: float
    elsewhere: int
    reason: str


class LeftOutShape(Schema):
    """What one rule took away; p_value: whether it does so alike in all arms."""

    rule: str
    name: str
    counts: list[int]
    p_value: float | None
    is_about_behaviour: bool


class TrafficShape(Schema):
    """The traffic filter at work: the split before and after it. Version 0 is the experiment's own filter."""

    version: int
    before: list[int]
    before_p_value: float | None
    after: list[int]
    after_p_value: float | None
    rules: list[LeftOutShape]
    p_value: float | None
