"""Keeps the entries of a snapshot's tables apart from the document until somebody asks for one.

Knows that they are JSON, not what they mean. Kept entries are small and nobody can change them.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterator, Mapping
from typing import Any

Kept = bytes | tuple[object]


class Definitions(Mapping[str, object]):
    """A table of JSON nodes by key; every look-up reads a node of its own."""

    __slots__ = ("_kept",)

    def __init__(self, table: Mapping[str, object]) -> None:
        self._kept: dict[str, Kept] = {key: _kept(node) for key, node in table.items()}

    def __getitem__(self, key: str) -> object:
        kept = self._kept[key]
        if isinstance(kept, bytes):
            return marshal.loads(kept)  # noqa: S302 - bytes that `_kept` wrote in this process
        (node,) = kept
        return node

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)


def _kept(node: Any) -> Kept:
    """Keep plain JSON as bytes; what is none, or nests too deep, stays as it is, to be refused when read."""
    try:
        return marshal.dumps(node)
    except ValueError:
        return (node,)
