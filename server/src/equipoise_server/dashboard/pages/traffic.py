"""The traffic filter of a project as a page: rules in words, and the form of one more."""

from __future__ import annotations

from dataclasses import dataclass, replace

from equipoise_server.analysis.values import Operator, TrafficFilter, TrafficRule, TrafficTest
from equipoise_server.dashboard import words
from equipoise_server.dashboard.forms import Form, Reader, choice
from equipoise_server.foundation.ids import key_from_name
from equipoise_server.foundation.refusals import Problem

TESTS = (
    (TrafficTest.ATTRIBUTE.value, "an attribute of the unit"),
    (TrafficTest.EVENTS_PER_HOUR.value, "more events in an hour than"),
    (TrafficTest.EVENTS_PER_DAY.value, "more events on a day than"),
    (TrafficTest.HOURS_PER_DAY.value, "events in more hours of a day than"),
)
OPERATORS = (
    (Operator.IS.value, "is"),
    (Operator.CONTAINS.value, "contains"),
    (Operator.STARTS.value, "starts with"),
    (Operator.ENDS.value, "ends with"),
)
_COUNTED = {
    TrafficTest.EVENTS_PER_HOUR: "events in an hour",
    TrafficTest.EVENTS_PER_DAY: "events on one day (UTC)",
    TrafficTest.HOURS_PER_DAY: "hours of a day with events",
}


@dataclass(frozen=True, slots=True)
class RuleLine:
    """One rule in words."""

    key: str
    name: str
    says: str
    is_about_behaviour: bool


@dataclass(frozen=True, slots=True)
class TrafficPage:
    """The newest version, its rules, and what was typed of another one."""

    version: int
    changed: TrafficFilter | None
    rules: tuple[RuleLine, ...]
    form: Form
    may_edit: bool
    tests: tuple[tuple[str, str], ...] = TESTS
    operators: tuple[tuple[str, str], ...] = OPERATORS


def traffic_page(held: TrafficFilter | None, form: Form, *, may_edit: bool) -> TrafficPage:
    """The page of a project."""
    rules = () if held is None else tuple(_line(rule) for rule in held.rules)
    return TrafficPage(0 if held is None else held.version, held, rules, form, may_edit)


def rule_of(form: Form) -> tuple[TrafficRule, tuple[Problem, ...]]:
    """The rule that was typed; problems of typing that no rule could have."""
    reader = Reader(form)
    test = choice(TrafficTest, form.text("test"), TrafficTest.ATTRIBUTE)
    name = form.text("name").strip()
    rule = TrafficRule(form.text("key").strip() or key_from_name(name), name, test)
    if test is not TrafficTest.ATTRIBUTE:
        return replace(rule, most=reader.whole("most", "The limit")), tuple(reader.problems)
    values = tuple(value.strip() for value in form.text("values").split(",") if value.strip())
    operator = choice(Operator, form.text("operator"), Operator.IS)
    return replace(rule, attribute=form.text("attribute").strip(), operator=operator, values=values), ()


def _line(rule: TrafficRule) -> RuleLine:
    return RuleLine(rule.key, rule.name, _says(rule), rule.is_about_behaviour)


def _says(rule: TrafficRule) -> str:
    if rule.test is not TrafficTest.ATTRIBUTE:
        return f"more than {words.whole(rule.most or 0)} {_COUNTED[rule.test]}"
    operator = dict(OPERATORS)[rule.operator.value]
    return f"{rule.attribute} {operator} {' or '.join(f'“{value}”' for value in rule.values)}"
