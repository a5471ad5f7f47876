"""How variants, overrides and rules are written as JSON: in the rows and, the same, in the snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from equipoise_server.flags.values import (
    FlagValue,
    FlagVariant,
    Override,
    Prerequisite,
    Ring,
    Rollout,
    Rule,
)

Json = Mapping[str, object]


def variants_to_json(variants: Sequence[FlagVariant]) -> list[dict[str, object]]:
    """The variants in their order."""
    return [{"key": variant.key, "value": variant.value} for variant in variants]


def variants_from_json(items: Sequence[Mapping[str, FlagValue]]) -> tuple[FlagVariant, ...]:
    """The variants of a row."""
    return tuple(FlagVariant(str(item["key"]), item["value"]) for item in items)


def override_to_json(override: Override) -> dict[str, object]:
    """One override as the snapshot has it."""
    if override.segment:
        return {"variant": override.variant, "segment": override.segment}
    return {"variant": override.variant, "unit_type": override.unit_type, "units": list(override.units)}


def override_from_json(item: Mapping[str, object]) -> Override:
    """The override of a row."""
    units = item.get("units", ())
    return Override(
        variant=str(item["variant"]),
        unit_type=str(item.get("unit_type", "")),
        units=tuple(units) if isinstance(units, list) else (),
        segment=str(item.get("segment", "")),
    )


def rule_to_json(rule: Rule) -> dict[str, object]:
    """One rule as the row has it; its description stays out of the snapshot."""
    written: dict[str, object] = {"id": rule.id, "eligibility": rule.eligibility}
    if rule.rollout is None:
        written["serve"] = rule.serve
    else:
        written["rollout"] = _rollout_to_json(rule.rollout)
    if rule.description:
        written["description"] = rule.description
    return written


def rule_from_json(item: Mapping[str, object]) -> Rule:
    """The rule of a row."""
    eligibility, rollout = item["eligibility"], item.get("rollout")
    return Rule(
        id=str(item["id"]),
        eligibility=eligibility if isinstance(eligibility, dict) else None,
        serve=str(item.get("serve", "")),
        rollout=_rollout_from_json(rollout) if isinstance(rollout, dict) else None,
        description=str(item.get("description", "")),
    )


def _rollout_to_json(rollout: Rollout) -> dict[str, object]:
    head = {"variant": rollout.variant, "unit_type": rollout.unit_type, "salt": rollout.salt}
    if not rollout.rings:
        return {**head, "parts_per_million": rollout.parts_per_million}
    rings = [
        {"id": ring.id, "eligibility": ring.eligibility, "parts_per_million": ring.parts_per_million}
        for ring in rollout.rings
    ]
    return {**head, "rings": rings}


def _rollout_from_json(item: dict[str, Any]) -> Rollout:  # a row holds what was written above
    return Rollout(**{**item, "rings": tuple(Ring(**ring) for ring in item.get("rings", ()))})


def prerequisite_to_json(needed: Prerequisite) -> dict[str, object]:
    """One prerequisite as the row and the snapshot have it."""
    return {"flag": needed.flag, "variants": list(needed.variants)}


def prerequisites_from_json(items: Sequence[Mapping[str, Any]]) -> tuple[Prerequisite, ...]:
    """The prerequisites of a row."""
    return tuple(Prerequisite(item["flag"], tuple(item["variants"])) for item in items)


def served_rule(item: Mapping[str, object]) -> dict[str, object]:
    """A row's rule as clients get it."""
    return {name: value for name, value in item.items() if name != "description"}


def segments_in(overrides: Sequence[Json], rules: Sequence[Json]) -> frozenset[str]:
    """The keys of all segments that a row's overrides and rules name, rings included."""
    rollouts = [rule.get("rollout") for rule in rules]
    rings = [rollout.get("rings", []) for rollout in rollouts if isinstance(rollout, Mapping)]
    audiences = [ring["eligibility"] for one in rings for ring in one]
    return segments_named([*overrides, *(rule.get("eligibility") for rule in rules), *audiences])


def segments_named(condition: object) -> frozenset[str]:
    """The keys of all segments that a condition names, however deep."""
    if isinstance(condition, list):
        return frozenset().union(*map(segments_named, condition))
    if not isinstance(condition, Mapping):
        return frozenset()
    named = condition.get("segment")
    inner = [segments_named(condition.get(word)) for word in ("all", "any", "not")]
    return frozenset([named] if isinstance(named, str) else ()).union(*inner)
