"""What may be published: each limit at its edge, and what clients read must be what was written."""

from __future__ import annotations

import random
from typing import Any

import pytest

from equipoise_engine import canonical_json, content_hash
from equipoise_server.snapshots.vetting import MOST_GZIPPED_BYTES, faults, sampled_contexts

Json = dict[str, Any]


def a_flag(**members: object) -> Json:
    """A flag that says grey."""
    return {"type": "string", "variants": {"grey": "grey"}, "off": "grey", "default": "grey", **members}


def a_document(flags: Json, **members: object) -> Json:
    """A snapshot with these flags."""
    made: Json = {
        "format": 1, "project": "shop", "environment": "production", "epoch": 1, "revision": 1,
        "default_unit_type": "user", "unit_types": ["user"], "killed": False, "groups": {}, "segments": {},
        "layers": {}, "experiments": {}, "flags": flags, **members,
    }  # fmt: skip
    return {**made, "hash": content_hash(made)}


def told(document: Json, body: bytes | None = None) -> list[str]:
    """What speaks against publishing it."""
    return [problem.message for problem in faults(document, body or canonical_json(document))]


def nested(levels: int) -> Json:
    """A condition with so many levels."""
    condition: Json = {"attribute": "a", "operator": "is_set"}
    for _ in range(levels - 1):
        condition = {"not": condition}
    return condition


def with_condition(condition: Json) -> Json:
    """A snapshot with a flag that asks for a condition."""
    return a_document({"one": a_flag(rules=[{"id": "r", "eligibility": condition, "serve": "grey"}])})


def with_flags(count: int) -> Json:
    """A snapshot with so many flags."""
    return a_document({f"flag-{number}": a_flag() for number in range(count)})


def with_variants(count: int) -> Json:
    """A snapshot with a flag that has so many variants."""
    variants = {"grey": "grey"} | {f"v{number}": str(number) for number in range(count - 1)}
    return a_document({"one": a_flag(variants=variants)})


def with_bytes(count: int) -> Json:
    """A snapshot whose values cannot be compressed to less than so many bytes."""
    noise = random.Random(1).randbytes(count // 2).hex()
    return a_document({"one": a_flag(variants={"grey": noise})})


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (with_flags(5_000), with_flags(5_001)),
        (with_variants(64), with_variants(65)),
        (with_condition(nested(16)), with_condition(nested(17))),
        (with_bytes(int(1.6 * MOST_GZIPPED_BYTES)), with_bytes(int(2.4 * MOST_GZIPPED_BYTES))),
    ],
    ids=["5,000 flags", "64 variants", "16 levels", "1 MB compressed"],
)
def test_a_limit_is_met_exactly(good: Json, bad: Json) -> None:
    assert told(good) == []
    assert len(told(bad)) == 1


def test_what_clients_read_must_be_what_was_written() -> None:
    document = a_document({"one": a_flag()})
    other = canonical_json(a_document({"one": a_flag(), "two": a_flag()}))
    assert told(document, canonical_json(document)) == []
    assert ["does not survive" in message for message in told(document, other)] == [True]


def test_flags_are_tried_with_what_their_conditions_ask_for() -> None:
    condition = {
        "any": [
            {"attribute": "country", "operator": "in", "values": ["DE", "FR"]},
            {"attribute": "age", "operator": "greater", "value": 40},
            {"attribute": "pro", "operator": "is_set"},
        ]
    }
    none, bare, first, last = sampled_contexts(with_condition(condition))
    assert (none, bare["attributes"]) == ({}, {})
    assert first["attributes"] == {"country": "DE", "age": 40, "pro": True}
    assert last["attributes"] == {"country": "FR", "age": 40, "pro": True}
