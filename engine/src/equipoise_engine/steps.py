"""The steps that may decide a flag, each compiled to answer or pass.

Order is the flag's business. A step says why it passed only to those who ask (`read`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import NamedTuple, final

from equipoise_engine.combinations import Every
from equipoise_engine.contexts import Units, context_parts
from equipoise_engine.decisions import Answer, Decision, Enrolment, Reason, Untold, decided
from equipoise_engine.explanations import Finding
from equipoise_engine.hashing import PARTS, canonical_unit, hash_unit, salt, threshold
from equipoise_engine.metadata import NOTHING, Scalar


class Skip(Enum):
    """Why an experiment or rollout passed a unit over that it might have taken."""

    UNIT_MISSING = "unit_missing"
    CLOCK_MISSING = "clock_missing"


# A skip and a place in a holdout are noted; the next step goes on.
Found = Decision | Skip | Enrolment | None


class Decider:
    """What is kept of a step: it answers for the units of somebody eligible, or passes.

    A class with slots, because what it needs then lies together in memory; closures scatter it.
    """

    __slots__ = ()

    def decide(self, units: Units, context: object) -> Found:
        """Answer, or pass: for lack of something, or for good."""
        raise NotImplementedError


class Reading(NamedTuple):
    """Why a step did what it did to one unit."""

    finding: Finding
    detail: Mapping[str, Scalar]


class FlagStep(NamedTuple):
    """A compiled step.

    Attributes:
        kind, key: what it is about, see `Step`.
        eligible: who may be considered; None admits everybody.
        decider: answers for those.
        read: explains the same.
        passed: what is found of somebody who is not eligible.
        is_link: whether it only concerns contexts that bring overrides along.
    """

    kind: str
    key: str | None
    eligible: Every | None
    decider: Decider
    read: Callable[[Units, object], Reading]
    passed: Finding = Finding.NOT_ELIGIBLE
    is_link: bool = False


@final
class Named(Decider):
    """Serves one variant to the units that are named."""

    __slots__ = ("_decision", "_named", "_unit_type")

    def __init__(self, answer: Answer, unit_type: str, named: frozenset[str]) -> None:
        self._decision = decided(answer)
        self._unit_type = unit_type
        self._named = named

    def decide(self, units: Units, _context: object) -> Found:
        """Answer, or pass."""
        return self._decision if canonical_unit(units.get(self._unit_type)) in self._named else None


@final
class Linked(Decider):
    """Serves the variant that the context itself asks for, such as by a signed link to a preview."""

    __slots__ = ("_flag_key", "_head", "_values")

    def __init__(self, flag_key: str, values: Mapping[str, object], head: Mapping[str, Scalar]) -> None:
        self._flag_key = flag_key
        self._values = values
        self._head = head

    def decide(self, _units: Units, context: object) -> Found:
        """Answer, or pass."""
        overrides = context.get("overrides") if isinstance(context, Mapping) else None
        variant = overrides.get(self._flag_key) if isinstance(overrides, Mapping) else None
        if not isinstance(variant, str) or variant not in self._values:
            return None
        told = Untold(self._head, {"step": "override", "experiment.arm": "override"})
        value, reason = self._values[variant], Reason.TARGETING_MATCH
        return decided(Answer(self._flag_key, value, variant=variant, reason=reason, metadata=told))


@final
class Served(Decider):
    """Serves one variant to everybody who is eligible."""

    __slots__ = ("decision",)

    def __init__(self, answer: Answer) -> None:
        self.decision = decided(answer)

    def decide(self, _units: Units, _context: object) -> Found:
        """Answer."""
        return self.decision


def override_by_unit(answer: Answer, unit_type: str, named: frozenset[str]) -> FlagStep:
    """Serve one variant to the units that are named."""
    return _override(unit_type, Named(answer, unit_type, named))


def override_by_link(flag_key: str, values: Mapping[str, object], head: Mapping[str, Scalar]) -> FlagStep:
    """Serve the variant that the context itself asks for.

    Args:
        flag_key: the flag's key.
        values: its variants.
        head: what all metadata of the snapshot begin with.
    """
    return _override("context", Linked(flag_key, values, head))._replace(is_link=True)


def _override(key: str, decider: Decider) -> FlagStep:
    def read(units: Units, context: object) -> Reading:
        named = decider.decide(units, context) is not None
        return Reading(Finding.NAMED if named else Finding.NOT_NAMED, NOTHING)

    return FlagStep("override", key, None, decider, read)


def override_by_segment(answer: Answer, segment: str, member: Every) -> FlagStep:
    """Serve one variant to the members of a segment."""
    named = Reading(Finding.NAMED, NOTHING)
    served = Served(answer)
    return FlagStep("override", segment, member, served, lambda *_: named, passed=Finding.NOT_NAMED)


def serve_rule(answer: Answer, rule: str, eligible: Every | None) -> FlagStep:
    """Serve one variant to everybody who is eligible."""
    reading = Reading(Finding.SERVED, NOTHING)
    return FlagStep("rule", rule, eligible, Served(answer), lambda *_: reading)


class Ring(NamedTuple):
    """A stage of a rollout: an audience (None: everybody), its share, and the answer for those inside."""

    key: str | None
    eligible: Every | None
    parts_per_million: int
    answer: Answer


class Draw(NamedTuple):
    """By what a rollout draws units."""

    unit_type: str
    salt: str


@final
class Share(Decider):
    """Serves one variant to the share of the units that a gate lets in."""

    __slots__ = ("_decision", "_limit", "_salt", "_unit_type")

    def __init__(self, ring: Ring, draw: Draw) -> None:
        self._decision = decided(ring.answer)
        self._limit = threshold(ring.parts_per_million, PARTS)
        self._salt = salt(draw.salt)
        self._unit_type = draw.unit_type

    def decide(self, units: Units, _context: object) -> Found:
        """Answer, or pass."""
        unit = canonical_unit(units.get(self._unit_type))
        if unit is None:
            return Skip.UNIT_MISSING
        return self._decision if self._salt.hash(unit) < self._limit else None


@final
class Rings(Decider):
    """Serves one variant to the units that any ring lets in; the first one that does is named."""

    __slots__ = ("_rings", "_salt", "_unit_type")

    def __init__(self, rings: tuple[Ring, ...], draw: Draw) -> None:
        self._rings = tuple(
            (ring, threshold(ring.parts_per_million, PARTS), decided(ring.answer)) for ring in rings
        )
        self._salt = salt(draw.salt)
        self._unit_type = draw.unit_type

    def decide(self, units: Units, context: object) -> Found:
        """Answer, or pass."""
        unit = canonical_unit(units.get(self._unit_type))
        if unit is None:
            return Skip.UNIT_MISSING
        place = self._salt.hash(unit)
        for ring, limit, decision in self._rings:
            if place < limit and _is_audience(ring, units, context):
                return decision
        return None


def rollout_rule(whole: Ring, rule: str, eligible: Every | None, draw: Draw) -> FlagStep:
    """Serve one variant to the share of the eligible units that the gate lets in."""
    return FlagStep(
        "rule", rule, eligible, Share(whole, draw), lambda units, _: _read_part(units, draw, (whole,))
    )


def ring_rule(rings: tuple[Ring, ...], rule: str, eligible: Every | None, draw: Draw) -> FlagStep:
    """Serve one variant to the units that any ring lets in."""

    def read(units: Units, context: object) -> Reading:
        audiences = tuple(ring for ring in rings if _is_audience(ring, units, context))
        return _read_part(units, draw, audiences)

    return FlagStep("rule", rule, eligible, Rings(rings, draw), read)


def _is_audience(ring: Ring, units: Units, context: object) -> bool:
    if ring.eligible is None:
        return True
    parts = context_parts(context)
    return parts is not None and ring.eligible.holds(parts[1], units)


def _read_part(units: Units, draw: Draw, rings: tuple[Ring, ...]) -> Reading:
    """Compare the unit's part with the share of the first ring that lets it in, or else the widest."""
    unit = canonical_unit(units.get(draw.unit_type))
    if unit is None:
        return Reading(Finding.UNIT_MISSING, {"unit_type": draw.unit_type})
    part = hash_unit(draw.salt, unit) * PARTS >> 32
    ring = next((ring for ring in rings if part < ring.parts_per_million), None)
    widest = max((ring.parts_per_million for ring in rings), default=0)
    finding = Finding.OUTSIDE_ROLLOUT if ring is None else Finding.SERVED
    detail: dict[str, Scalar] = {"gate_part": part}
    detail["gate_parts"] = widest if ring is None else ring.parts_per_million
    if ring is not None and ring.key is not None:
        detail["ring"] = ring.key
    return Reading(finding, detail)
