"""What a simulation study answers: measured numbers beside the range they must lie in."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import SupportsFloat


@dataclass(frozen=True, slots=True)
class Row:
    """One measured number. A foil shows what goes wrong without the method."""

    name: str
    measured: float
    lowest: float
    highest: float
    is_foil: bool = False

    @property
    def passed(self) -> bool:
        """Whether the number lies in its range."""
        return self.lowest <= self.measured <= self.highest


@dataclass(frozen=True, slots=True)
class StudyResult:
    """All rows of one study."""

    title: str
    replications: int
    rows: tuple[Row, ...]

    @property
    def passed(self) -> bool:
        """Whether every number lies in its range."""
        return all(row.passed for row in self.rows)


def share(
    name: str,
    hits: Sequence[bool] | Sequence[float],
    expected: tuple[float, float],
    *,
    is_foil: bool = False,
) -> Row:
    """A share that must lie within three Monte Carlo errors of a range of expectations."""
    n = len(hits)
    found = sum(map(float, hits)) / n
    slack = [3 * math.sqrt(max(p * (1 - p), 1e-4) / n) for p in expected]
    return Row(name, found, expected[0] - slack[0], expected[1] + slack[1], is_foil)


def near(
    name: str, measured: SupportsFloat, expected: SupportsFloat, within: float, *, is_foil: bool = False
) -> Row:
    """A number that must lie so near to what is expected."""
    middle = float(expected)
    return Row(name, float(measured), middle - within, middle + within, is_foil)


def told(result: StudyResult, seconds: float) -> str:
    """The study as a few lines of text."""
    lines = [f"{result.title}: {result.replications} replications, {seconds:.1f} s"]
    for row in result.rows:
        mark = "ok  " if row.passed else "FAIL"
        kind = " (foil)" if row.is_foil else ""
        span = f"{row.lowest:.4g} to {row.highest:.4g}"
        lines.append(f"  {mark} {row.name}{kind}: {row.measured:.4g}, expected {span}")
    return "\n".join(lines)


def main(study: Callable[[int, int], StudyResult], replications: int, seed: int = 1) -> None:
    """Run one study at full size and say what came out."""
    started = time.process_time()
    result = study(replications, seed)
    sys.stdout.write(told(result, time.process_time() - started) + "\n")
    sys.exit(not result.passed)
