"""What an evaluation answers: values and closed sets of words, without any rule of how they arise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import NamedTuple, NoReturn, cast, final

Scalar = bool | str | int | float


class Metadata(dict[str, Scalar]):
    """A table that nobody can change, and that can be copied, pickled and written as JSON."""

    __slots__ = ()

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("metadata cannot be changed")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[type[Metadata], tuple[dict[str, Scalar]]]:
        return Metadata, (dict(self),)


NOTHING = Metadata()


class Reason(StrEnum):
    """Why a value was served, in OpenFeature's words (spec/evaluation.md, "Reasons")."""

    STATIC = "STATIC"
    DEFAULT = "DEFAULT"
    TARGETING_MATCH = "TARGETING_MATCH"
    SPLIT = "SPLIT"
    DISABLED = "DISABLED"
    ERROR = "ERROR"


class Skip(Enum):
    """Why an experiment or rollout passed a unit over that it might have taken."""

    UNIT_MISSING = "unit_missing"
    CLOCK_MISSING = "clock_missing"


class ErrorCode(StrEnum):
    """What went wrong, in OpenFeature's words; only together with Reason.ERROR."""

    PROVIDER_NOT_READY = "PROVIDER_NOT_READY"
    FLAG_NOT_FOUND = "FLAG_NOT_FOUND"
    PARSE_ERROR = "PARSE_ERROR"
    TYPE_MISMATCH = "TYPE_MISMATCH"
    INVALID_CONTEXT = "INVALID_CONTEXT"
    GENERAL = "GENERAL"


class Enrolment(NamedTuple):
    """A unit's place in a running experiment or in a holdout: what an exposure has to carry.

    Of a holdout, `experiment` and `layer` are its key, `iteration` is its season. In a switchback the
    unit is a region in a window, written "region:window".

    Attributes:
        cluster_type, cluster: what was randomised in place of the unit itself, and stays the unit's
            cluster for the iteration when the context brings it along again.
    """

    experiment: str
    iteration: int
    arm: str
    unit_type: str
    unit: str
    layer: str
    cluster_type: str | None = None
    cluster: str | None = None

    @property
    def sticky_key(self) -> str:
        """Return under which key a context brings the cluster along again."""
        return sticky_key(self.experiment, self.iteration)

    def told_of_holdout(self) -> dict[str, Scalar]:
        """Return what metadata tell of a place in a holdout."""
        return {
            "holdout.key": self.experiment,
            "holdout.season": self.iteration,
            "holdout.arm": self.arm,
            "holdout.unit_type": self.unit_type,
        }


class Place(NamedTuple):
    """An enrolment without its unit: prepared once an arm."""

    experiment: str
    iteration: int
    arm: str
    unit_type: str
    layer: str
    cluster_type: str | None = None
    cluster: str | None = None


def sticky_key(experiment: str, iteration: int) -> str:
    """Return the key of an iteration among the "clusters" of a context."""
    return f"{experiment}:{iteration}"


class Answer(NamedTuple):
    """What a `Decision` is made of."""

    flag_key: str
    value: object
    variant: str | None
    reason: Reason
    error_code: ErrorCode | None
    error_message: str | None
    metadata: Mapping[str, Scalar]
    place: Place | None = None
    holdouts: tuple[Enrolment, ...] = ()
    unit: str | None = None


@final
class Decision(Answer):
    """The answer for one flag and one context. Immutable; equal when all members are.

    A tuple because one is built for every enrolled unit: it costs a tenth of a frozen dataclass.

    Attributes:
        flag_key: the key asked for ("" when it was not text).
        value: the variant's value, or the code default when `variant` is None.
        variant: the variant's key, or None when the code default was served.
        reason: why.
        error_code: what went wrong, or None.
        error_message: the same in a sentence, or None.
        metadata: step, experiment, rule, revision … (spec/evaluation.md, "Metadata").
        holdouts: the unit's place in each holdout that covers the flag, by the arms "holdout" and "open".
        place, unit: the parts of `enrolment`.
    """

    __slots__ = ()

    @property
    def enrolment(self) -> Enrolment | None:
        """Return the unit's place in a running experiment, None when it has none."""
        place, unit = self.place, self.unit
        if place is None or unit is None:
            return None
        experiment, iteration, arm, unit_type, layer, *cluster = place
        return Enrolment(experiment, iteration, arm, unit_type, unit, layer, *cluster)

    @property
    def exposable(self) -> tuple[Enrolment, ...]:
        """Return all that exposures have to report."""
        return self.holdouts if self.place is None else (*self.holdouts, cast("Enrolment", self.enrolment))

    def _asdict(self) -> dict[str, object]:
        """Return the members of spec/schemas/decision.schema.json."""
        members = super()._asdict()
        del members["place"], members["holdouts"], members["unit"]
        return {**members, "enrolment": self.enrolment, "holdouts": self.holdouts}


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
