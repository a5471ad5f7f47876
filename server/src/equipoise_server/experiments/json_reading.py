"""Reads the fields of one JSON object strictly and gathers their faults. Knows no product words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from math import isfinite
from typing import TypeVar

from equipoise_engine import canonical_json
from equipoise_server.foundation.refusals import Problem
from equipoise_server.foundation.texts import is_storable

Json = Mapping[str, object]
Word = TypeVar("Word", bound=StrEnum)
Item = TypeVar("Item")

_LARGEST_INTEGER = 2**53
_UNPLAIN = "must have plain texts and finite numbers only; remove NUL and half characters"


@dataclass(frozen=True, slots=True)
class Reader:
    """One object at a dotted path. A faulty field is noted and read as its default."""

    written: Json
    path: str
    problems: list[Problem]

    def allow(self, known: Iterable[str]) -> None:
        """Note every field that is not known."""
        for name in sorted(set(self.written) - set(known)):
            self._note(name, "is no field that is known here; leave it out")

    def text(self, name: str, default: str = "") -> str:
        """A text."""
        value = self.written.get(name, default)
        if not isinstance(value, str):
            return self._wrong(name, "must be a text", default)
        return value if is_storable(value) else self._wrong(name, _UNPLAIN, default)

    def integer(self, name: str, default: int) -> int:
        """A whole number."""
        value = self.written.get(name, default)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST_INTEGER:
            return value
        return self._wrong(name, "must be a whole number", default)

    def number(self, name: str, default: float) -> float:
        """A finite number."""
        value = self.written.get(name, default)
        if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
            return float(value)
        return self._wrong(name, "must be a number", default)

    def truth(self, name: str, *, default: bool) -> bool:
        """True or false."""
        value = self.written.get(name, default)
        return value if isinstance(value, bool) else self._wrong(name, "must be true or false", default)

    def instant(self, name: str) -> datetime | None:
        """An instant with its offset from UTC, or nothing."""
        value = self.written.get(name)
        if value is None:
            return None
        try:
            found = datetime.fromisoformat(value) if isinstance(value, str) else None
        except ValueError:
            found = None
        if found is None or found.tzinfo is None:
            return self._wrong(name, "must be an instant, such as 2026-03-02T00:00:00+00:00", None)
        return found

    def optional_number(self, name: str) -> float | None:
        """A finite number, or nothing."""
        return None if self.written.get(name) is None else self.number(name, 0.0)

    def optional_integer(self, name: str) -> int | None:
        """A whole number, or nothing."""
        return None if self.written.get(name) is None else self.integer(name, 0)

    def word(self, name: str, words: type[Word], default: Word) -> Word:
        """One word of a closed set."""
        value = self.written.get(name, default)
        if isinstance(value, str) and value in set(words):
            return words(value)
        return self._wrong(name, f"must be one of {', '.join(words)}", default)

    def plain_object(self, name: str) -> Json | None:
        """An object of plain JSON as it is, or nothing."""
        value = self.written.get(name)
        if value is not None and not isinstance(value, Mapping):
            return self._wrong(name, "must be an object", None)
        return value if _is_plain(value) else self._wrong(name, _UNPLAIN, None)

    def texts_by_key(self, name: str) -> dict[str, str]:
        """An object whose members are texts."""
        value = self.written.get(name, {})
        if not isinstance(value, Mapping) or not all(isinstance(text, str) for text in value.values()):
            return self._wrong(name, "must give each key a text", {})
        return dict(value) if _is_plain(dict(value)) else self._wrong(name, _UNPLAIN, {})

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        value = self.written.get(name, [])
        if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
            return self._wrong(name, "must be a list of texts", ())
        return tuple(value) if _is_plain(list(value)) else self._wrong(name, _UNPLAIN, ())

    def optional(self, name: str, read: Callable[[Reader], Item]) -> Item | None:
        """An object read by `read`, or nothing."""
        value = self.written.get(name)
        return None if value is None else self._object(name, value, read)

    def items(self, name: str, read: Callable[[Reader], Item]) -> tuple[Item, ...]:
        """A list of objects, each read by `read`."""
        value = self.written.get(name, [])
        if not isinstance(value, list | tuple):
            return self._wrong(name, "must be a list", ())
        found = [self._object(f"{name}.{index}", entry, read) for index, entry in enumerate(value)]
        return tuple(item for item in found if item is not None)

    def _object(self, name: str, value: object, read: Callable[[Reader], Item]) -> Item | None:
        if isinstance(value, Mapping):
            return read(Reader(value, f"{self.path}{name}.", self.problems))
        self._note(name, "must be an object")
        return None

    def _wrong(self, name: str, told: str, default: Item) -> Item:
        self._note(name, told)
        return default

    def _note(self, name: str, told: str) -> None:
        self.problems.append(Problem(f"{self.path}{name}", f"“{self.path}{name}” {told}."))


def _is_plain(value: object) -> bool:
    try:
        return b"\\u0000" not in canonical_json(value)
    except (ValueError, RecursionError):
        return False
