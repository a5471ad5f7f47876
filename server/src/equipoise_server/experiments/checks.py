"""How conditions of a move are listed: one table row each, judged all at once. Knows no condition itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from equipoise_server.experiments.values import Check
from equipoise_server.foundation.refusals import Problem

Facts = TypeVar("Facts")


@dataclass(frozen=True, slots=True)
class CheckRow(Generic[Facts]):
    """One condition: its key, the claim it makes, and a function that finds what is wrong with it."""

    key: str
    label: str
    faults: Callable[[Facts], Iterable[Problem]]
    advice: Callable[[Facts], str] | None = None


def judge(rows: Sequence[CheckRow[Facts]], facts: Facts) -> tuple[Check, ...]:
    """Every row's outcome, in the order of the table."""
    return tuple(_outcome(row, facts) for row in rows)


def faults_of(rows: Sequence[CheckRow[Facts]], facts: Facts) -> list[Problem]:
    """Every fault of every row."""
    return [problem for row in rows for problem in row.faults(facts)]


def _outcome(row: CheckRow[Facts], facts: Facts) -> Check:
    faults = tuple(row.faults(facts))
    return Check(
        key=row.key,
        label=row.label,
        passed=not faults,
        message=" ".join(dict.fromkeys(problem.message for problem in faults)),
        field=faults[0].field if faults else "",
        advice="" if faults or row.advice is None else row.advice(facts),
    )
