"""What is wrong with the rules of a traffic filter. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from equipoise_server.experiments.traffic_values import TrafficRule, TrafficTest
from equipoise_server.foundation.ids import KEY_RULE, is_key
from equipoise_server.foundation.refusals import Problem
from equipoise_server.foundation.texts import LONGEST_NAME, text_problems

MOST_RULES = 20
MOST_VALUES = 100
LONGEST_VALUE = 200
HOURS_OF_A_DAY = 24


def traffic_rule_problems(rules: Sequence[TrafficRule], field: str = "rules") -> Iterator[Problem]:
    """Every fault of the rules, each with the field that it is about."""
    if len(rules) > MOST_RULES:
        yield Problem(field, f"A filter has at most {MOST_RULES} rules; join some of them.")
    keys = Counter(rule.key for rule in rules)
    yield from (
        Problem(field, f"“{key}” is the key of {n} rules; give each its own.")
        for key, n in keys.items()
        if n > 1
    )
    for place, rule in enumerate(rules):
        for problem in _problems(rule):
            yield Problem(f"{field}.{place}.{problem.field}", problem.message)


def _problems(rule: TrafficRule) -> Iterator[Problem]:
    if not is_key(rule.key):
        yield Problem("key", KEY_RULE)
    if not rule.name.strip():
        yield Problem("name", "Say in a few words who is left out, as reports shall call them.")
    yield from text_problems(LONGEST_NAME, name=rule.name)
    yield from _attribute_problems(rule) if rule.test is TrafficTest.ATTRIBUTE else _limit_problems(rule)


def _attribute_problems(rule: TrafficRule) -> Iterator[Problem]:
    if not rule.attribute:
        yield Problem("attribute", "Name the attribute on exposures that tells such units, e.g. “internal”.")
    yield from text_problems(LONGEST_VALUE, attribute=rule.attribute)
    if not rule.values or not all(rule.values):
        yield Problem("values", "Give at least one value, and no empty one; booleans are “true” and “false”.")
    if len(rule.values) > MOST_VALUES:
        yield Problem("values", f"At most {MOST_VALUES} values; use “contains” or “starts” for more.")
    for value in rule.values:
        yield from text_problems(LONGEST_VALUE, values=value)
    if rule.most is not None:
        yield Problem("most", "An attribute has no limit; leave it out.")


def _limit_problems(rule: TrafficRule) -> Iterator[Problem]:
    if rule.attribute or rule.values:
        yield Problem("attribute", "A rule about events reads no attribute; make it a rule of its own.")
    if rule.test is TrafficTest.HOURS_PER_DAY:
        if rule.most is None or not 0 < rule.most < HOURS_OF_A_DAY:
            yield Problem("most", "Give the hours of a day in which a person may be active, 1 to 23.")
    elif rule.most is None or rule.most < 1:
        yield Problem("most", "Give the number of events that a person may have, 1 or more.")
