"""Reads points in time: RFC 3339 text or epoch seconds → whole milliseconds since 1970. No clock."""

from __future__ import annotations

import math
import re

_RFC_3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2})))?"
)
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_EARLIEST_SECONDS = -62_167_219_200  # 0000-01-01T00:00:00Z
_LATEST_SECONDS = 253_402_300_799  # 9999-12-31T23:59:59Z


def milliseconds(value: object) -> int | None:
    """Return the instant of an RFC 3339 date-time or full-date, or of epoch seconds, else None.

    A full-date means its midnight in UTC; what is finer than a millisecond is cut off.
    """
    if isinstance(value, str):
        return _from_text(value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return math.floor(value * 1000) if _EARLIEST_SECONDS <= value <= _LATEST_SECONDS else None


def _from_text(text: str) -> int | None:
    match = _RFC_3339.fullmatch(text)
    if match is None:
        return None
    year, month, day = map(int, match.group(1, 2, 3))
    hour, minute, second, away_hours, away_minutes = (int(part or 0) for part in match.group(4, 5, 6, 9, 10))
    if not (1 <= month <= 12 and 1 <= day <= _days_in(year, month)):  # noqa: PLR2004 - a calendar
        return None
    if max(hour, away_hours) > 23 or max(minute, second, away_minutes) > 59:  # noqa: PLR2004 - a clock
        return None
    fraction = int(((match.group(7) or "") + "000")[:3])
    away = (away_hours * 60 + away_minutes) * (-1 if match.group(8) == "-" else 1)
    minutes = (_days_since_1970(year, month, day) * 24 + hour) * 60 + minute - away
    return (minutes * 60 + second) * 1000 + fraction


def _days_in(year: int, month: int) -> int:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 29 if leap and month == 2 else _MONTH_DAYS[month - 1]  # noqa: PLR2004 - February


def _days_since_1970(year: int, month: int, day: int) -> int:
    """Count days in the proleptic Gregorian calendar, with years that begin in March."""
    shifted = year - (month < 3)  # noqa: PLR2004 - March
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return shifted * 365 + shifted // 4 - shifted // 100 + shifted // 400 + of_year - 719_468
