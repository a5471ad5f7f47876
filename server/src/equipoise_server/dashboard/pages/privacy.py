"""Privacy of a project: what is kept for how long, and erasures with their proof. Names no unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from equipoise_server.access.values import Project
from equipoise_server.dashboard import words
from equipoise_server.dashboard.forms import Form, filled
from equipoise_server.events.values import MOST_ERASED_UNITS, Erasure, ErasureStep, Retention

_STEPS = {
    ErasureStep.BURY: "Stopping new events",
    ErasureStep.CONFIGURATION: "Cleaning flags and lists",
    ErasureStep.STORE: "Writing event files again",
    ErasureStep.INBOXES: "Cleaning the inboxes",
    ErasureStep.DERIVED: "Cleaning the sums",
    ErasureStep.LEFTOVERS: "Waiting for readers",
    ErasureStep.FREE_PAGES: "Overwriting free pages",
    ErasureStep.DONE: "Writing the proof",
}


@dataclass(frozen=True, slots=True)
class ErasureLine:
    """One erasure as its line tells it."""

    what: str
    asked_by: str
    asked_at: datetime
    is_done: bool
    state: str
    waits_for: str
    removed: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class PrivacyPage:
    """What the page shows, and what the person may do."""

    is_pseudonymised: bool
    unit_types: tuple[tuple[str, str], ...]
    most_units: str
    erasures: tuple[ErasureLine, ...]
    erase_form: Form
    may_erase: bool
    retention: Retention
    retention_form: Form
    may_set_retention: bool

    @property
    def kept(self) -> str:
        """How long raw events are kept, in words."""
        days = self.retention.event_days
        return "for ever" if days is None else f"for {words.counted(days, 'day')}"

    @property
    def dropped(self) -> str:
        """Up to which day raw events are gone; "" while none is."""
        through = self.retention.dropped_through
        return "" if through is None else f"Those up to {words.day(through)} are gone."


def erasure_lines(erasures: Sequence[Erasure]) -> tuple[ErasureLine, ...]:
    """The newest first."""
    return tuple(map(_line, erasures))


def retention_form(held: Retention) -> Form:
    """The form as it is filled before anybody types."""
    days = "" if held.event_days is None else str(held.event_days)
    return filled({
        "event_days": days, "quarantine_days": str(held.quarantine_days), "version": str(held.version),
    })  # fmt: skip


def unit_type_options(project: Project) -> tuple[tuple[str, str], ...]:
    """The usual one first."""
    usual = project.default_unit_type
    return tuple((one, one) for one in sorted(project.unit_types, key=lambda one: (one != usual, one)))


def most_units() -> str:
    """As people read it."""
    return words.whole(MOST_ERASED_UNITS)


def _line(one: Erasure) -> ErasureLine:
    is_done = one.finished_at is not None
    return ErasureLine(
        what=words.counted(one.asked, one.unit_type),
        asked_by=one.asked_by,
        asked_at=one.asked_at,
        is_done=is_done,
        state="Done" if is_done else _STEPS[one.step],
        waits_for=one.waits_for,
        removed=_removed(one.removed),
        fingerprint=one.fingerprint[:16],
    )


def _removed(removed: Mapping[str, int]) -> str:
    return ", ".join(f"{words.whole(count)} {place}" for place, count in removed.items())
