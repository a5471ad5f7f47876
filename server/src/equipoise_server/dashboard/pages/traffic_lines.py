"""Rules of a traffic filter as lines that people type: `Colleagues: internal is true`. Decides nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from equipoise_server.dashboard.forms import Reader
from equipoise_server.experiments.values import Design, Operator, TrafficRule, TrafficTest
from equipoise_server.foundation.ids import key_from_name
from equipoise_server.foundation.refusals import Problem

OPERATORS: Mapping[Operator, str] = {
    Operator.IS: "is",
    Operator.CONTAINS: "contains",
    Operator.STARTS: "starts with",
    Operator.ENDS: "ends with",
}
LIMITS: Mapping[TrafficTest, str] = {
    TrafficTest.EVENTS_PER_HOUR: "events an hour",
    TrafficTest.EVENTS_PER_DAY: "events a day",
    TrafficTest.HOURS_PER_DAY: "hours a day",
}
_PROJECTS, _NOBODY, _OWN = "project", "nobody", "own"
CHOICES = (
    (_PROJECTS, "As in the project", "the filter that holds at the start"),
    (_NOBODY, "Nobody leaves", "every unit counts"),
    (_OWN, "By its own rules", "in place of the project's"),
)
_COMPARES = re.compile(rf"(.*\S)\s+({'|'.join(OPERATORS.values())})\s+(\S.*)")
_LIMITS = re.compile(rf"more than ([0-9][0-9,]{{0,11}}) ({'|'.join(LIMITS.values())})")
_HOW = "write it like “Colleagues: internal is true” or “Too fast: more than 1,000 events an hour”."


def traffic_texts(design: Design) -> dict[str, str]:
    """The fields of a design."""
    own = design.traffic
    chosen = _PROJECTS if own is None else _OWN if own else _NOBODY
    return {"traffic": chosen, "traffic_rules": "\n".join(map(_line, own or ()))}


def read_traffic(reader: Reader, held: Sequence[TrafficRule] | None) -> tuple[TrafficRule, ...] | None:
    """What the fields say; a line that nobody touched keeps the rule that it was made of."""
    match reader.form.text("traffic", _PROJECTS):
        case "own":
            found = tuple(_rules(reader, {_line(rule): rule for rule in held or ()}))
        case "nobody":
            return ()
        case _:
            return None
    if not found and not reader.form.text("traffic_rules").strip():
        reader.problems.append(
            Problem("traffic", f"Its own rules: name at least one, or choose another; {_HOW}")
        )
    return found


def rule_words(rule: TrafficRule) -> str:
    """What a rule looks at."""
    if rule.test is not TrafficTest.ATTRIBUTE:
        return f"more than {rule.most or 0:,} {LIMITS[rule.test]}"
    return f"{rule.attribute} {OPERATORS[rule.operator]} {', '.join(rule.values)}"


def left_out_words(own: tuple[TrafficRule, ...] | None) -> str:
    """Who leaves the analysis of a design."""
    if own is None:
        return "whom the project's traffic filter leaves out"
    return "; ".join(map(_line, own)) if own else "nobody"


def _line(rule: TrafficRule) -> str:
    return f"{rule.name}: {rule_words(rule)}"


def _rules(reader: Reader, held: Mapping[str, TrafficRule]) -> Iterator[TrafficRule]:
    for line in filter(None, map(str.strip, reader.form.text("traffic_rules").splitlines())):
        rule = held.get(line) or _read(line)
        if rule is None:
            reader.problems.append(Problem("traffic", f"“{line}” is no rule; {_HOW}"))
        else:
            yield rule


def _read(line: str) -> TrafficRule | None:
    name, _, says = (part.strip() for part in line.partition(":"))
    key = key_from_name(name)
    limit, compared = _LIMITS.fullmatch(says), _COMPARES.fullmatch(says)
    if limit:
        test = next(test for test, called in LIMITS.items() if called == limit[2])
        return TrafficRule(key, name, test, most=int(limit[1].replace(",", "")))
    if compared:
        operator = next(one for one, called in OPERATORS.items() if called == compared[2])
        values = tuple(value.strip() for value in compared[3].split(",") if value.strip())
        return TrafficRule(key, name, TrafficTest.ATTRIBUTE, compared[1], operator, values)
    return None
