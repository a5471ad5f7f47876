"""Vectors of conditions: clause, attribute, and whether the one holds for the other."""

from __future__ import annotations

from collections.abc import Iterator

from authoring.parts import Json, expected, serve, snapshot, switch, user, vector

ABSENT = object()


def clause(operator: str, value: object) -> Json:
    name = "values" if isinstance(value, list) else "value"
    return {"attribute": "a", "operator": operator, name: value}


# operator, constant, attribute, holds
CLAUSES: list[tuple[str, object, object, bool]] = [
    ("equals", "DE", "DE", True),
    ("equals", "DE", "de", False),
    ("equals", "DE", "DE ", False),
    ("equals", "DE", ABSENT, False),
    ("equals", "DE", None, False),
    ("equals", "DE", ["DE"], False),
    ("equals", "", "", True),
    ("equals", "é", "e\u0301", False),
    ("equals", "1", 1, False),
    ("equals", 1, "1", False),
    ("equals", 1, 1, True),
    ("equals", 1, 1.0, True),
    ("equals", 0.1, 0.1, True),
    ("equals", 1, True, False),
    ("equals", 0, False, False),
    ("equals", True, True, True),
    ("equals", True, False, False),
    ("equals", True, 1, False),
    ("equals", True, "true", False),
    ("equals", False, False, True),
    ("equals", False, ABSENT, False),
    ("equals", False, 0, False),
    ("in", ["DE", "AT"], "AT", True),
    ("in", ["DE", "AT"], "CH", False),
    ("in", ["DE", "AT"], "D", False),
    ("in", ["DE", "AT"], ABSENT, False),
    ("in", ["DE", "AT"], {"DE": 1}, False),
    ("in", [], "DE", False),
    ("in", [1, 2.5], 2.5, True),
    ("in", [1, 2.5], True, False),
    ("in", [1, 2.5], "1", False),
    ("in", [0], False, False),
    ("greater", 18, 18, False),
    ("greater", 18, 18.5, True),
    ("greater", 18, "19", False),
    ("greater", 0, True, False),
    ("greater", 18, ABSENT, False),
    ("greater_or_equal", 18, 18, True),
    ("greater_or_equal", 18, 17, False),
    ("greater_or_equal", -1.5, -1.5, True),
    ("less", 18, 17, True),
    ("less", 18, 18, False),
    ("less", 1, False, False),
    ("less", 18, None, False),
    ("less_or_equal", 18, 18, True),
    ("less_or_equal", 18, 18.01, False),
    ("less_or_equal", 0.3, 0.1, True),
    ("starts_with", ["pro-", "team-"], "team-7", True),
    ("starts_with", ["pro-", "team-"], "Team-7", False),
    ("starts_with", ["pro-"], 7, False),
    ("starts_with", [], "pro-", False),
    ("starts_with", [""], "x", True),
    ("ends_with", ["@example.org"], "ann@example.org", True),
    ("ends_with", ["@example.org"], "ann@example.organ", False),
    ("ends_with", ["@example.org"], ABSENT, False),
    ("contains", ["beta", "édit"], "crédit", True),
    ("contains", ["beta"], "alpha", False),
    ("contains", ["beta"], ["beta"], False),
    ("contains", ["😀"], "a😀b", True),
    ("semver_equals", "1.2.0", "1.2.0", True),
    ("semver_equals", "1.2.0", "v1.2", True),
    ("semver_equals", "v1", "1.0.0", True),
    ("semver_equals", "1.2.0", "1.2.0+build.5", True),
    ("semver_equals", "1.2.0", "1.2.0-rc.1", False),
    ("semver_equals", "1.2.0", "1.2.0.0", False),
    ("semver_equals", "1.2.0", "01.2.0", False),
    ("semver_equals", "1.2.0", 1.2, False),
    ("semver_equals", "1.2.0", " 1.2.0", False),
    ("semver_greater", "1.9.0", "1.10.0", True),
    ("semver_greater", "1.0.0", "1.0.0", False),
    ("semver_greater", "1.0.0-alpha", "1.0.0-alpha.1", True),
    ("semver_greater", "1.0.0-alpha.1", "1.0.0-alpha.beta", True),
    ("semver_greater", "1.0.0-alpha.beta", "1.0.0-beta", True),
    ("semver_greater", "1.0.0-beta.2", "1.0.0-beta.11", True),
    ("semver_greater", "1.0.0-beta.11", "1.0.0-rc.1", True),
    ("semver_greater", "1.0.0-rc.1", "1.0.0", True),
    ("semver_greater", "1.0.0", "latest", False),
    ("semver_greater", "1.0.0", "1.0.0-01", False),
    ("semver_greater_or_equal", "2", "2.0.0", True),
    ("semver_greater_or_equal", "2", "2.0.0-rc.1", False),
    ("semver_less", "2.0.0", "2.0.0-rc.1", True),
    ("semver_less", "2.0.0", "2.0.0", False),
    ("semver_less", "2.0.0", "", False),
    ("semver_less", "2.0.0", ABSENT, False),
    ("semver_less_or_equal", "2.0", "2.0.0", True),
    ("semver_less_or_equal", "2.0", "2.0.1", False),
    ("before", "2026-03-01T00:00:00Z", "2026-02-28T23:59:59.999Z", True),
    ("before", "2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z", False),
    ("before", "2026-03-01T00:00:00Z", "2026-03-01T01:30:00+02:00", True),
    ("before", "2026-03-01", "2026-02-28", True),
    ("before", "2026-03-01", "2026-02-30", False),
    ("before", "1970-01-02T00:00:00Z", 86399, True),
    ("before", "1970-01-02T00:00:00Z", 86400, False),
    ("before", "1970-01-02T00:00:00Z", True, False),
    ("before", "1970-01-01T00:00:00Z", -0.5, True),
    ("before", "2026-03-01T00:00:00Z", "yesterday", False),
    ("before", "2026-03-01T00:00:00Z", ABSENT, False),
    ("after", "2026-03-01T00:00:00Z", "2026-03-01T00:00:00.001z", True),
    ("after", "2026-03-01T00:00:00Z", "2026-03-01t00:00:00z", False),
    ("after", "2026-03-01T00:00:00Z", "2026-03-01 00:00:01Z", False),
    ("after", "2026-03-01T00:00:00Z", "2026-03-01T00:00:01", False),
    ("after", "2026-03-01T00:00:00Z", "2026-02-28T22:00:01-02:00", True),
    ("after", "2026-03-01T00:00:00Z", "2026-03-01T24:00:00Z", False),
    ("after", "2026-03-01T00:00:00Z", "2026-03-02T00:60:00Z", False),
    ("after", "2026-03-01T00:00:00Z", "2026-03-02T00:00:60Z", False),
    ("after", "2026-03-01T00:00:00Z", "2026-03-03T00:00:00+24:00", False),
    ("after", "2026-03-01T00:00:00Z", "2100-02-29", False),
    ("after", "2026-03-01T00:00:00Z", "2400-02-29", True),
    ("after", "2024-02-29T00:00:00Z", 1709164801, True),
    ("after", "2024-02-29T00:00:00Z", 1709164800, False),
    ("after", "2024-02-29T00:00:00Z", 1709164800.25, True),
    ("after", "2024-02-29T00:00:00Z", 1709164801000, False),
    ("after", "0001-01-01T00:00:00Z", "0001-01-01T00:00:01Z", True),
]

DE = {"attribute": "country", "operator": "in", "values": ["DE"]}
PRO = {"attribute": "plan", "operator": "equals", "value": "pro"}
SET = {"attribute": "a", "operator": "is_set"}


def negated(condition: Json, times: int) -> Json:
    return {"not": negated(condition, times - 1)} if times else condition


# condition, attributes, holds
TREES: list[tuple[str, Json, Json, bool]] = [
    ("all of true and true", {"all": [DE, PRO]}, {"country": "DE", "plan": "pro"}, True),
    ("all of true and false", {"all": [DE, PRO]}, {"country": "DE"}, False),
    ("all of one", {"all": [DE]}, {"country": "DE"}, True),
    ("all of nothing is true", {"all": []}, {}, True),
    ("any of false and true", {"any": [DE, PRO]}, {"plan": "pro"}, True),
    ("any of false and false", {"any": [DE, PRO]}, {}, False),
    ("any of nothing is false", {"any": []}, {}, False),
    ("not true", {"not": DE}, {"country": "DE"}, False),
    ("not of a missing attribute is true", {"not": DE}, {}, True),
    ("not of a wrong type is true", {"not": DE}, {"country": 49}, True),
    ("any in all", {"all": [DE, {"any": [PRO, SET]}]}, {"country": "DE", "a": ""}, True),
    ("a segment that holds", {"segment": "german"}, {"country": "DE"}, True),
    ("a segment that does not", {"segment": "german"}, {"country": "FR"}, False),
    ("a segment of segments", {"segment": "german-pro"}, {"country": "DE", "plan": "pro"}, True),
    ("not a segment of segments", {"not": {"segment": "german-pro"}}, {"country": "DE"}, True),
    ("sixteen levels, fifteen of them not", negated(DE, 15), {"country": "DE"}, False),
    ("sixteen levels over what does not hold", negated(DE, 15), {"country": "FR"}, True),
    ("is set: empty text", SET, {"a": ""}, True),
    ("is set: false", SET, {"a": False}, True),
    ("is set: zero", SET, {"a": 0}, True),
    ("is set: an empty list", SET, {"a": []}, True),
    ("is set: null", SET, {"a": None}, False),
    ("is set: absent", SET, {}, False),
    ("an attribute called __proto__", {"attribute": "__proto__", "operator": "is_set"}, {}, False),
    ("an attribute called constructor", {"attribute": "constructor", "operator": "is_set"}, {}, False),
]

SEGMENTS = {"german": DE, "german-pro": {"all": [{"segment": "german"}, PRO]}}


def vectors() -> Iterator[Json]:
    for operator, constant, attribute, holds in CLAUSES:
        attributes = {} if attribute is ABSENT else {"a": attribute}
        shown = "absent" if attribute is ABSENT else ascii(attribute)
        name = f"{shown} {operator} {constant!a} is {str(holds).lower()}"
        yield _case(name, clause(operator, constant), attributes, holds)
    for name, condition, attributes, holds in TREES:
        yield _case(name, condition, attributes, holds)


def _case(name: str, condition: Json, attributes: Json, holds: bool) -> Json:
    uses_segment = "segment" in str(condition)
    document = snapshot(
        **({"segments": SEGMENTS} if uses_segment else {}),
        flags={"switch": switch(rules=[serve("on", condition)])},
    )
    told = {"step": "rule", "rule": "r1"} if holds else {"step": "default"}
    answer = expected(True, "on", "TARGETING_MATCH") if holds else expected(False, "off", "DEFAULT")
    return vector(name, document, user("u1", **attributes), {**answer, "metadata": told})
