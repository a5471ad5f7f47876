"""Kills by break-glass as every page tells them: what is killed and the database has not heard of yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from equipoise_server.foundation import break_glass
from equipoise_server.foundation.break_glass import Level, Target, UnreadableFile


@dataclass(frozen=True, slots=True)
class StandingKill:
    """One kill that is served from the file alone."""

    number: int
    what: str
    by: str
    reason: str
    at: datetime


def standing_kills(project_key: str, environment_key: str) -> tuple[StandingKill, ...]:
    """The kills of an environment that its pages cannot know otherwise; none when the file cannot be read."""
    try:
        kills = break_glass.read(settings.DATA_DIRECTORY).of(project_key, environment_key)
    except (UnreadableFile, OSError):
        return ()
    return tuple(
        StandingKill(kill.number, _what(kill.target), kill.by, kill.reason, datetime.fromisoformat(kill.at))
        for kill in kills
        if kill.is_open and not kill.is_lifted
    )


def _what(target: Target) -> str:
    return "Everything" if target.level is Level.ENVIRONMENT else f"The {target.level} “{target.key}”"
