"""What a design's own traffic filter must be, and what is better said before the start. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from equipoise_server.experiments.design_checks import DesignFacts
from equipoise_server.experiments.traffic_rules import traffic_rule_problems
from equipoise_server.foundation.refusals import Problem


def traffic_faults(facts: DesignFacts) -> Iterator[Problem]:
    """Every rule says whom it leaves out. The project's own filter was checked when it was set."""
    yield from traffic_rule_problems(facts.design.traffic or (), "traffic")


def traffic_advice(facts: DesignFacts) -> str:
    """What a rule by behaviour may do to a result."""
    rules = [rule for rule in facts.design.traffic or () if rule.is_about_behaviour]
    if not rules:
        return ""
    named = ", ".join(f"“{rule.name}”" for rule in rules)
    return f"{named} looks at what units did after they met their variant, which the variant may change."
