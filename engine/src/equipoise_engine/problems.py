"""Reads JSON objects member by member and notes every fault, with its place, instead of raising."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from sys import intern

from equipoise_engine.decisions import ErrorCode

_SALT = re.compile(r"[A-Za-z0-9._-]{1,64}")
_REQUIRED = object()


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a document.

    Attributes:
        path: JSON pointer (RFC 6901) to the faulty place.
        message: what is wrong and what would be right.
        code: PARSE_ERROR for a member of the wrong shape, GENERAL for one that makes no sense.
    """

    path: str
    message: str
    code: ErrorCode = ErrorCode.GENERAL

    def __str__(self) -> str:
        return f"{self.path or '/'}: {self.message}"


class SnapshotError(ValueError):
    """The document as a whole is unusable.

    Attributes:
        problems: every reason, as a sentence with its place.
        found: the same as values.
    """

    def __init__(self, found: Sequence[Problem]) -> None:
        self.found = tuple(found)
        self.problems = tuple(map(str, found))
        super().__init__("; ".join(self.problems))


def pointer(path: str, member: object) -> str:
    """Return the JSON pointer of a member below a path."""
    return f"{path}/{str(member).replace('~', '~0').replace('/', '~1')}"


class Reader:
    """One JSON object: hands out members of the right type and notes what is wrong.

    A wrong member reads as an empty value of its type, so that reading goes on and finds the rest.
    """

    __slots__ = ("members", "path", "problems")

    def __init__(self, node: object, path: str, problems: list[Problem], *, known: frozenset[str]) -> None:
        self.path = path
        self.problems = problems
        self.members: Mapping[str, object] = node if isinstance(node, dict) else {}
        if not isinstance(node, dict):
            self.malformed(None, f"must be an object, not {_name(node)}")
        for name in self.members.keys() - known:
            self.malformed(name, "is not a member that this version knows")

    def malformed(self, name: str | None, message: str) -> None:
        """Note a member of the wrong shape; None means the object itself."""
        self._note(name, message, ErrorCode.PARSE_ERROR)

    def senseless(self, name: str | None, message: str) -> None:
        """Note a member that can be read and makes no sense."""
        self._note(name, message, ErrorCode.GENERAL)

    def _note(self, name: str | None, message: str, code: ErrorCode) -> None:
        path = self.path if name is None else pointer(self.path, name)
        self.problems.append(Problem(path, message, code))

    def get(self, name: str) -> object:
        """Return a member as it is; an absent one and null are None."""
        return self.members.get(name)

    def text(self, name: str) -> str:
        """Return a required, non-empty text."""
        value = self.members.get(name, _REQUIRED)
        if isinstance(value, str) and value:
            return intern(str(value))  # keys come again and again
        self.malformed(name, f"must be a non-empty string, not {_name(value)}")
        return ""

    def salt(self, name: str) -> str:
        """Return a required salt."""
        value = self.members.get(name, _REQUIRED)
        if isinstance(value, str) and _SALT.fullmatch(value):
            return value
        self.malformed(name, "must be a salt: 1 to 64 of A-Z a-z 0-9 . _ -")
        return ""

    def truth(self, name: str) -> bool:
        """Return a boolean; an absent one is false."""
        value = self.members.get(name, False)
        if isinstance(value, bool):
            return value
        self.malformed(name, f"must be true or false, not {_name(value)}")
        return False

    def integer(self, name: str, low: int, high: int) -> int:
        """Return a required integer within bounds, both included."""
        value = self.members.get(name, _REQUIRED)
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self.malformed(name, f"must be an integer from {low:,} to {high:,}, not {_name(value)}")
        return low

    def array(self, name: str) -> list[object]:
        """Return an array; an absent one is empty."""
        value = self.members.get(name, [])
        if isinstance(value, list):
            return value
        self.malformed(name, f"must be an array, not {_name(value)}")
        return []

    def table(self, name: str) -> dict[str, object]:
        """Return an object whose keys are names; an absent one is empty."""
        value = self.members.get(name, {})
        if not isinstance(value, dict):
            self.malformed(name, f"must be an object, not {_name(value)}")
            return {}
        if not all(isinstance(key, str) for key in value):
            self.malformed(name, "must have strings as keys")
            return {}
        return value

    def texts(self, name: str) -> list[str]:
        """Return an array of texts; an absent one is empty."""
        values = self.array(name)
        texts = [value for value in values if isinstance(value, str)]
        if len(texts) != len(values):
            self.malformed(name, "must hold strings alone")
        return texts


def _name(value: object) -> str:
    """Return how a message calls a value, without quoting what may be large or secret."""
    if value is _REQUIRED:
        return "absent"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return str(value) if isinstance(value, float) or value.bit_length() <= 64 else "a number"  # noqa: PLR2004
    names: dict[type, str] = {str: "a string", list: "an array", dict: "an object"}
    return names.get(type(value), f"a {type(value).__name__}")
