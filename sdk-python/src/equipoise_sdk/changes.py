"""Which flags a new snapshot may answer otherwise. Pure; may name one too many, never one too few."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

Document = Mapping[str, object]
_TABLES = ("segments", "groups", "layers", "holdouts", "experiments", "flags")
_WHOLE = ("killed", "unit_types", "default_unit_type", "project", "environment", "epoch")


def flags_changed(before: Document, after: Document) -> tuple[str, ...]:
    """Return the keys of flags that are new, gone, or defined otherwise, or that name something which is."""
    flags = {**_table(before, "flags"), **_table(after, "flags")}
    if any(before.get(member) != after.get(member) for member in _WHOLE):
        return tuple(flags)
    named: dict[str, frozenset[str]] = {}
    for _, key, entry in _entries(before, after):
        named[key] = named.get(key, frozenset()) | _named(entry)
    changed = {
        key
        for table, key, _ in _entries(before, after)
        if _table(before, table).get(key) != _table(after, table).get(key)
    }
    while reached := {key for key, names in named.items() if key not in changed and names & changed}:
        changed |= reached
    return tuple(key for key in flags if key in changed)


def _entries(*documents: Document) -> Iterator[tuple[str, str, object]]:
    for document in documents:
        for table in _TABLES:
            for key, entry in _table(document, table).items():
                yield table, key, entry


def _table(document: Document, name: str) -> Mapping[str, object]:
    table = document.get(name)
    return table if isinstance(table, Mapping) else {}


def _named(entry: object) -> frozenset[str]:
    """Return every text in an entry: whatever it refers to is among them."""
    texts, waiting = set(), [entry]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            texts.add(node)
        elif isinstance(node, Mapping):
            waiting += [*node.keys(), *node.values()]
        elif isinstance(node, list):
            waiting += node
    return frozenset(texts)
