"""Whatever an admin sends, the API answers with what was wrong; it never fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product

import pytest
from calling import caller
from django.db import transaction
from operations import DESCRIPTION, OPERATIONS, Operation, a_place
from scenes import a_shop

pytestmark = pytest.mark.django_db

WRITING = sorted((op for op in OPERATIONS.values() if op.body is not None), key=lambda op: op.id)
HOSTILE = (None, 2**63, "x" * 1_000, [None], {"segment": "staff"})


def places(operation: Operation) -> Iterator[tuple[str, ...]]:
    """Where a body has members, two levels deep."""
    schema = _resolved(operation.body)
    for name, inner in schema.get("properties", {}).items():
        yield (name,)
        yield from ((name, deeper) for deeper in _resolved(inner).get("properties", {}))


def _resolved(schema: object) -> dict[str, dict[str, object]]:
    assert isinstance(schema, dict)
    if "$ref" in schema:
        return _resolved(DESCRIPTION["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if "items" in schema:
        return _resolved(schema["items"])
    return _resolved(schema["anyOf"][0]) if "anyOf" in schema else schema


@pytest.mark.parametrize("operation", WRITING, ids=lambda operation: operation.id)
def test_no_body_makes_the_api_fail(operation: Operation) -> None:
    shop = a_shop()
    place, asking = a_place(shop), caller(shop.owner)
    body = place.body_of(operation)
    assert isinstance(body, dict)
    for (name, *deeper), value in product(places(operation), HOSTILE):
        inner = {deeper[0]: value} if deeper else value
        for sent in [inner, [inner]] if deeper else [inner]:
            with transaction.atomic():
                reply = place.send(asking, operation, {**body, name: sent})
                transaction.set_rollback(True)
            assert reply.status < 500, f"{name}={json.dumps(sent)[:80]}: {reply.text}"
