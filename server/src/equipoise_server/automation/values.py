"""What automation may do about evidence, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ReactionKind(StrEnum):
    """What automation does. Nothing here that a person could not do through the same action."""

    NOTHING = "nothing"
    STOP = "stop"
    ROLL_BACK = "roll_back"
    KILL = "kill"


@dataclass(frozen=True, slots=True)
class Reaction:
    """One decision of automation; the reason is "" when nothing is done.

    About a report it names metrics, never numbers; about a health check, which decides nothing, both.
    """

    kind: ReactionKind
    reason: str = ""


NOTHING = Reaction(ReactionKind.NOTHING)
