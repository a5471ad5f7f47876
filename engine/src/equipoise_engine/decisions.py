"""What an evaluation answers: values and closed sets of words, without any rule of how they arise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple, final

from equipoise_engine.metadata import NOTHING, Metadata, Scalar


class Reason(StrEnum):
    """Why a value was served, in OpenFeature's words (spec/evaluation.md, "Reasons")."""

    STATIC = "STATIC"
    DEFAULT = "DEFAULT"
    TARGETING_MATCH = "TARGETING_MATCH"
    SPLIT = "SPLIT"
    DISABLED = "DISABLED"
    ERROR = "ERROR"


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


class Fault(NamedTuple):
    """What went wrong: in OpenFeature's words, and in a sentence."""

    code: ErrorCode
    message: str


# The members of metadata that go together: every answer of a kind names the same ones.
_names: dict[tuple[str, ...], tuple[str, ...]] = {}


@final
class Untold:
    """Metadata that nobody has asked for yet: a third of the memory of a table, and quicker to prepare."""

    __slots__ = ("_head", "_names", "_values")

    def __init__(self, head: Mapping[str, Scalar], told: Mapping[str, Scalar]) -> None:
        names = tuple(told)
        self._head = head
        self._names = _names.setdefault(names, names)
        self._values = tuple(told.values())

    def table(self) -> Metadata:
        """Return them."""
        return Metadata({**self._head, **dict(zip(self._names, self._values, strict=True))})


@final
class Answer:
    """What a flag answers everybody of one outcome: prepared once, and shared by their decisions.

    A plain class: many are made when a snapshot is loaded, and nobody outside sees one.
    """

    __slots__ = ("_metadata", "fault", "flag_key", "holdouts", "place", "reason", "value", "variant")

    def __init__(
        self,
        flag_key: str,
        value: object,
        *,
        variant: str | None,
        reason: Reason,
        metadata: Mapping[str, Scalar] | Untold,
        fault: Fault | None = None,
        place: Place | None = None,
        holdouts: tuple[Enrolment, ...] = (),
    ) -> None:
        self.flag_key = flag_key
        self.value = value
        self.variant = variant
        self.reason = reason
        self._metadata = metadata
        self.fault = fault
        self.place = place
        self.holdouts = holdouts

    @property
    def metadata(self) -> Mapping[str, Scalar]:
        """Return what is told of the answer. Two threads may make the same table; either serves."""
        metadata = self._metadata
        if isinstance(metadata, Untold):
            metadata = self._metadata = metadata.table()
        return metadata

    def placed(self, place: Place) -> Answer:
        """Return the answer to the units in a place."""
        return Answer(
            self.flag_key,
            self.value,
            variant=self.variant,
            reason=self.reason,
            metadata=self._metadata,
            fault=self.fault,
            place=place,
            holdouts=self.holdouts,
        )

    def told(self, metadata: Mapping[str, Scalar], holdouts: tuple[Enrolment, ...] = ()) -> Answer:
        """Return the same with other metadata and places in holdouts."""
        return Answer(
            self.flag_key,
            self.value,
            variant=self.variant,
            reason=self.reason,
            metadata=metadata,
            fault=self.fault,
            place=self.place,
            holdouts=holdouts,
        )


@final
class Decision:
    """The answer for one flag and one context. Immutable; equal when all members are.

    One is made for every enrolled unit, so it only adds the unit to what was prepared.

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
        answer, enrolled: what the others are made of; not for use elsewhere.
    """

    __slots__ = ("answer", "enrolled")

    answer: Answer
    enrolled: str | None

    @property
    def flag_key(self) -> str:
        return self.answer.flag_key

    @property
    def value(self) -> object:
        return self.answer.value

    @property
    def variant(self) -> str | None:
        return self.answer.variant

    @property
    def reason(self) -> Reason:
        return self.answer.reason

    @property
    def error_code(self) -> ErrorCode | None:
        fault = self.answer.fault
        return None if fault is None else fault.code

    @property
    def error_message(self) -> str | None:
        fault = self.answer.fault
        return None if fault is None else fault.message

    @property
    def metadata(self) -> Mapping[str, Scalar]:
        return self.answer.metadata

    @property
    def place(self) -> Place | None:
        return self.answer.place

    @property
    def holdouts(self) -> tuple[Enrolment, ...]:
        return self.answer.holdouts

    @property
    def unit(self) -> str | None:
        return self.enrolled

    @property
    def enrolment(self) -> Enrolment | None:
        """Return the unit's place in a running experiment, None when it has none."""
        place, unit = self.answer.place, self.enrolled
        if place is None or unit is None:
            return None
        experiment, iteration, arm, unit_type, layer, cluster_type, cluster = place
        return Enrolment(experiment, iteration, arm, unit_type, unit, layer, cluster_type, cluster)

    @property
    def exposable(self) -> tuple[Enrolment, ...]:
        """Return all that exposures have to report."""
        enrolment = self.enrolment
        return self.holdouts if enrolment is None else (*self.holdouts, enrolment)

    def told(self, metadata: Mapping[str, Scalar], holdouts: tuple[Enrolment, ...]) -> Decision:
        """Return the same with other metadata and places in holdouts."""
        return decided(self.answer.told(metadata, holdouts), self.enrolled)

    @classmethod
    def of(cls, **members: Any) -> Decision:  # each by its name, see above
        """Return a decision with some members; those that are left out are None or empty."""
        unknown = members.keys() - _MEMBERS
        if unknown:
            raise TypeError(f"a decision has no {', '.join(sorted(unknown))}")
        code = members.get("error_code")
        answer = Answer(
            members["flag_key"],
            members.get("value"),
            variant=members.get("variant"),
            reason=members["reason"],
            metadata=members.get("metadata", NOTHING),
            fault=None if code is None else Fault(code, members.get("error_message", "")),
            place=members.get("place"),
            holdouts=members.get("holdouts", ()),
        )
        return decided(answer, members.get("unit"))

    def _members(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _MEMBERS}

    def _asdict(self) -> dict[str, object]:
        """Return the members of spec/schemas/decision.schema.json."""
        members = self._members()
        del members["place"], members["holdouts"], members["unit"]
        return {**members, "enrolment": self.enrolment, "holdouts": self.holdouts}

    def _replace(self, **changes: object) -> Decision:
        """Return a decision with other members."""
        return Decision.of(**self._members() | changes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Decision) and self._members() == other._members()

    def __hash__(self) -> int:
        return hash((self.flag_key, self.variant, self.reason, self.place, self.unit))

    def __repr__(self) -> str:
        return f"Decision({', '.join(f'{name}={value!r}' for name, value in self._members().items())})"

    def __reduce__(self) -> tuple[Callable[[dict[str, Any]], Decision], tuple[dict[str, Any]]]:
        return _from_members, (self._members(),)


def decided(answer: Answer, unit: str | None = None) -> Decision:
    """Return a decision. The class has no `__init__`: that call would cost as much as a hash."""
    made = Decision()
    made.answer = answer
    made.enrolled = unit
    return made


_MEMBERS = (
    *("flag_key", "value", "variant", "reason", "error_code", "error_message"),
    *("metadata", "place", "holdouts", "unit"),
)


def _from_members(members: dict[str, Any]) -> Decision:
    """Return a decision that was copied or pickled."""
    return Decision.of(**members)
