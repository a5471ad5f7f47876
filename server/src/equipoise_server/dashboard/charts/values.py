"""What charts are drawn from: plain marks, curves and rows, already named in the reader's words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Canvas:
    """The drawing's own coordinate size; CSS scales it to its place."""

    width: int
    height: int

    @property
    def is_narrow(self) -> bool:
        """Whether labels must go above their marks instead of beside them."""
        return self.width < 480  # noqa: PLR2004  # a phone's column


WIDE = Canvas(760, 260)
NARROW = Canvas(340, 230)


class Tone(StrEnum):
    """What a mark says, also said in words beside it."""

    GOOD = "good"
    BAD = "bad"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One interval: its estimate and ends (None = unbounded), and a guardrail's margin if it has one."""

    label: str
    arm_index: int
    estimate: float | None
    low: float | None
    high: float | None
    text: str
    tone: Tone = Tone.QUIET
    margin: float | None = None
    higher_is_better: bool = True
    arm: str = ""
    """The treatment's name, where several are compared."""

    @property
    def full_label(self) -> str:
        """The metric and, where several are compared, the treatment."""
        return f"{self.label}, {self.arm}" if self.arm else self.label


@dataclass(frozen=True, slots=True)
class Mark:
    """One point of a curve on a day, with its band when it has one."""

    day: date
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """One arm's marks in order of days. `index` picks colour and dash; 0 is control."""

    name: str
    index: int
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class PlanPoint:
    """The smallest lift that can be found after so many weeks."""

    weeks: int
    mde: float


@dataclass(frozen=True, slots=True)
class SlotSpan:
    """A range of a layer's slots and who holds it."""

    first: int
    end: int
    holder: str
    href: str = ""


@dataclass(frozen=True, slots=True)
class HeldSpan:
    """Slots of a layer that somebody holds for some time, and the same in words."""

    first: int
    end: int
    since: datetime
    until: datetime
    holder: str
    told: str


@dataclass(frozen=True, slots=True)
class DayBar:
    """A day's counts, which add up."""

    day: date
    counts: tuple[int, ...]
