"""A filled form: what was typed, and what was wrong with it. Input is never lost; all faults show at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from django.http import HttpRequest

from equipoise_server.foundation.refusals import Problem

_DIGITS = 9
_Choice = TypeVar("_Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Form:
    """Typed texts by field name, and the problems by field name ("" = the whole form)."""

    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def text(self, name: str, default: str = "") -> str:
        """What was typed into a field."""
        typed = self.values.get(name, ())
        return typed[-1] if typed else default

    def all(self, name: str) -> tuple[str, ...]:
        """Everything chosen in a field that allows several."""
        return tuple(self.values.get(name, ()))

    def version(self, name: str = "version") -> int:
        """The version that the form was filled from; anything unreadable is 0, which no row has."""
        return small_number(self.text(name)) or 0

    def wrong(self, name: str) -> tuple[str, ...]:
        """What is wrong with a field."""
        return tuple(problem.message for problem in self.problems if problem.field == name)

    def with_problems(self, problems: Sequence[Problem]) -> Form:
        """The same input, with what was found wrong."""
        return Form(self.values, (*self.problems, *problems))


def small_number(typed: str) -> int | None:
    """A whole number of at most nine digits, as addresses and hidden fields carry it."""
    return int(typed) if typed.isascii() and typed.isdecimal() and len(typed) <= _DIGITS else None


def choice(kind: type[_Choice], typed: str, otherwise: _Choice) -> _Choice:
    """The chosen member of a closed set; what no form offers counts as not chosen."""
    return kind(typed) if typed in set(kind) else otherwise


def filled(values: Mapping[str, str | Sequence[str]]) -> Form:
    """A form filled from stored facts."""
    return Form({k: (v,) if isinstance(v, str) else tuple(v) for k, v in values.items()})


def posted(request: HttpRequest) -> Form:
    """The form as a browser sent it."""
    return Form({key: tuple(request.POST.getlist(key)) for key in request.POST})


def asked(request: HttpRequest) -> Form:
    """The form in an address's query."""
    return Form({key: tuple(request.GET.getlist(key)) for key in request.GET})


@dataclass(slots=True)
class Reader:
    """Reads typed texts as numbers and gathers every fault on the way."""

    form: Form
    problems: list[Problem] = field(default_factory=list)

    def whole(self, name: str, what: str) -> int | None:
        """A whole number; empty is None."""
        text = _plain_number(self.form.text(name))
        if not text:
            return None
        try:
            return int(text)
        except ValueError:
            self.problems.append(Problem(name, f"{what} must be a whole number, such as 1000."))
            return None

    def number(self, name: str, what: str) -> float | None:
        """A number; empty is None."""
        text = _plain_number(self.form.text(name))
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if value != value or abs(value) == float("inf"):  # noqa: PLR0124  # the test for NaN
            self.problems.append(Problem(name, f"{what} must be a number, such as 2.5."))
            return None
        return value

    def percent(self, name: str, what: str) -> float | None:
        """A percentage as a share: “2.5” is 0.025."""
        value = self.number(name, what)
        # Rounded, because 11.2 / 100 is not the 0.112 that was typed.
        return None if value is None else round(value / 100, 12)


def _plain_number(text: str) -> str:
    return text.strip().removesuffix("%").strip().replace(",", "").replace("\u00a0", "").replace(" ", "")
