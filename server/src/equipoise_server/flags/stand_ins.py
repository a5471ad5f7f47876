"""Empty lists in place of those that conditions name by address, where only the conditions are judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from equipoise_engine import Members

_EMPTY = Members(b"")


def stand_ins(conditions: object) -> Mapping[str, Members]:
    """An empty list for every address that conditions of the project's own segments name."""
    return dict.fromkeys(addresses_in(conditions), _EMPTY)


def addresses_in(node: object) -> frozenset[str]:
    """The addresses of all lists that a document or condition names, however deep."""
    return frozenset(_addresses(node))


def _addresses(node: object) -> Iterator[str]:
    if isinstance(node, list):
        for inner in node:
            yield from _addresses(inner)
    elif isinstance(node, Mapping):
        members = node.get("members")
        if isinstance(members, Mapping) and isinstance(members.get("blob"), str):
            yield members["blob"]
        for inner in node.values():
            yield from _addresses(inner)
