"""The steps that may decide a flag, each compiled into closures that answer or pass.

Order is the flag's business. A step says why it passed only to those who ask (`found`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from equipoise_engine.contexts import Test, Units
from equipoise_engine.decisions import NOTHING, Decision, Finding, Scalar, Skip
from equipoise_engine.experiments import Gate
from equipoise_engine.hashing import PARTS, canonical_unit, hash_with, threshold

Decide = Callable[[Units, object], Decision | Skip | None]


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


def rollout_rule(
    decision: Decision, rule: str, eligible: Test | None, unit_type: str, gate: Gate
) -> FlagStep:
    """Serve one variant to the share of the eligible units that the gate lets in."""
    gate_hash = hash_with(gate.salt)
    limit = threshold(gate.parts_per_million, PARTS)

    def decide(units: Units, _context: object) -> Decision | Skip | None:
        unit = canonical_unit(units.get(unit_type))
        if unit is None:
            return Skip.UNIT_MISSING
        return decision if gate_hash(unit) < limit else None

    def found(units: Units, _context: object) -> Found:
        unit = canonical_unit(units.get(unit_type))
        if unit is None:
            return Found(Finding.UNIT_MISSING, {"unit_type": unit_type})
        part = gate_hash(unit) * PARTS >> 32
        inside = part < gate.parts_per_million
        finding = Finding.SERVED if inside else Finding.OUTSIDE_ROLLOUT
        return Found(finding, {"gate_part": part, "gate_parts": gate.parts_per_million})

    return FlagStep("rule", rule, eligible, decide, found)
