"""How the product says no: one exception with every fault at once; the doors translate it, nobody else."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault: the field it is about (dotted path, "" for the whole) and a sentence with the way out."""

    field: str
    message: str


class Refusal(Exception):
    """A command that was not carried out. Nothing has changed."""

    code = "refused"
    status = 400
    title = "The request was refused"

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems


class Invalid(Refusal):
    """The command itself is wrong; every fault is listed."""

    code = "invalid"
    status = 422
    title = "Some fields need attention"


class NotFound(Refusal):
    """The thing named does not exist, or not for this actor."""

    code = "not_found"
    status = 404
    title = "Not found"


class Forbidden(Refusal):
    """The actor lacks a permission."""

    code = "forbidden"
    status = 403
    title = "Not permitted"


class Conflict(Refusal):
    """The thing is in a state that does not allow this, or somebody changed it meanwhile."""

    code = "conflict"
    status = 409
    title = "This cannot be done now"


def refuse_all(kind: type[Refusal], problems: list[Problem]) -> None:
    """Raise one refusal that lists all problems; do nothing when there are none."""
    if problems:
        raise kind(*problems)
