"""How a definition is written as JSON, strictly both ways, and the hash that says if two mean the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from equipoise_server.foundation.refusals import Invalid, Problem, refuse_all
from equipoise_server.metrics.values import (
    Aggregate,
    Align,
    Definition,
    Direction,
    Fact,
    Margin,
    MarginKind,
    MetricKind,
    Spread,
    Through,
    Touch,
    in_order,
)

Json = Mapping[str, object]
_LARGEST = 1e12
_FACT_FIELDS = {"event", "aggregate", "property", "where", "weights", "source"}
_DEFINITION_FIELDS = {
    "kind", "fact", "denominator", "window_seconds", "cap", "delay_seconds", "align", "steps", "quantile",
    "threshold", "answer", "within_seconds", "covariate_days", "over", "touches",
}  # fmt: skip


def definition_to_json(definition: Definition) -> dict[str, object]:
    """The definition, so that equal meanings are equal JSON; special fields only where set."""
    denominator = definition.denominator
    return {
        "kind": str(definition.kind),
        "fact": fact_to_json(definition.fact),
        "denominator": None if denominator is None else fact_to_json(denominator),
        "window_seconds": definition.window.total_seconds(),
        "cap": None if definition.cap is None else float(definition.cap),
        **_special_to_json(definition),
    }


def _special_to_json(definition: Definition) -> dict[str, object]:
    answer, within = definition.answer, definition.within
    special: dict[str, object] = {
        "delay_seconds": definition.delay.total_seconds() or None,
        "align": None if definition.align is Align.EXACT else str(definition.align),
        "steps": [fact_to_json(step) for step in definition.steps] or None,
        "quantile": definition.quantile,
        "over": None if definition.over is Spread.EVENTS else str(definition.over),
        "threshold": definition.threshold,
        "answer": None if answer is None else fact_to_json(answer),
        "within_seconds": None if within is None else within.total_seconds(),
        "covariate_days": definition.covariate_days,
        "touches": [_touch_to_json(touch) for touch in definition.touches] or None,
    }
    return {name: value for name, value in special.items() if value is not None}


def definition_from_json(written: Json) -> Definition:
    """The definition; an unknown field or word, or a wrong type, is refused with every other fault."""
    problems = _unknown_fields(written, _DEFINITION_FIELDS, "")
    read = _Reader(written, problems)
    kind = _word(written.get("kind"), MetricKind, "kind", problems)
    align = _word(written.get("align", "exact"), Align, "align", problems)
    over = _word(written.get("over", "events"), Spread, "over", problems)
    fact = _fact_from_json(written.get("fact"), "fact", problems)
    definition = {
        "denominator": read.fact("denominator"),
        "window": read.seconds("window_seconds", 7 * 86400),
        "cap": read.number("cap"),
        "delay": read.seconds("delay_seconds", 0),
        "steps": read.facts("steps"),
        "quantile": read.number("quantile"),
        "threshold": read.number("threshold"),
        "answer": read.fact("answer"),
        "within": read.seconds("within_seconds", None),
        "covariate_days": read.whole("covariate_days"),
        "touches": read.touches("touches"),
    }
    refuse_all(Invalid, problems)
    assert fact is not None
    words = {"align": Align(str(align)), "over": Spread(str(over))}
    return Definition(MetricKind(str(kind)), fact, **words, **definition)  # type: ignore[arg-type]  # each member was read as its field's type


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads members of one type each; what is absent is None, what is wrong is a problem."""

    written: Json
    problems: list[Problem]

    def number(self, field: str) -> float | None:
        value = self.written.get(field)
        return None if value is None else _number(value, field, self.problems)

    def whole(self, field: str) -> int | None:
        value = self.number(field)
        if value is not None and value != int(value):
            self.problems.append(Problem(field, f"“{field}” must be a whole number."))
        return None if value is None else int(value)

    def seconds(self, field: str, default: float | None) -> timedelta | None:
        value = self.written.get(field, default)
        number = None if value is None else _number(value, field, self.problems)
        return None if number is None else timedelta(seconds=number)

    def fact(self, field: str) -> Fact | None:
        value = self.written.get(field)
        return None if value is None else _fact_from_json(value, field, self.problems)

    def facts(self, field: str) -> tuple[Fact, ...]:
        value = self.written.get(field) or []
        if not isinstance(value, list):
            self.problems.append(Problem(field, f"“{field}” must be a list of facts."))
            return ()
        found = (_fact_from_json(one, f"{field}.{n}", self.problems) for n, one in enumerate(value))
        return tuple(fact for fact in found if fact is not None)

    def touches(self, field: str) -> tuple[Touch, ...]:
        value = self.written.get(field) or []
        if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
            self.problems.append(Problem(field, f"“{field}” must be a list of clicks and views."))
            return ()
        found = (_touch_from_json(one, f"{field}.{n}", self.problems) for n, one in enumerate(value))
        return in_order(touch for touch in found if touch is not None)


def semantic_hash(definition: Definition, direction: Direction) -> str:
    """Equal exactly when two versions mean the same."""
    meaning = {"definition": definition_to_json(definition), "direction": str(direction)}
    text = json.dumps(meaning, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def margin_to_json(margin: Margin | None) -> dict[str, object] | None:
    """A margin, or none."""
    return None if margin is None else {"kind": str(margin.kind), "value": margin.value}


def margin_from_json(written: Json | None) -> Margin | None:
    """A margin, or none; anything else is refused."""
    if written is None:
        return None
    problems = _unknown_fields(written, {"kind", "value"}, "")
    kind = _word(written.get("kind"), MarginKind, "kind", problems)
    value = _number(written.get("value"), "value", problems)
    refuse_all(Invalid, problems)
    assert value is not None
    return Margin(MarginKind(str(kind)), value)


def fact_to_json(fact: Fact) -> dict[str, object]:
    """One fact with every field that says something."""
    written: dict[str, object] = {
        "event": fact.event,
        "aggregate": str(fact.aggregate),
        "property": fact.property,
        "where": dict(sorted(fact.where.items())) if fact.where else {},
    }
    if fact.weights:
        written["weights"] = dict(sorted(fact.weights.items()))
    return {**written, "source": fact.source} if fact.source else written


def _fact_from_json(written: object, field: str, problems: list[Problem]) -> Fact | None:
    if not isinstance(written, Mapping):
        problems.append(Problem(field, f"“{field}” must say which events count."))
        return None
    problems += _unknown_fields(written, _FACT_FIELDS, f"{field}.")
    aggregate = _word(written.get("aggregate", "count"), Aggregate, f"{field}.aggregate", problems)
    event, name, source = (written.get(field, "") for field in ("event", "property", "source"))
    where, weights = written.get("where") or {}, written.get("weights") or {}
    if not isinstance(event, str) or not isinstance(name, str) or not isinstance(source, str):
        problems.append(Problem(field, f"“{field}.event”, “.property” and “.source” must be texts."))
    elif not _is_filter(where):
        problems.append(
            Problem(f"{field}.where", "A filter gives each property a text, a number or true/false.")
        )
    elif not _is_weighing(weights):
        problems.append(Problem(f"{field}.weights", "Weights give each text of the property a number."))
    elif aggregate is not None:
        return Fact(event, Aggregate(aggregate), name, where or None, weights or None, source)
    return None


def _touch_to_json(touch: Touch) -> dict[str, object]:
    return {
        "through": str(touch.through),
        "fact": fact_to_json(touch.fact),
        "within_seconds": touch.within.total_seconds(),
    }


def _touch_from_json(written: Json, path: str, problems: list[Problem]) -> Touch | None:
    problems += _unknown_fields(written, {"through", "fact", "within_seconds"}, f"{path}.")
    through = _word(written.get("through"), Through, f"{path}.through", problems)
    fact = _fact_from_json(written.get("fact"), f"{path}.fact", problems)
    within = _number(written.get("within_seconds"), f"{path}.within_seconds", problems)
    if through is None or fact is None or within is None:
        return None
    return Touch(Through(through), fact, timedelta(seconds=within))


def _is_weighing(weights: object) -> bool:
    return isinstance(weights, Mapping) and all(
        isinstance(text, str)
        and isinstance(weight, int | float)
        and not isinstance(weight, bool)
        and abs(weight) <= _LARGEST
        for text, weight in weights.items()
    )


def _is_filter(where: object) -> bool:
    return isinstance(where, Mapping) and all(
        isinstance(name, str) and isinstance(value, str | int | float | bool) for name, value in where.items()
    )


def _unknown_fields(written: Json, known: set[str], path: str) -> list[Problem]:
    return [
        Problem(f"{path}{name}", f"There is no field “{path}{name}”; leave it out.")
        for name in sorted(set(written) - known)
    ]


def _word(
    written: object,
    words: type[MetricKind | Aggregate | MarginKind | Align | Spread | Through],
    field: str,
    problems: list[Problem],
) -> str | None:
    known = [str(word) for word in words]
    if isinstance(written, str) and written in known:
        return written
    problems.append(Problem(field, f"“{written}” is no {field}; use one of {', '.join(known)}."))
    return None


def _number(written: object, field: str, problems: list[Problem]) -> float | None:
    if isinstance(written, int | float) and not isinstance(written, bool) and abs(written) <= _LARGEST:
        return float(written)
    problems.append(Problem(field, f"“{field}” must be a number."))
    return None
