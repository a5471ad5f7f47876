"""A snapshot with everything that flagd can and cannot say, and many units to compare answers for."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext

from equipoise_engine import Snapshot

Json = dict[str, Any]
DECIMAL = frozenset({"fee"})
LEFT_OUT = {"by-date", "by-clock", "by-large-list", "by-dotted", "lists", "needs-date"}


def _clause(attribute: str, operator: str, **constant: object) -> Json:
    return {"attribute": attribute, "operator": operator, **constant}


def _flag(rules: list[Json] | None = None, **members: object) -> Json:
    return {
        "type": "string", "variants": {"grey": "grey", "green": "green", "blue": "blue"},
        "off": "grey", "default": "grey", "rules": rules or [], **members,
    }  # fmt: skip


def _serve(condition: Json, number: int = 1) -> Json:
    return {"id": f"rule-{number}", "eligibility": condition, "serve": "green"}


def _experiment(layer: str, slots: list[list[int]], *flags: str, **members: object) -> Json:
    arms = [("control", "grey", 1), ("first", "green", 2), ("second", "blue", 1), ("nobody", "blue", 0)]
    return {
        "iteration": 1, "layer": layer, "unit_type": "user", "state": "running", "slots": slots,
        "gate": None, "salt": f"salt-{flags[0]}", "control": "control",
        "variants": [
            {"key": arm, "weight": weight, "values": dict.fromkeys(flags, variant)}
            for arm, variant, weight in arms
        ],
        **members,
    }  # fmt: skip


CONDITIONS = {
    "equals-text": _clause("country", "equals", value="DE"),
    "equals-one": _clause("age", "equals", value=1),
    "equals-true": _clause("pro", "equals", value=True),
    "in-texts": _clause("country", "in", values=["DE", "FR"]),
    "in-numbers": _clause("age", "in", values=[0, 1, 42]),
    "greater": _clause("age", "greater_or_equal", value=40),
    "less": _clause("age", "less", value=2.5),
    "starts": _clause("mail", "starts_with", values=["ada", "ñ"]),
    "ends": _clause("mail", "ends_with", values=["@example.com"]),
    "contains": _clause("mail", "contains", values=["@", "x"]),
    "version": _clause("app", "semver_greater_or_equal", value="1.10.0-beta.2"),
    "version-below": _clause("app", "semver_less", value="v2"),
    "is-set": _clause("age", "is_set"),
    "all": {"all": [_clause("country", "equals", value="DE"), {"not": _clause("pro", "equals", value=True)}]},
    "any": {"any": [_clause("country", "equals", value="FR"), {"segment": "team"}]},
    "everybody": {"all": []},
    "nobody": {"any": []},
    "named": {"members": {"unit_type": "user", "units": ["u", "u-2", 3]}},
}


ROLLOUT = {"variant": "blue", "unit_type": "user", "salt": "rolled", "parts_per_million": 333_333}


def _flags() -> Json:
    """Flags that can be said over there, by key."""
    rings = {
        "variant": "blue", "unit_type": "account", "salt": "ringed",
        "rings": [
            {"id": "team", "eligibility": {"segment": "team"}, "parts_per_million": 1_000_000},
            {"id": "all", "parts_per_million": 10_000},
        ],
    }  # fmt: skip
    flags: Json = {f"if-{name}": _flag([_serve(condition)]) for name, condition in CONDITIONS.items()}
    return flags | {
        "static": _flag(),
        "fee": {
            "type": "number", "variants": {"none": 0, "some": 2.5}, "off": "none", "default": "none",
            "rules": [{"id": "r", "serve": "some", "eligibility": _clause("pro", "equals", value=True)}],
        },
        "limit": {"type": "number", "variants": {"low": 1, "high": 100}, "off": "low", "default": "high"},
        "theme": {
            "type": "object", "variants": {"a": {"colour": "grey"}, "b": {"sizes": [1, 2]}}, "off": "a",
            "default": "a", "rules": [{"id": "r", "rollout": {**ROLLOUT, "variant": "b"}}],
        },
        "switch": {
            "type": "boolean", "variants": {"off": False, "on": True}, "off": "off", "default": "off",
            "rules": [{"id": "r", "rollout": {**ROLLOUT, "variant": "on"}}],
        },
        "killed": _flag([_serve({"all": []})], killed=True, off="blue"),
        "group-killed": _flag([_serve({"all": []})], groups=["dead"], off="blue"),
        "rolled": _flag([_serve(CONDITIONS["equals-text"]), {"id": "r2", "rollout": ROLLOUT}]),
        "ringed": _flag([{"id": "r", "rollout": rings, "eligibility": CONDITIONS["is-set"]}]),
        "button": _flag(
            [{"id": "r", "rollout": ROLLOUT}],
            experiments=["trial"],
            holdouts=[{"holdout": "h", "baseline": "grey"}],
            overrides=[
                {"variant": "blue", "unit_type": "user", "units": ["u-7"]},
                {"variant": "green", "segment": "team"},
            ],
        ),
        "joint": _flag(experiments=["trial", "launch"]),
        "nested": _flag(experiments=["inner"]),
        "stopped": _flag([_serve({"all": []})], experiments=["stopped"]),
        "clustered": _flag(experiments=["clustered"]),
    }  # fmt: skip


def _needy_flags() -> Json:
    """Flags that need others, and flags that cannot be said over there, by key."""
    return {
        "needs": _flag(
            [{"id": "r", "rollout": ROLLOUT}], prerequisites=[{"flag": "button", "variants": ["green"]}]
        ),
        "needs-dead": _flag(prerequisites=[{"flag": "killed", "variants": ["green"]}], off="blue"),
        "by-date": _flag([_serve(_clause("since", "before", value="2026-01-01"))]),
        "by-clock": _flag(experiments=["clock"]),
        "by-large-list": _flag(
            [_serve({"members": {"unit_type": "user", "blob": "0" * 64, "salt": "listed"}})]
        ),
        "by-dotted": _flag([_serve(_clause("a.b", "is_set"))]),
        "lists": {"type": "object", "variants": {"a": [1]}, "off": "a", "default": "a"},
        "needs-date": _flag(prerequisites=[{"flag": "by-date", "variants": ["green"]}]),
    }  # fmt: skip


def a_document() -> Json:
    """The snapshot."""
    return {
        "format": 1, "project": "shop", "environment": "production", "epoch": 3, "revision": 9,
        "default_unit_type": "user", "unit_types": ["user", "account"], "killed": False,
        "groups": {"dead": {"killed": True}},
        "segments": {"team": _clause("mail", "ends_with", values=["@shop.example"])},
        "layers": {
            "main": {"salt": "mainsalt", "unit_type": "user"},
            "inner": {
                "salt": "innersalt", "unit_type": "user",
                "domain": {"layer": "main", "slots": [[5000, 6000], [7000, 10_000]]},
            },
            "launch": {"salt": "launchsalt", "unit_type": "user", "launch": True},
            "accounts": {"salt": "accountsalt", "unit_type": "account"},
        },
        "holdouts": {
            "h": {"season": 1, "salt": "holdsalt", "unit_type": "user", "parts_per_million": 50_000},
        },
        "experiments": {
            "trial": _experiment(
                "main", [[0, 2500], [2500, 4000]], "button", "joint",
                gate={"salt": "gatesalt", "parts_per_million": 800_000},
                eligibility=CONDITIONS["in-texts"],
            ),
            "inner": _experiment("inner", [[0, 5000], [9000, 10_000]], "nested"),
            "launch": _experiment("launch", [[0, 10_000]], "joint"),
            "stopped": _experiment("main", [[4000, 5000]], "stopped", state="stopped"),
            "clustered": _experiment("accounts", [[1000, 9000]], "clustered", cluster_type="account"),
            "clock": {
                "iteration": 1, "layer": "main", "unit_type": "user", "state": "running",
                "slots": [[6000, 6100]], "control": "a", "variants": [
                    {"key": "a", "weight": 1, "values": {"by-clock": "grey"}},
                    {"key": "b", "weight": 1, "values": {"by-clock": "green"}},
                ],
                "switchback": {
                    "starts_at": "2026-01-01T00:00:00Z", "window_seconds": 3600,
                    "burn_in_seconds": 0, "schedule": {"region": "01"},
                },
            },
        },
        "flags": _flags() | _needy_flags(),
    }  # fmt: skip


def contexts(count: int, *, ascii_only: bool) -> Iterator[Json]:
    """Contexts as OpenFeature has them; the targetingKey and attributes may be missing."""
    drawn = random.Random(20_261_121)
    mails = ["ada@example.com", "bob@shop.example", "x", "ñandú@example.com", ""]
    versions = [
        "1.9.9",
        "1.10.0",
        "1.10.0-beta.2",
        "1.10.0-beta.11",
        "2.0.0",
        "v1.2",
        "3",
        "no version",
        "1.10.0+7",
    ]
    for number in range(count):
        context: Json = {}
        if number % 50:
            plain = drawn.choice(
                [f"u-{number}", f"{drawn.getrandbits(128):032x}", f"user-{number:040d}", "u"]
            )
            context["targetingKey"] = plain if ascii_only or number % 3 else f"ü-{number}-😀"
        if number % 7:
            context["account"] = f"account-{number % 900}"
        for name, values in (
            ("country", ["DE", "FR", "NL"]), ("age", [0, 1, 2, 2.5, 39, 40, 42]), ("pro", [True, False]),
            ("mail", mails), ("app", versions),
        ):  # fmt: skip
            if drawn.random() < 0.8:
                context[name] = drawn.choice(values)
        yield context


def answers(engine: Snapshot, keys: Sequence[str], context: Json) -> list[tuple[object, object]]:
    """Variants and values of our own engine, for a context as OpenFeature has it."""
    given = dict(context)
    unit = given.pop("targetingKey", None)
    units = {"account": given.get("account")} | ({} if unit is None else {"user": unit})
    decisions = [engine.evaluate(key, {"units": units, "attributes": given}, None) for key in keys]
    return [(decision.variant, decision.value) for decision in decisions]


def evaluated(core: FlagdCore, types: Mapping[str, str], context: Json) -> list[tuple[object, object]]:
    """Variants and values of flagd's evaluator."""
    resolve: Json = {
        "string": (core.resolve_string_value, "?"),
        "boolean": (core.resolve_boolean_value, False),
        "number": (core.resolve_float_value, -1.0),
        "object": (core.resolve_object_value, {}),
    }
    given = dict(context)
    asked = EvaluationContext(given.pop("targetingKey", None), given)
    found = [resolve[kind][0](key, resolve[kind][1], asked) for key, kind in types.items()]
    return [(details.variant, details.value) for details in found]
