"""Reports and looks as JSON and back, strictly: what does not fit the type is not read, never filled up."""

from __future__ import annotations

import logging
from typing import TypeVar

import msgspec

T = TypeVar("T")
_log = logging.getLogger(__name__)


def to_json(value: object) -> object:
    """A frozen value as JSON-able objects."""
    return msgspec.to_builtins(value)


def from_json(document: object, kind: type[T]) -> T | None:
    """The value again; None when another release wrote it in a shape that this one does not know.

    What is kept here is made from events and can be made again, so the reader's answer is to do that.
    """
    try:
        return msgspec.convert(document, kind, strict=True)
    except msgspec.ValidationError as fault:
        _log.warning("a stored %s has another release's shape: %s", kind.__name__, fault)
        return None
