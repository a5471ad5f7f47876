"""What the decoder of events says of a fault, in the words of JSON and beginning with the member."""

from __future__ import annotations

import re

_PLACED = re.compile(r"(?P<told>.*?)(?: - at `\$(?P<path>[^`]*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<member>[^`]+)`")
_TYPES = {"int": "whole number", "float": "number", "str": "text", "bool": "true or false", "array": "list"}
_NAMED = re.compile(r"`([^`]+)`")


def fault_in_words(said: str) -> str:
    """`value: expected number or null, got text`, in place of msgspec's sentence and path."""
    placed = _PLACED.fullmatch(said)
    if placed is None:
        return said
    told, path = placed["told"], (placed["path"] or "").replace("[...]", "").strip(".")
    missing = _MISSING.fullmatch(told)
    if missing is not None:
        path, told = ".".join(filter(None, (path, missing["member"]))), "is missing"
    told = _NAMED.sub(lambda named: _plainly(named[1]), told)
    return f"{path}: {told[:1].lower()}{told[1:]}" if path else told


def _plainly(named: str) -> str:
    return " or ".join(_TYPES.get(part, part) for part in named.split(" | "))
