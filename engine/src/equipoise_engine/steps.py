"""The steps that may decide a flag, each compiled into one closure that answers or passes.

Order is the flag's business. A step says why it passed only to those who ask (`finding`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from equipoise_engine.decisions import Decision, Finding, Reason, Scalar
from equipoise_engine.experiments import Gate
from equipoise_engine.hashing import PARTS, canonical_unit, hash_with, threshold
from equipoise_engine.targeting import Attributes, Test

Units = Mapping[str, object]
Decide = Callable[[Units, Attributes], Decision | None]

# What a step answers instead of a decision when only the lack of a unit kept it from deciding.
UNIT_MISSING = Decision("", None, None, Reason.ERROR, None, "the unit is missing", {}, None)


class Found(NamedTuple):
    """Why a step did what it did to one unit."""

    finding: Finding
    detail: Mapping[str, Scalar]


class FlagStep(NamedTuple):
    """A compiled step: `decide` answers; `found` explains the same unit from the same parts."""

    kind: str
    key: str | None
    decide: Decide
    found: Callable[[Units, Attributes], Found]


def override_by_unit(decision: Decision, unit_type: str, named: frozenset[str]) -> FlagStep:
    """Serve one variant to the units that are named."""

    def decide(units: Units, _attributes: Attributes) -> Decision | None:
        return decision if canonical_unit(units.get(unit_type)) in named else None

    return FlagStep("override", unit_type, decide, _told(decide, Finding.NAMED, Finding.NOT_NAMED))


def override_by_segment(decision: Decision, segment: str, member: Test) -> FlagStep:
    """Serve one variant to the members of a segment."""

    def decide(_units: Units, attributes: Attributes) -> Decision | None:
        return decision if member(attributes) else None

    return FlagStep("override", segment, decide, _told(decide, Finding.NAMED, Finding.NOT_NAMED))


def serve_rule(decision: Decision, rule: str, eligible: Test | None) -> FlagStep:
    """Serve one variant to everybody who is eligible."""

    def decide(_units: Units, attributes: Attributes) -> Decision | None:
        return decision if eligible is None or eligible(attributes) else None

    return FlagStep("rule", rule, decide, _told(decide, Finding.SERVED, Finding.NOT_ELIGIBLE))


def rollout_rule(
    decision: Decision, rule: str, eligible: Test | None, unit_type: str, gate: Gate
) -> FlagStep:
    """Serve one variant to the share of the eligible units that the gate lets in."""
    gate_hash = hash_with(gate.salt)
    limit = threshold(gate.parts_per_million, PARTS)

    def decide(units: Units, attributes: Attributes) -> Decision | None:
        if eligible is not None and not eligible(attributes):
            return None
        unit = canonical_unit(units.get(unit_type))
        if unit is None:
            return UNIT_MISSING
        return decision if gate_hash(unit) < limit else None

    def found(units: Units, attributes: Attributes) -> Found:
        if eligible is not None and not eligible(attributes):
            return Found(Finding.NOT_ELIGIBLE, {})
        unit = canonical_unit(units.get(unit_type))
        if unit is None:
            return Found(Finding.UNIT_MISSING, {"unit_type": unit_type})
        part = gate_hash(unit) * PARTS >> 32
        inside = part < gate.parts_per_million
        finding = Finding.SERVED if inside else Finding.OUTSIDE_ROLLOUT
        return Found(finding, {"gate_part": part, "gate_parts": gate.parts_per_million})

    return FlagStep("rule", rule, decide, found)


def _told(decide: Decide, served: Finding, passed: Finding) -> Callable[[Units, Attributes], Found]:
    def found(units: Units, attributes: Attributes) -> Found:
        return Found(passed if decide(units, attributes) is None else served, {})

    return found
