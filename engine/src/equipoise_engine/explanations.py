"""What an explanation says: step by step, what each found about a unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from equipoise_engine.decisions import Decision
from equipoise_engine.metadata import Metadata, Scalar


class Finding(StrEnum):
    """What one step of the evaluation found out about a unit."""

    FLAG_UNKNOWN = "flag_unknown"
    KILLED = "killed"
    NOT_KILLED = "not_killed"
    FAULTY = "faulty"
    MET = "met"
    NOT_MET = "not_met"
    CONTEXT_INVALID = "context_invalid"
    HELD = "held"
    OPEN = "open"
    NAMED = "named"
    NOT_NAMED = "not_named"
    NOT_ELIGIBLE = "not_eligible"
    UNIT_MISSING = "unit_missing"
    OUTSIDE_SLOTS = "outside_slots"
    OUTSIDE_GATE = "outside_gate"
    OUTSIDE_SCHEDULE = "outside_schedule"
    CLOCK_MISSING = "clock_missing"
    ENROLLED = "enrolled"
    OUTSIDE_ROLLOUT = "outside_rollout"
    SERVED = "served"


@dataclass(frozen=True, slots=True)
class Step:
    """One line of an explanation.

    Attributes:
        kind: unknown, kill, error, prerequisite, override, holdout, experiment, rule or default.
        key: the flag, experiment, rule, segment or kill level that the step is about, if any.
        finding: what the step found.
        decision: the answer when this step decided (the last step always does), else None.
        detail: the numbers behind the finding, such as slot, gate_part and arm.
    """

    kind: str
    key: str | None
    finding: Finding
    decision: Decision | None = None
    detail: Mapping[str, Scalar] = field(default_factory=Metadata)
