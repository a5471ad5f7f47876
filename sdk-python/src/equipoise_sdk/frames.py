"""Reads server-sent events (WHATWG HTML, 9.2) and what ours mean. Pure; distrusts every byte."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

LARGEST_EVENT_BYTES = 2**16
LONGEST_RETRY_SECONDS = 60.0
_LINE_END = re.compile(rb"\r\n|\n|\r(?!\Z)")
_LEVELS = frozenset({"environment", "group", "flag", "experiment"})

Number = tuple[int, int]
"""Epoch and revision; later ones are greater."""


class BadFrame(Exception):
    """The stream does not say what ours say; it is left, and what serves stays."""


@dataclass(frozen=True, slots=True)
class Revision:
    """The environment is at this revision."""

    number: Number


@dataclass(frozen=True, slots=True)
class Kill:
    """From a revision on this is killed: a level (environment, group, flag, experiment) and its key."""

    level: str
    key: str
    number: Number


class Frames:
    """Takes bytes as they come; gives what they say once it is whole."""

    def __init__(self) -> None:
        self.retry_seconds: float | None = None
        self._rest = b""
        self._name = ""
        self._data: list[str] = []
        self._size = 0

    def feed(self, received: bytes) -> Iterator[Revision | Kill]:
        """Yield what became whole.

        Raises:
            BadFrame: when an event of ours is malformed, or anything is too long.
        """
        *lines, self._rest = _LINE_END.split(self._rest + received)
        for line in (*lines, self._rest):
            if len(line) > LARGEST_EVENT_BYTES:
                raise BadFrame("a line is too long")
        for line in lines:
            if line:
                self._take(*_field(line))
            elif (told := self._dispatch()) is not None:
                yield told

    def _take(self, field: str, value: str) -> None:
        if field == "event":
            self._name = value
        elif field == "data":
            self._size += len(value)
            if self._size > LARGEST_EVENT_BYTES:
                raise BadFrame("an event is too long")
            self._data.append(value)
        elif field == "retry" and value.isdecimal() and value.isascii():
            self.retry_seconds = min(int(value[:9]) / 1000, LONGEST_RETRY_SECONDS)

    def _dispatch(self) -> Revision | Kill | None:
        name, text = self._name, "\n".join(self._data)
        self._name, self._data, self._size = "", [], 0
        return _read(name, text) if name in {"revision", "kill"} else None


def _field(line: bytes) -> tuple[str, str]:
    try:
        name, _, value = line.decode().partition(":")
    except UnicodeDecodeError as cause:
        raise BadFrame("an event is not UTF-8") from cause
    return name, value.removeprefix(" ")


def _read(name: str, text: str) -> Revision | Kill | None:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as cause:
        raise BadFrame(f"a {name} is not JSON") from cause
    if not isinstance(content, dict):
        raise BadFrame(f"a {name} is not an object")
    number = (_count(content.get("epoch")), _count(content.get("revision")))
    if name == "revision":
        return Revision(number)
    level = content.get("level")
    if level not in _LEVELS:
        return None  # of a later server; its revision follows
    key = "" if level == "environment" else content.get(level)
    if not isinstance(key, str):
        raise BadFrame(f"a kill does not name its {level}")
    return Kill(level, key, number)


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadFrame("an event has no epoch and revision")
    return value
