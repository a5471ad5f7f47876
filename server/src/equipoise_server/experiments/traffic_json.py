"""A design's own traffic filter as JSON: null has the project's, a list of rules stands in its place."""

from __future__ import annotations

from dataclasses import fields

from equipoise_server.experiments.json_reading import Reader
from equipoise_server.experiments.traffic_values import Operator, TrafficRule, TrafficTest


def traffic_to_json(rules: tuple[TrafficRule, ...] | None) -> list[dict[str, object]] | None:
    """The rules with every field."""
    return None if rules is None else [_rule_to_json(rule) for rule in rules]


def read_traffic(reader: Reader) -> tuple[TrafficRule, ...] | None:
    """The rules of a design; None where it has the project's."""
    return None if reader.written.get("traffic") is None else reader.items("traffic", _rule)


def _rule_to_json(rule: TrafficRule) -> dict[str, object]:
    return {
        "key": rule.key, "name": rule.name, "test": str(rule.test), "attribute": rule.attribute,
        "operator": str(rule.operator), "values": list(rule.values), "most": rule.most,
    }  # fmt: skip


def _rule(reader: Reader) -> TrafficRule:
    reader.allow(field.name for field in fields(TrafficRule))
    return TrafficRule(
        key=reader.text("key"),
        name=reader.text("name"),
        test=reader.word("test", TrafficTest, TrafficTest.ATTRIBUTE),
        attribute=reader.text("attribute"),
        operator=reader.word("operator", Operator, Operator.IS),
        values=reader.texts("values"),
        most=reader.optional_integer("most"),
    )
