"""What a wrong server, a captive portal, a broken disk or somebody hostile may give for a snapshot.

Each takes the true snapshot and returns the bytes of another. All that can be are sealed: they have the
hash that is true of them, so that no mutant is caught by its hash alone which could have had the right one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from equipoise_engine import content_hash

Document = dict[str, Any]
Mutant = Callable[[Document], bytes]


def sealed(document: Document) -> bytes:
    """Write a snapshot with the hash that is true of it."""
    bare = {member: value for member, value in document.items() if member != "hash"}
    return json.dumps({**bare, "hash": content_hash(bare)}).encode()


def _plain(document: object) -> bytes:
    return json.dumps(document).encode()


def _later(document: Document, **members: object) -> bytes:
    return sealed({**document, "revision": document["revision"] + 1, **members})


def _first_value_changed(document: Document) -> dict[str, Any]:
    flags = json.loads(json.dumps(document["flags"]))
    for flag in flags.values():
        flag["variants"] = dict.fromkeys(flag["variants"], "hostile")
    return dict(flags)


def _with_nulls(node: object) -> object:
    return dict.fromkeys(node) if isinstance(node, dict) else None


def _salts_redrawn(document: Document) -> bytes:
    text = json.dumps(document["experiments"]).replace('"salt": "', '"salt": "x')
    return _later(document, experiments=json.loads(text))


REFUSED_BY_ALL: dict[str, Mutant] = {
    "nothing": lambda _: b"",
    "captive_portal": lambda _: b"<html><body>Please sign in to the Wi-Fi.</body></html>",
    "not_utf8": lambda _: b"\xff\xfe\x00{",
    "cut_in_half": lambda document: _plain(document)[: len(_plain(document)) // 2],
    "a_list": lambda document: _plain([document]),
    "null": lambda _: b"null",
    "deeply_nested": lambda _: b"[" * 200_000,
    "sixty_megabytes": lambda document: _plain(document) + b" " * 60_000_000,
    "values_under_the_old_hash": lambda document: _plain(
        {**document, "revision": document["revision"] + 1, "flags": _first_value_changed(document)}
    ),
    "no_hash": lambda document: _plain({key: value for key, value in document.items() if key != "hash"}),
    "a_number_that_is_none": lambda document: sealed(document).replace(
        b'"revision": %d' % document["revision"], b'"revision": NaN'
    ),
    "format_of_the_future": lambda document: _later(document, format=2),
    "older_revision": lambda document: sealed(
        {**document, "revision": document["revision"] - 1, "flags": _first_value_changed(document)}
    ),
    "older_epoch": lambda document: _later(document, epoch=document["epoch"] - 1),
    "the_revision_with_other_values": lambda document: sealed(
        {**document, "flags": _first_value_changed(document)}
    ),
    "another_environment": lambda document: _later(document, environment="elsewhere"),
    "another_project": lambda document: _later(document, project="elsewhere"),
    "nulls_everywhere": lambda document: sealed(
        {member: _with_nulls(document[member]) for member in document}
    ),
    "revision_as_text": lambda document: sealed({**document, "revision": "99"}),
    "flags_as_a_list": lambda document: _later(document, flags=list(document["flags"])),
    "no_flags_at_all": lambda document: sealed(
        {key: value for key, value in document.items() if key not in {"flags", "revision"}}
        | {"revision": document["revision"] + 1}
    ),
    "unit_types_unknown": lambda document: _later(document, default_unit_type="nobody"),
}
"""Twenty-two that no client serves."""

REFUSED_BY_SIGNATURE: dict[str, Mutant] = {
    "flags_dropped": lambda document: _later(document, flags={}, experiments={}, layers={}),
    "values_swapped": lambda document: _later(document, flags=_first_value_changed(document)),
    "everything_killed": lambda document: _later(document, killed=True),
    "salts_redrawn": _salts_redrawn,
}
"""What looks like a change of the server's own: a client refuses it when it verifies signatures."""
