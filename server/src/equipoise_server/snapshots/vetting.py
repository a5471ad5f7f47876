"""Whether a new document may reach clients: the engine that ships in SDKs has the say."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping

from equipoise_engine import Reason, compile_snapshot, validate_snapshot
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
    return found or [*_evaluation_faults(document), *_size_faults(body)]


def _evaluation_faults(document: Mapping[str, object]) -> Iterator[Problem]:
    """Every flag must answer without an error for a few units and for none."""
    snapshot = compile_snapshot(document, stand_ins(document))
    unit_types = document["unit_types"]
    assert isinstance(unit_types, list)
    contexts: list[dict[str, object]] = [{}]
    contexts += [{"units": dict.fromkeys(unit_types, unit), "attributes": {}} for unit in SAMPLED_UNITS]
    for key in snapshot.flag_keys:
        for context in contexts:
            decision = snapshot.evaluate(key, context, None)
            if decision.reason is Reason.ERROR:
                yield Problem(f"flags.{key}", f"The flag cannot be evaluated: {decision.error_message}.")
                break


def _size_faults(body: bytes) -> Iterator[Problem]:
    if len(body) > MOST_GZIPPED_BYTES and len(gzip.compress(body, 6)) > MOST_GZIPPED_BYTES:
        told = "The configuration is larger than 1 MB compressed. Archive flags, or shorten lists of units."
        yield Problem("", told)


def is_large_growth(before: int, after: int) -> bool:
    """Whether a document grew so much that somebody should say that it is meant."""
    return after > before * GROWTH_RATIO and after - before > GROWTH_BYTES
