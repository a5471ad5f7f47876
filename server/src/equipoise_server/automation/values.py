"""What automation may do about evidence, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ReactionKind(StrEnum):
    """What automation does. Nothing here that a person could not do through the same action."""

    NOTHING = "nothing"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Reaction:
    """One decision of automation; the reason is "" when nothing is done. It names metrics, never numbers."""

    kind: ReactionKind
    reason: str = ""


NOTHING = Reaction(ReactionKind.NOTHING)
