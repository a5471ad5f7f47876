"""The forms of flags: fields to commands' parts and back. Decides nothing that the flags room decides."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence

from equipoise_server.dashboard.forms import Form, Reader, filled
from equipoise_server.dashboard.pages.clauses import clause_count, clause_texts, read_condition
from equipoise_server.dashboard.pages.need_forms import need_texts
from equipoise_server.dashboard.pages.ring_forms import read_rings, ring_texts
from equipoise_server.flags.values import (
    Flag,
    FlagSettings,
    FlagType,
    FlagValue,
    FlagVariant,
    Override,
    Rollout,
    Rule,
)
from equipoise_server.foundation.refusals import Problem


def new_flag_form(owner: str) -> Form:
    """A boolean flag that is off: what most people create."""
    texts = {"type": FlagType.BOOLEAN, "kind": "release", "off": "off", "default": "off", "owner": owner}
    for place, (key, value) in enumerate((("off", "false"), ("on", "true"))):
        texts |= {f"variant.{place}.key": key, f"variant.{place}.value": value}
    return filled(texts)


def variant_count(form: Form) -> int:
    """How many variant lines the form has."""
    return len(_places(form, "variant", "key"))


def read_variants(reader: Reader, flag_type: FlagType) -> tuple[FlagVariant, ...]:
    """The filled variant lines; each value is read in the flag's type."""
    found: list[FlagVariant] = []
    for place in _places(reader.form, "variant", "key"):
        key = reader.form.text(f"variant.{place}.key").strip()
        typed = reader.form.text(f"variant.{place}.value")
        if not key and not typed.strip():
            continue
        value = _read_value(typed, flag_type)
        if value is None:
            field = f"variants.{len(found)}.value"
            reader.problems.append(
                Problem(field, f"“{typed}” is no {flag_type} value. {_EXAMPLES[flag_type]}")
            )
            value = ""
        found.append(FlagVariant(key, value))
    return tuple(found)


_EXAMPLES = {
    FlagType.BOOLEAN: "Write true or false.",
    FlagType.NUMBER: "Write a number, such as 2.5.",
    FlagType.OBJECT: 'Write a JSON object, such as {"colour": "green"}.',
    FlagType.STRING: "",
}


def _read_value(typed: str, flag_type: FlagType) -> FlagValue | None:
    text = typed.strip()
    match flag_type:
        case FlagType.STRING:
            return typed
        case FlagType.BOOLEAN:
            return {"true": True, "false": False}.get(text.lower())
        case FlagType.NUMBER:
            return _number(text)
        case FlagType.OBJECT:
            return _object(text)


def _number(text: str) -> int | float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    if not math.isfinite(value):
        return None
    return int(text) if re.fullmatch(r"[+-]?\d+", text) else value


def _object(text: str) -> dict[str, object] | None:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def words_form(flag: Flag) -> Form:
    """A flag's words and variants as fields."""
    texts = {
        "name": flag.name, "description": flag.description, "owner": flag.owner, "kind": flag.kind,
    }  # fmt: skip
    for place, variant in enumerate(flag.variants):
        value = variant.value if isinstance(variant.value, str) else json.dumps(variant.value)
        texts |= {f"variant.{place}.key": variant.key, f"variant.{place}.value": value}
    return filled(texts)


def settings_form(settings: FlagSettings) -> Form:
    """The settings of one environment as fields."""
    texts = {"off": settings.off, "default": settings.default, **need_texts(settings.prerequisites)}
    for place, rule in enumerate(settings.rules):
        texts |= _rule_texts(rule, f"rule.{place}.")
    for place, override in enumerate(settings.overrides):
        at = f"override.{place}"
        texts |= {f"{at}.variant": override.variant, f"{at}.unit_type": override.unit_type}
        texts |= {f"{at}.units": "\n".join(override.units), f"{at}.segment": override.segment}
    return filled(texts)


def _rule_texts(rule: Rule, at: str) -> dict[str, str]:
    rollout = rule.rollout
    return {
        f"{at}id": rule.id,
        f"{at}description": rule.description,
        f"{at}variant": rollout.variant if rollout else rule.serve,
        f"{at}share": f"{rollout.parts_per_million / 10_000:g}" if rollout and not rollout.rings else "",
        f"{at}unit_type": rollout.unit_type if rollout else "",
        **clause_texts(rule.eligibility, at),
        **ring_texts(rollout.rings if rollout else (), at),
    }


def rule_places(form: Form) -> tuple[int, ...]:
    """The numbers of the rules in the form."""
    return _places(form, "rule", "variant")


def rule_clauses(form: Form) -> dict[int, int]:
    """How many condition lines each rule shows."""
    return {place: clause_count(form, f"rule.{place}.") for place in rule_places(form)}


def override_count(form: Form) -> int:
    """How many override lines to show: the filled ones and an empty one."""
    return sum(1 for place in _places(form, "override", "variant") if _is_filled(form, place)) + 1


def read_rules(reader: Reader) -> tuple[Rule, ...]:
    """The rules in their order."""
    return tuple(_read_rule(reader, f"rule.{place}.") for place in rule_places(reader.form))


def _read_rule(reader: Reader, at: str) -> Rule:
    form = reader.form
    share = reader.percent(f"{at}share", "The share")
    eligibility = read_condition(form, reader.problems, at)
    variant = form.text(f"{at}variant")
    named = {"id": form.text(f"{at}id"), "description": form.text(f"{at}description").strip()}
    rings = read_rings(reader, at)
    if share is None and not rings:
        return Rule(named["id"], eligibility, serve=variant, description=named["description"])
    parts = 0 if rings or share is None else round(share * 1_000_000)
    rollout = Rollout(variant, form.text(f"{at}unit_type"), parts, rings=rings)
    return Rule(named["id"], eligibility, rollout=rollout, description=named["description"])


def read_overrides(form: Form) -> tuple[Override, ...]:
    """The filled override lines."""
    found = []
    for place in _places(form, "override", "variant"):
        at = f"override.{place}"
        if not _is_filled(form, place):
            continue
        units = tuple(part for part in re.split(r"[\s,]+", form.text(f"{at}.units")) if part)
        segment = form.text(f"{at}.segment")
        unit_type = form.text(f"{at}.unit_type") if units else ""
        found.append(Override(form.text(f"{at}.variant"), unit_type, units, segment))
    return tuple(found)


def with_rule(form: Form, variant: str, unit_type: str) -> Form:
    """The form with one more rule at its end."""
    place = max(rule_places(form), default=-1) + 1
    fresh = {"id": "", "description": "", "variant": variant, "share": "", "unit_type": unit_type}
    return Form({**form.values, **{f"rule.{place}.{k}": (v,) for k, v in fresh.items()}}, form.problems)


def without_rule(form: Form, gone: int) -> Form:
    """The form with one rule taken out."""
    return _renumbered(form, [place for place in rule_places(form) if place != gone])


def with_rule_raised(form: Form, raised: int) -> Form:
    """The form with one rule moved a place up."""
    places = list(rule_places(form))
    at = places.index(raised) if raised in places else 0
    if at > 0:
        places[at - 1], places[at] = places[at], places[at - 1]
    return _renumbered(form, places)


def _renumbered(form: Form, order: Sequence[int]) -> Form:
    values = {name: typed for name, typed in form.values.items() if not name.startswith("rule.")}
    for fresh, place in enumerate(order):
        at = f"rule.{place}."
        values |= {
            f"rule.{fresh}.{name.removeprefix(at)}": typed
            for name, typed in form.values.items()
            if name.startswith(at)
        }
    return Form(values, form.problems)


def _is_filled(form: Form, place: int) -> bool:
    at = f"override.{place}"
    return bool(form.text(f"{at}.units").strip() or form.text(f"{at}.segment"))


def _places(form: Form, group: str, field: str) -> tuple[int, ...]:
    pattern = re.compile(rf"{group}\.(\d+)\.{field}")
    found: Iterable[re.Match[str] | None] = (pattern.fullmatch(name) for name in form.values)
    return tuple(sorted(int(match[1]) for match in found if match))
