"""How numbers, times and counts read on a page. Knows notation only, never what a number means."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta

NBSP = "\u00a0"
MINUS = "\u2212"
UNKNOWN = "unknown"
_CURRENCIES = frozenset("€$£¥₹")
_SMALLEST_SHOWN_P = 0.001
_LEAST_CHANCE = 0.001


def whole(count: int) -> str:
    """12,345."""
    return f"{count:,}"


def counted(count: int, noun: str, plural: str = "") -> str:
    """“1 unit”, “2 units”; `plural` for nouns that do not just take an s."""
    word = noun if count == 1 else plural or f"{noun}s"
    return f"{count:,}{NBSP}{word}"


def plain(value: float, digits: int = 4) -> str:
    """A number with so many significant digits and thousands separators."""
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    decimals = min(max(0, digits - 1 - magnitude), 8)
    text = f"{abs(value):,.{decimals}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return (MINUS if value < 0 else "") + text


def percent(share: float | None, decimals: int | None = None) -> str:
    """12.3 % of a share 0.123; without a number of decimals, at most one and only where it is needed."""
    if share is None:
        return UNKNOWN
    text = _with_sign(share * 100, 1 if decimals is None else decimals, plus=False)
    return (text.removesuffix(".0") if decimals is None else text) + f"{NBSP}%"


def chance(probability: float) -> str:
    """97.5 % of a probability 0.975; what is not certain never rounds to 0 or 100 %."""
    if probability > 1 - _LEAST_CHANCE:
        return f">{NBSP}{percent(1 - _LEAST_CHANCE)}"
    return f"<{NBSP}{percent(_LEAST_CHANCE)}" if probability < _LEAST_CHANCE else percent(probability)


def lift(share: float | None) -> str:
    """+6.1 % of a lift 0.061; small lifts get a second decimal."""
    if share is None:
        return UNKNOWN
    if share == 0:
        return f"0{NBSP}%"
    return _with_sign(share * 100, _lift_decimals(share), plus=True) + f"{NBSP}%"


def tick(share: float) -> str:
    """A lift on an axis: no more decimals than it needs."""
    return lift(round(share, 10)).replace(f".0{NBSP}", NBSP)


def lift_range(low: float | None, high: float | None) -> str:
    """“+2.9 % to +9.4 %”; an open end is named."""
    if low is None and high is None:
        return "no bound yet"
    start = "no lower bound" if low is None else lift(low)
    end = "no upper bound" if high is None else lift(high)
    return f"{start} to {end}"


def measure(value: float | None, display: str) -> str:
    """A metric's value in its own unit: 12.3 %, € 4.20, 180 ms."""
    if value is None:
        return UNKNOWN
    if display == "percent":
        return f"{plain(value * 100)}{NBSP}%"
    if display in {"number", ""}:
        return plain(value)
    if display in _CURRENCIES:
        sign = MINUS if value < 0 else ""
        return f"{sign}{display}{abs(value):,.2f}"
    return f"{plain(value)}{NBSP}{display}"


def difference(value: float | None, display: str) -> str:
    """A signed difference in the metric's own unit; of percentages, in percentage points."""
    if value is None:
        return UNKNOWN
    plus = "+" if value > 0 else ""
    if display == "percent":
        return f"{plus}{plain(value * 100, 3)}{NBSP}pp"
    if display in _CURRENCIES:
        return plus + measure(value, display)
    unit = "" if display in {"number", ""} else f"{NBSP}{display}"
    return f"{plus}{plain(value, 3)}{unit}"


def difference_range(low: float | None, high: float | None, display: str) -> str:
    """An interval of differences; an open end is named."""
    start = "no lower bound" if low is None else difference(low, display)
    end = "no upper bound" if high is None else difference(high, display)
    return f"{start} to {end}"


def p_value(p: float | None) -> str:
    """“< 0.001” or three decimals."""
    if p is None:
        return UNKNOWN
    return f"<{NBSP}0.001" if p < _SMALLEST_SHOWN_P else f"{p:.3f}"


def day(at: date | datetime) -> str:
    """3 Mar 2026."""
    return f"{at.day}{NBSP}{at:%b}{NBSP}{at.year}"


def short_day(at: date | datetime) -> str:
    """3 Mar."""
    return f"{at.day}{NBSP}{at:%b}"


def moment(at: datetime) -> str:
    """3 Mar 2026, 14:05 UTC."""
    return f"{day(at)}, {at:%H:%M}{NBSP}UTC"


def age(at: datetime, now: datetime) -> str:
    """How long ago, in the largest unit that fits."""
    seconds = (now - at).total_seconds()
    if seconds < 0:
        return "in " + span(timedelta(seconds=-seconds))
    return "just now" if seconds < 60 else f"{span(now - at)} ago"  # noqa: PLR2004  # a minute


def span(length: timedelta) -> str:
    """A length of time in the largest unit that fits."""
    minutes = int(length.total_seconds() // 60)
    for size, noun in ((60 * 24, "day"), (60, "hour"), (1, "minute")):
        if minutes >= size:
            return counted(minutes // size, noun)
    return "less than a minute"


def one_in(p: float | None) -> str:
    """A p-value as “1 in 25,000”, for people who do not read p-values."""
    if p is None:
        return UNKNOWN
    if p <= 1e-9:  # noqa: PLR2004  # beyond this the figure says nothing more
        return "less than 1 in a billion"
    if p > 0.5:  # noqa: PLR2004  # "1 in 1.3" reads badly
        return f"{p * 100:.0f}{NBSP}%"
    return f"1 in {float(f'{1 / p:.3g}'):,.0f}"


def _with_sign(value: float, decimals: int, *, plus: bool) -> str:
    text = f"{abs(value):,.{decimals}f}"
    if float(text.replace(",", "")) == 0:
        return text
    return (MINUS if value < 0 else "+" if plus else "") + text


def _lift_decimals(share: float) -> int:
    size = abs(share)
    return 2 if 0 < size < 0.01 else 1 if size < 1 else 0  # noqa: PLR2004  # 1 % and 100 %
