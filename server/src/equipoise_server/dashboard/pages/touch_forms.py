"""Clicks and views in the form of a metric: one a line, with the days that hold for all that say no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from equipoise_server.dashboard.forms import Reader
from equipoise_server.dashboard.pages.fact_lines import fact_line, read_fact
from equipoise_server.metrics.values import PRESETS, Through, Touch, in_order

_DAY = timedelta(days=1)
_LONGEST_DAYS = 10_000.0
_OWN = re.compile(r"(.*\S)\s+within\s+([0-9]{1,6}(?:\.[0-9]{1,9})?)\s*(d|h|m|s)")
"""`banner_clicked within 12h`: a line that says its own length."""
_UNITS = {"d": _DAY, "h": timedelta(hours=1), "m": timedelta(minutes=1), "s": timedelta(seconds=1)}


def touch_fields(touches: tuple[Touch, ...]) -> dict[str, str]:
    """The touches as fields; without any, the lengths of the presets."""
    fields: dict[str, str] = {}
    for through, usual in PRESETS.values():
        mine = [touch for touch in touches if touch.through is through]
        within = mine[0].within if mine else usual
        fields[f"{through}s"] = "\n".join(_line(touch, within) for touch in mine)
        fields[f"{through}_days"] = f"{within / _DAY:.10g}"
    return fields


def read_touches(reader: Reader) -> tuple[Touch, ...]:
    """The touches that the fields say."""
    return in_order(touch for through in Through for touch in _read(reader, through))


def _read(reader: Reader, through: Through) -> Iterator[Touch]:
    days = reader.number(f"{through}_days", f"The days after a {through}")
    usual = min(max(days or 0.0, -1.0), _LONGEST_DAYS) * _DAY
    for line in reader.form.text(f"{through}s").splitlines():
        if line.strip():
            name, bar, wanted = line.partition("|")
            own = _OWN.fullmatch(name.strip())
            within = float(own[2]) * _UNITS[own[3]] if own else usual
            yield Touch(through, read_fact(f"{own[1] if own else name}{bar}{wanted}"), within)


def _line(touch: Touch, usual: timedelta) -> str:
    """Its own length where it is another, or where its name could be read as one."""
    is_plain = touch.within == usual and not _OWN.fullmatch(touch.fact.event)
    return fact_line(touch.fact, after_name="" if is_plain else f" within {_length(touch.within)}")


def _length(length: timedelta) -> str:
    """In the largest unit that it is a whole number of."""
    name = next((name for name, unit in _UNITS.items() if not length % unit), "s")
    return f"{length / _UNITS[name]:.10g}{name}"
