"""What the page of a locked split says of a false alarm: whether it can be one, and who has signed so."""

from __future__ import annotations

from dataclasses import dataclass

from equipoise_server.analysis.actions import SIGNATURES
from equipoise_server.analysis.reads import FalseAlarm
from equipoise_server.analysis.values import Signature


@dataclass(frozen=True, slots=True)
class FalseAlarmPanel:
    """The way out of a lock besides a restart."""

    came: int
    needed: int
    obstacles: tuple[str, ...]
    """Why nobody may sign now; with none, two people may."""
    signatures: tuple[Signature, ...]
    is_signed: bool
    is_ended: bool
    """Two have signed, and the next report will have results."""
    may_sign: bool


def false_alarm_panel(found: FalseAlarm | None, *, may_decide: bool) -> FalseAlarmPanel | None:
    """The panel of a lock; None while there is none that could end so."""
    if found is None:
        return None
    obstacles = tuple(problem.message for problem in found.problems)
    is_ended = len(found.signatures) >= SIGNATURES
    return FalseAlarmPanel(
        found.came.units,
        found.came.needed,
        obstacles,
        found.signatures,
        found.is_signed,
        is_ended,
        may_sign=may_decide and not obstacles and not found.is_signed and not is_ended,
    )
