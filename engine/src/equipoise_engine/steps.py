"""The steps that may decide a flag, each compiled into closures that answer or pass.

Order is the flag's business. A step says why it passed only to those who ask (`found`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from equipoise_engine.contexts import Test, Units, context_parts
from equipoise_engine.decisions import NOTHING, Decision, Enrolment, Finding, Scalar, Skip
from equipoise_engine.hashing import PARTS, canonical_unit, hash_unit, hash_with, threshold

# A skip and a place in a holdout are noted; the next step goes on.
Decide = Callable[[Units, object], Decision | Skip | Enrolment | None]


class Found(NamedTuple):
    """Why a step did what it did to one unit."""

    finding: Finding
    detail: Mapping[str, Scalar]


class FlagStep(NamedTuple):
    """A compiled step.

    Attributes:
        kind, key: what it is about, see `Step`.
        eligible: who may be considered; None admits everybody.
        decide: answers for the units of somebody eligible, or passes: for lack of something, or for good.
        found: explains the same.
        passed: what is found of somebody who is not eligible.
        is_link: whether it only concerns contexts that bring overrides along.
    """

    kind: str
    key: str | None
    eligible: Test | None
    decide: Decide
    found: Callable[[Units, object], Found]
    passed: Finding = Finding.NOT_ELIGIBLE
    is_link: bool = False


def override_by_unit(decision: Decision, unit_type: str, named: frozenset[str]) -> FlagStep:
    """Serve one variant to the units that are named."""

    def decide(units: Units, _context: object) -> Decision | None:
        return decision if canonical_unit(units.get(unit_type)) in named else None

    def found(units: Units, context: object) -> Found:
        return Found(Finding.NOT_NAMED if decide(units, context) is None else Finding.NAMED, NOTHING)

    return FlagStep("override", unit_type, None, decide, found)


def override_by_link(flag_key: str, answer: Callable[[str], Decision | None]) -> FlagStep:
    """Serve the variant that the context itself asks for, such as by a signed link to a preview."""

    def decide(_units: Units, context: object) -> Decision | None:
        overrides = context.get("overrides") if isinstance(context, Mapping) else None
        variant = overrides.get(flag_key) if isinstance(overrides, Mapping) else None
        return answer(variant) if isinstance(variant, str) else None

    def found(units: Units, context: object) -> Found:
        return Found(Finding.NOT_NAMED if decide(units, context) is None else Finding.NAMED, NOTHING)

    return FlagStep("override", "context", None, decide, found, is_link=True)


def override_by_segment(decision: Decision, segment: str, member: Test) -> FlagStep:
    """Serve one variant to the members of a segment."""
    step = _served("override", segment, member, decision)
    return step._replace(
        found=lambda _units, _context: Found(Finding.NAMED, NOTHING), passed=Finding.NOT_NAMED
    )


def serve_rule(decision: Decision, rule: str, eligible: Test | None) -> FlagStep:
    """Serve one variant to everybody who is eligible."""
    return _served("rule", rule, eligible, decision)


def _served(kind: str, key: str, eligible: Test | None, decision: Decision) -> FlagStep:
    return FlagStep(
        kind,
        key,
        eligible,
        decide=lambda _units, _context: decision,
        found=lambda _units, _context: Found(Finding.SERVED, NOTHING),
    )


class Ring(NamedTuple):
    """A stage of a rollout: an audience (None: everybody), its share, and the answer for those inside."""

    key: str | None
    eligible: Test | None
    parts_per_million: int
    decision: Decision


def rollout_rule(whole: Ring, rule: str, eligible: Test | None, unit_type: str, salt: str) -> FlagStep:
    """Serve one variant to the share of the eligible units that the gate lets in."""
    gate_hash, decision = hash_with(salt), whole.decision
    limit = threshold(whole.parts_per_million, PARTS)

    def decide(units: Units, _context: object) -> Decision | Skip | None:
        unit = canonical_unit(units.get(unit_type))
        if unit is None:
            return Skip.UNIT_MISSING
        return decision if gate_hash(unit) < limit else None

    def found(units: Units, _context: object) -> Found:
        return _found_part(units, unit_type, salt, (whole,))

    return FlagStep("rule", rule, eligible, decide, found)


def ring_rule(
    rings: tuple[Ring, ...], rule: str, eligible: Test | None, unit_type: str, salt: str
) -> FlagStep:
    """Serve one variant to the units that any ring lets in; the first one that does is named."""
    gate_hash = hash_with(salt)
    limits = tuple((ring, threshold(ring.parts_per_million, PARTS)) for ring in rings)

    def decide(units: Units, context: object) -> Decision | Skip | None:
        unit = canonical_unit(units.get(unit_type))
        if unit is None:
            return Skip.UNIT_MISSING
        place = gate_hash(unit)
        for ring, limit in limits:
            if place < limit and _is_audience(ring, units, context):
                return ring.decision
        return None

    def found(units: Units, context: object) -> Found:
        audiences = tuple(ring for ring in rings if _is_audience(ring, units, context))
        return _found_part(units, unit_type, salt, audiences)

    return FlagStep("rule", rule, eligible, decide, found)


def _is_audience(ring: Ring, units: Units, context: object) -> bool:
    if ring.eligible is None:
        return True
    parts = context_parts(context)
    return parts is not None and ring.eligible(parts[1], units)


def _found_part(units: Units, unit_type: str, salt: str, rings: tuple[Ring, ...]) -> Found:
    """Compare the unit's part with the share of the first ring that lets it in, or else the widest."""
    unit = canonical_unit(units.get(unit_type))
    if unit is None:
        return Found(Finding.UNIT_MISSING, {"unit_type": unit_type})
    part = hash_unit(salt, unit) * PARTS >> 32
    ring = next((ring for ring in rings if part < ring.parts_per_million), None)
    widest = max((ring.parts_per_million for ring in rings), default=0)
    finding = Finding.OUTSIDE_ROLLOUT if ring is None else Finding.SERVED
    detail: dict[str, Scalar] = {"gate_part": part}
    detail["gate_parts"] = widest if ring is None else ring.parts_per_million
    if ring is not None and ring.key is not None:
        detail["ring"] = ring.key
    return Found(finding, detail)
