"""What a flag may say: pure checks that return every fault, each with its field and the way out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from equipoise_engine import canonical_json, canonical_unit, validate_snapshot
from equipoise_server.flags.settings_json import override_to_json, prerequisite_to_json, rule_to_json
from equipoise_server.flags.stand_ins import stand_ins
from equipoise_server.flags.values import (
    Condition,
    FlagType,
    FlagValue,
    FlagVariant,
    Override,
    Prerequisite,
    Rollout,
    Rule,
)
from equipoise_server.foundation.ids import KEY_RULE, is_key, key_fault
from equipoise_server.foundation.refusals import Problem
from equipoise_server.foundation.texts import LONGEST_NAME, is_storable, text_problems

MOST_VARIANTS = 64
MOST_UNITS_PER_OVERRIDE = 1_000
MOST_RINGS = 16
PARTS = 1_000_000
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""How JSON writes the one character that PostgreSQL cannot keep."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a flag's settings may refer to."""

    variants: frozenset[str]
    unit_types: tuple[str, ...]
    segments: Mapping[str, Condition]


@dataclass(frozen=True, slots=True)
class Served:
    """The settings under check."""

    off: str
    default: str
    overrides: Sequence[Override] = ()
    rules: Sequence[Rule] = ()
    prerequisites: Sequence[Prerequisite] = ()


def naming_problems(key: str, name: str) -> Iterator[Problem]:
    """Whether a key and a name can be used."""
    if not is_key(key):
        yield Problem("key", key_fault(key))
    yield from name_problems(name)


def name_problems(name: str) -> Iterator[Problem]:
    """Whether a name can be used."""
    if not name.strip():
        yield Problem("name", "Give it a name that a colleague would understand.")
    yield from text_problems(LONGEST_NAME, name=name)


def variants_problems(flag_type: FlagType, variants: Sequence[FlagVariant]) -> Iterator[Problem]:
    """Whether every variant has a key of its own and a value of the flag's type."""
    if not 1 <= len(variants) <= MOST_VARIANTS:
        yield Problem("variants", f"A flag has 1 to {MOST_VARIANTS} variants, not {len(variants)}.")
    seen: set[str] = set()
    for index, variant in enumerate(variants):
        place = f"variants.{index}"
        if not is_key(variant.key):
            yield Problem(f"{place}.key", key_fault(variant.key))
        elif variant.key in seen:
            yield Problem(f"{place}.key", f"Two variants have the key “{variant.key}”; rename one.")
        seen.add(variant.key)
        if not _fits(variant.value, flag_type):
            told = f"The value of “{variant.key}” must be a {flag_type}, because the flag is one."
            yield Problem(f"{place}.value", told)
        elif not _has_canonical_form(variant.value):
            told = "Use finite numbers up to 2**53 and plain text, so that every SDK reads the same value."
            yield Problem(f"{place}.value", told)


def settings_problems(served: Served, around: Surroundings) -> Iterator[Problem]:
    """Whether the settings refer only to what exists, and their conditions can be evaluated."""
    for field, variant in (("off", served.off), ("default", served.default)):
        yield from _variant_problems(field, variant, around)
    for index, override in enumerate(served.overrides):
        yield from _override_problems(f"overrides.{index}", override, around)
    yield from rules_problems(served.rules, around)


def rules_problems(rules: Sequence[Rule], around: Surroundings) -> Iterator[Problem]:
    """Whether every rule serves or rolls out a variant to units that can be told apart."""
    ids = [rule.id for rule in rules if rule.id]
    for index, rule in enumerate(rules):
        place = f"rules.{index}"
        if ids.count(rule.id) > 1:
            yield Problem(f"{place}.id", f"Two rules have the id “{rule.id}”; leave one empty.")
        elif rule.id and not is_key(rule.id):
            yield Problem(f"{place}.id", f"The id “{rule.id}” cannot be used: {KEY_RULE}.")
        if (rule.rollout is None) == (not rule.serve):
            yield Problem(place, "A rule either serves one variant or rolls one out to a share: choose one.")
        elif rule.rollout is not None:
            yield from _rollout_problems(f"{place}.rollout", rule.rollout, around)
        else:
            yield from _variant_problems(f"{place}.serve", rule.serve, around)
        yield from text_problems(**{f"{place}.description": rule.description})
        if not _has_canonical_form(rule.eligibility):
            yield Problem(f"{place}.eligibility", "Use finite numbers up to 2**53 and plain text.")
    yield from _conditions_problems(rules, around)


def segment_problems(
    key: str, condition: Condition, others: Mapping[str, Condition], *, unit_types: Sequence[str]
) -> Iterator[Problem]:
    """Whether a segment's condition can be evaluated beside the project's other segments."""
    if not _has_canonical_form(condition):
        yield Problem("condition", "Use finite numbers up to 2**53 and plain text.")
        return
    document = _probe({**others, key: condition}, unit_types, {})
    own = f"/segments/{key}"
    for fault in validate_snapshot(document, stand_ins(others)):
        if fault.path == own or fault.path.startswith(f"{own}/"):
            yield Problem(
                "condition" + _dotted(fault.path.removeprefix(own)), f"The condition {fault.message}."
            )
        elif fault.path.startswith("/segments/"):
            broken = fault.path.split("/")[2]
            yield Problem("condition", f"With it the segment “{broken}” cannot be used: it {fault.message}.")
        elif not fault.path:
            yield Problem("condition", f"The condition {fault.message}.")


def _variant_problems(field: str, variant: str, around: Surroundings) -> Iterator[Problem]:
    if variant not in around.variants:
        known = ", ".join(sorted(around.variants)) or "none yet"
        yield Problem(field, f"The flag has no variant “{variant}”; it has: {known}.")


def _unit_type_problems(field: str, unit_type: str, around: Surroundings) -> Iterator[Problem]:
    if unit_type not in around.unit_types:
        known = ", ".join(around.unit_types)
        yield Problem(field, f"The project has no unit type “{unit_type}”; it has: {known}.")


def _override_problems(place: str, override: Override, around: Surroundings) -> Iterator[Problem]:
    yield from _variant_problems(f"{place}.variant", override.variant, around)
    if override.segment:
        if override.segment not in around.segments:
            yield Problem(f"{place}.segment", f"There is no segment “{override.segment}” in this project.")
        if override.units:
            yield Problem(place, "An override names units or a segment: make two of it.")
        return
    yield from _unit_type_problems(f"{place}.unit_type", override.unit_type, around)
    if not 1 <= len(override.units) <= MOST_UNITS_PER_OVERRIDE:
        told = f"Name 1 to {MOST_UNITS_PER_OVERRIDE:,} units; for more, make a segment."
        yield Problem(f"{place}.units", told)
    for index, unit in enumerate(override.units):
        if canonical_unit(unit) is None or not is_storable(unit):
            yield Problem(f"{place}.units.{index}", "A unit id is a text of 1 to 256 bytes.")


def _rollout_problems(place: str, rollout: Rollout, around: Surroundings) -> Iterator[Problem]:
    yield from _variant_problems(f"{place}.variant", rollout.variant, around)
    yield from _unit_type_problems(f"{place}.unit_type", rollout.unit_type, around)
    if not rollout.rings:
        yield from _share_problems(f"{place}.parts_per_million", rollout.parts_per_million)
    elif len(rollout.rings) > MOST_RINGS:
        yield Problem(f"{place}.rings", f"A rollout has at most {MOST_RINGS} rings; put some together.")
    ids = [ring.id for ring in rollout.rings if ring.id]
    for index, ring in enumerate(rollout.rings):
        yield from _share_problems(f"{place}.rings.{index}.parts_per_million", ring.parts_per_million)
        yield from _ring_id_problems(f"{place}.rings.{index}.id", ring.id, ids)
        if not _has_canonical_form(ring.eligibility):
            told = "Use finite numbers up to 2**53 and plain text."
            yield Problem(f"{place}.rings.{index}.eligibility", told)


def _share_problems(field: str, parts_per_million: int) -> Iterator[Problem]:
    if not 0 <= parts_per_million <= PARTS:
        yield Problem(field, "The share goes from 0 % (0) to 100 % (1,000,000).")


def _ring_id_problems(field: str, ring_id: str, ids: Sequence[str]) -> Iterator[Problem]:
    if ids.count(ring_id) > 1:
        yield Problem(field, f"Two rings have the name “{ring_id}”; rename one.")
    elif ring_id and not is_key(ring_id):
        yield Problem(field, f"The name “{ring_id}” cannot be used: {KEY_RULE}.")


def _conditions_problems(rules: Sequence[Rule], around: Surroundings) -> Iterator[Problem]:
    """Ask the engine, which is what SDKs will ask."""
    written = [_probed_rule(str(place), rule) for place, rule in enumerate(rules)]
    probe = _probe(around.segments, around.unit_types, {"rules": written})
    for fault in validate_snapshot(probe, stand_ins(around.segments)):
        if fault.path.startswith("/flags/probe/rules/"):
            place = _dotted(fault.path.removeprefix("/flags/probe"))
            yield Problem(place.removeprefix("."), f"The condition {fault.message}.")
        elif not fault.path:
            yield Problem("rules", f"The rules together {fault.message}.")


def _probed_rule(place: str, rule: Rule) -> dict[str, object]:
    """A rule of which only the conditions can be wrong."""
    probed: dict[str, object] = {"id": place, "eligibility": rule.eligibility}
    rings = () if rule.rollout is None else rule.rollout.rings
    if not rings:
        return {**probed, "serve": "on"}
    stages = [
        {"id": str(at), "eligibility": ring.eligibility, "parts_per_million": 0}
        for at, ring in enumerate(rings)
    ]
    return {**probed, "rollout": {"variant": "on", "unit_type": "unit", "salt": "probe", "rings": stages}}


def _probe(
    segments: Mapping[str, Condition], unit_types: Sequence[str], flag: Mapping[str, object]
) -> dict[str, object]:
    """The smallest snapshot in which the engine can judge conditions."""
    plain = {"type": "boolean", "variants": {"on": True}, "off": "on", "default": "on"}
    return {
        "format": 1, "project": "probe", "environment": "probe", "epoch": 1, "revision": 1,
        "default_unit_type": unit_types[0], "unit_types": [*dict.fromkeys([*unit_types, "unit"])],
        "segments": dict(segments), "flags": {"probe": {**plain, **flag}},
    }  # fmt: skip


def _dotted(pointer: str) -> str:
    """A JSON pointer as the dotted path of a problem's field."""
    return pointer.replace("/", ".").replace("~1", "/").replace("~0", "~")


def _fits(value: FlagValue, flag_type: FlagType) -> bool:
    match flag_type:
        case FlagType.BOOLEAN:
            return isinstance(value, bool)
        case FlagType.STRING:
            return isinstance(value, str)
        case FlagType.NUMBER:
            return isinstance(value, int | float) and not isinstance(value, bool)
        case FlagType.OBJECT:
            return isinstance(value, Mapping)


def _has_canonical_form(value: object) -> bool:
    """Whether every language reads the same value from its JSON, and every database can keep it."""
    try:
        written = canonical_json(value)
    except (ValueError, RecursionError):
        return False
    return _NUL.search(written) is None and bool(json.loads(written) == value)


def served_json(served: Served) -> dict[str, object]:
    """Settings as the audit record keeps them."""
    return {
        "off": served.off,
        "default": served.default,
        "overrides": list(map(override_to_json, served.overrides)),
        "rules": list(map(rule_to_json, served.rules)),
        "prerequisites": list(map(prerequisite_to_json, served.prerequisites)),
    }


def all_problems(*checks: Iterator[Problem]) -> list[Problem]:
    """Every fault that the checks find."""
    return list(dict.fromkeys(chain(*checks)))
