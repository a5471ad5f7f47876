"""Short words for building vectors."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

from authoring import murmur

Json = dict[str, Any]


def snapshot(**members: object) -> Json:
    """A document with the given members, and the flags given as "flags"."""
    document = {
        "format": 1,
        "project": "shop",
        "environment": "test",
        "epoch": 1,
        "revision": 7,
        "default_unit_type": "user",
        "unit_types": ["user", "account"],
        **members,
    }
    return copy.deepcopy(document)


def switch(**members: object) -> Json:
    """A boolean flag that is off unless something decides otherwise."""
    return {
        "type": "boolean",
        "variants": {"on": True, "off": False},
        "off": "off",
        "default": "off",
        **members,
    }


def button(**members: object) -> Json:
    """A string flag with three colours; killed it is "plain", by default it is "grey"."""
    return {
        "type": "string",
        "variants": {"plain": "#fff", "grey": "#888", "green": "#0a0", "blue": "#00a"},
        "off": "plain",
        "default": "grey",
        **members,
    }


def serve(variant: str, eligibility: object = None, rule: str = "r1") -> Json:
    return {"id": rule, "eligibility": eligibility, "serve": variant}


def rollout(variant: str, parts: int, *, salt: str = "rollsalt", rule: str = "r1", **more: object) -> Json:
    body = {"variant": variant, "unit_type": "user", "salt": salt, "parts_per_million": parts}
    return {"id": rule, "eligibility": None, "rollout": {**body, **more}}


def experiment(flag: str = "button", **members: object) -> Json:
    """A running 1:1 experiment on all slots of the layer "checkout": grey against green."""
    return {
        "iteration": 3,
        "layer": "checkout",
        "unit_type": "user",
        "state": "running",
        "killed": False,
        "eligibility": None,
        "slots": [[0, 10000]],
        "gate": None,
        "salt": "splitsalt",
        "control": "control",
        "variants": [
            {"key": "control", "weight": 1, "values": {flag: "grey"}},
            {"key": "treatment", "weight": 1, "values": {flag: "green"}},
        ],
        **members,
    }


LAYERS = {
    "checkout": {"salt": "layersalt", "unit_type": "user"},
    "accounts": {"salt": "accountsalt", "unit_type": "account"},
}


def trial(flag: Json | None = None, rest: Json | None = None, **members: object) -> Json:
    """A snapshot with one experiment, "trial", on the flag "button"."""
    return snapshot(
        layers=LAYERS,
        experiments={"trial": experiment(**members)},
        flags={"button": flag or button(experiments=["trial"])},
        **(rest or {}),
    )


def units(wanted: Callable[[str], bool], prefix: str = "u") -> Iterator[str]:
    """Yield the unit ids, u1, u2 …, that are as wanted."""
    return (unit for n in count(1) if wanted(unit := f"{prefix}{n}"))


def unit_in_arm(index: int, *, weights: tuple[int, ...] = (1, 1), salt: str = "splitsalt") -> str:
    return next(units(lambda unit: murmur.arm(murmur.share(salt, unit), list(weights)) == index))


def user(unit: object, **attributes: object) -> Json:
    return {"units": {"user": unit}, "attributes": attributes}


def expected(value: object, variant: str | None, reason: str, **more: object) -> Json:
    """What must come out; "metadata" names the members that must be there with these values."""
    return {
        "value": value,
        "variant": variant,
        "reason": reason,
        "error_code": None,
        "enrolment": None,
        **more,
    }


def failed(value: object, code: str, **more: object) -> Json:
    """The code default, with an error."""
    return {
        "value": value,
        "variant": None,
        "reason": "ERROR",
        "error_code": code,
        "enrolment": None,
        **more,
    }


def vector(name: str, document: Json, context: object, answer: Json, **more: object) -> Json:
    """One case; "flag" and "code_default" fit a document with one flag unless given."""
    (flag, *_) = document["flags"]
    kind = document["flags"][flag].get("type") if isinstance(document["flags"][flag], dict) else None
    default = {"boolean": False, "string": "code", "number": 0, "object": {}}.get(kind)
    case = {"name": name, "snapshot": document, "flag": flag, "context": context}
    return {**case, "code_default": default, **more, "expected": answer}


def enrolled(arm: str, unit: str, **more: object) -> Json:
    """The enrolment in "trial"."""
    place = {"experiment": "trial", "iteration": 3, "arm": arm, "unit_type": "user", "unit": unit}
    return {**place, "layer": "checkout", **more}
