"""Reports and looks as JSON and back, strictly: what does not fit the type is an error, never a default."""

from __future__ import annotations

from typing import TypeVar

import msgspec

T = TypeVar("T")


def to_json(value: object) -> object:
    """A frozen value as JSON-able objects."""
    return msgspec.to_builtins(value)


def from_json(document: object, kind: type[T]) -> T:
    """The value again; raises msgspec.ValidationError when it is not one."""
    return msgspec.convert(document, kind, strict=True)
