"""Whether a new document may reach clients: the engine that ships in SDKs has the say."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping

from equipoise_engine import Reason, canonical_json, compile_snapshot, content_hash, validate_snapshot
from equipoise_server.flags.reads import stand_ins
from equipoise_server.foundation.refusals import Problem

MOST_GZIPPED_BYTES = 1_000_000
GROWTH_RATIO = 1.5
GROWTH_BYTES = 20_000
SAMPLED_UNITS = ("sample-1", "sample-2", "sample-3")


def faults(document: Mapping[str, object], body: bytes) -> list[Problem]:
    """Everything that speaks against publishing a document; its body is its canonical JSON."""
    found = [
        Problem(fault.path.strip("/").replace("/", "."), fault.message)
        for fault in validate_snapshot(document, stand_ins(document))
    ]
    return found or [*_round_trip_faults(document, body), *_size_faults(body)]


def _round_trip_faults(document: Mapping[str, object], body: bytes) -> Iterator[Problem]:
    """What clients will read must be what was written, and every flag of it must answer without an error."""
    read = json.loads(body or canonical_json(dict(document)))
    if content_hash(read) != content_hash(dict(document)):
        yield Problem("", "The configuration does not survive being sent. Look for numbers beyond ±2⁵³.")
        return
    snapshot = compile_snapshot(read, stand_ins(document))
    contexts = list(sampled_contexts(read))
    for key in snapshot.flag_keys:
        for context in contexts:
            decision = snapshot.evaluate(key, context, None)
            if decision.reason is Reason.ERROR:
                yield Problem(f"flags.{key}", f"The flag cannot be evaluated: {decision.error_message}.")
                break


def sampled_contexts(document: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """No unit at all, and a few units: some without attributes, some with those that conditions ask for."""
    unit_types = document["unit_types"]
    assert isinstance(unit_types, list)
    yield {}
    first, last = (dict(_asked(document, place)) for place in (0, -1))
    for unit, attributes in zip(SAMPLED_UNITS, ({}, first, last), strict=True):
        yield {"units": dict.fromkeys(unit_types, unit), "attributes": attributes}


def _asked(node: object, place: int) -> Iterator[tuple[str, object]]:
    """The attributes that clauses name, each with a constant of its clause."""
    if isinstance(node, Mapping):
        values = node.get("values", [node.get("value", True)])
        if isinstance(node.get("attribute"), str) and isinstance(values, list) and values:
            yield str(node["attribute"]), values[place]
        for inner in node.values():
            yield from _asked(inner, place)
    elif isinstance(node, list):
        for inner in node:
            yield from _asked(inner, place)


def _size_faults(body: bytes) -> Iterator[Problem]:
    if len(body) > MOST_GZIPPED_BYTES and len(gzip.compress(body, 6)) > MOST_GZIPPED_BYTES:
        told = "The configuration is larger than 1 MB compressed. Archive flags, or shorten lists of units."
        yield Problem("", told)


def is_large_growth(before: int, after: int) -> bool:
    """Whether a document grew so much that somebody should say that it is meant."""
    return after > before * GROWTH_RATIO and after - before > GROWTH_BYTES
