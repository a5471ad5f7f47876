"""Curves over days: lift with its band, exposed units per arm, and the sample-ratio p-value."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import date

from markupsafe import Markup

from equipoise_server.dashboard import words
from equipoise_server.dashboard.charts.scale import Scale, padded, thinned, ticks
from equipoise_server.dashboard.charts.svg import drawing, element, marker, path
from equipoise_server.dashboard.charts.values import Canvas, Curve, Mark

_TOP, _BOTTOM, _RIGHT = 12, 28, 14
_P_FLOOR = 1e-8
Wording = Callable[[float], str]


def curves_over_time(
    curves: Sequence[Curve], canvas: Canvas, *, title: str, wording: Wording, left: int = 52
) -> Markup:
    """Curves over days from a shared zero, each with its band if its marks have one."""
    days = _days(curves)
    if not days:
        return Markup("")
    x = Scale(0, max(len(days) - 1, 1), left, canvas.width - _RIGHT)
    y = Scale(*_domain(curves), canvas.height - _BOTTOM, _TOP)
    parts = [*_value_axis(y, canvas, wording, left), *_day_axis(days, x, canvas)]
    parts.append(element("line", x1=left, x2=canvas.width - _RIGHT, y1=y.at(0), y2=y.at(0), cls="zero"))
    parts += [_band(curve, days, x, y) for curve in curves if curve.marks[0].low is not None]
    # Control last: its dashes let a treatment that runs along it shine through.
    for curve in sorted(curves, key=lambda each: -each.index):
        points = [(x.at(days.index(mark.day)), y.at(mark.value)) for mark in curve.marks]
        parts.append(element("path", d=path(points), cls=f"curve arm-{curve.index % 5} dash-{curve.index}"))
        parts.append(marker(curve.index, *points[-1], f"point fill-{curve.index % 5}"))
    parts += _hits(curves, days, x, canvas, wording)
    return drawing(title, _last_words(curves, wording), size=(canvas.width, canvas.height), parts=parts)


def p_over_time(marks: Sequence[Mark], canvas: Canvas, *, title: str, limits: tuple[float, float]) -> Markup:
    """The p-value on a logarithmic axis with the amber and the red line; lower is more alarming."""
    if not marks:
        return Markup("")
    left = 58
    days = sorted({mark.day for mark in marks})
    lowest = min(limits[1] / 10, *(mark.value for mark in marks))
    y = Scale(math.log10(max(lowest, _P_FLOOR)), 0, canvas.height - _BOTTOM, _TOP)
    x = Scale(0, max(len(days) - 1, 1), left, canvas.width - _RIGHT)
    parts = [*_day_axis(days, x, canvas)]
    for limit, cls in ((1.0, "grid"), (limits[0], "limit amber"), (limits[1], "limit")):
        at = y.at(math.log10(limit))
        parts.append(element("line", x1=left, x2=canvas.width - _RIGHT, y1=at, y2=at, cls=cls))
        label = cls.replace("limit", "limit-label") if limit < 1 else ""
        parts.append(element("text", f"{limit:g}", x=left - 8, y=at + 4, cls=f"end {label}".strip()))
    points = [(x.at(days.index(m.day)), y.at(math.log10(max(m.value, _P_FLOOR)))) for m in marks]
    parts.append(element("path", d=path(points), cls="curve arm-1"))
    parts.append(marker(1, *points[-1], "point fill-1"))
    parts += _hits([Curve("p-value", 1, tuple(marks))], days, x, canvas, words.p_value)
    last = words.p_value(marks[-1].value)
    description = f"Last p-value {last}; amber below {limits[0]:g}, locked below {limits[1]:g}"
    return drawing(title, description, size=(canvas.width, canvas.height), parts=parts)


def _days(curves: Sequence[Curve]) -> list[date]:
    return sorted({mark.day for curve in curves for mark in curve.marks})


def _domain(curves: Sequence[Curve]) -> tuple[float, float]:
    """Estimates in full; bands are cut where early, very wide ones would flatten everything else."""
    marks = [mark for curve in curves for mark in curve.marks]
    values = [mark.value for mark in marks]
    settled = marks[len(marks) // 3 :]
    ends = [end for mark in settled for end in (mark.low, mark.high) if end is not None]
    low, high = min(0.0, *values, *ends), max(0.0, *values, *ends)
    if low == 0.0 and not ends:
        return 0.0, high * 1.06 or 1.0
    return padded(low, high)


def _value_axis(y: Scale, canvas: Canvas, wording: Wording, left: int) -> Iterator[Markup]:
    for value in ticks(y.low, y.high, 4):
        at = y.at(value)
        yield element("line", x1=left, x2=canvas.width - _RIGHT, y1=at, y2=at, cls="grid")
        label = wording(round(value, 10)).replace(f".0{words.NBSP}", words.NBSP)
        yield element("text", label, x=left - 8, y=at + 4, cls="end")


def _day_axis(days: Sequence[date], x: Scale, canvas: Canvas) -> Iterator[Markup]:
    for place in thinned(len(days), 4 if canvas.is_narrow else 8):
        last_label = place == len(days) - 1 and len(days) > 1
        yield element(
            "text", words.short_day(days[place]), x=x.at(place), y=canvas.height - 8,
            cls="end" if last_label else "middle",
        )  # fmt: skip


def _band(curve: Curve, days: list[date], x: Scale, y: Scale) -> Markup:
    bounded = [m for m in curve.marks if m.low is not None and m.high is not None]
    upper = [(x.at(days.index(m.day)), y.at(m.high or 0.0)) for m in bounded]
    lower = [(x.at(days.index(m.day)), y.at(m.low or 0.0)) for m in reversed(bounded)]
    return element("path", d=path(upper + lower, close=True), cls=f"band fill-{curve.index % 5}")


def _hits(
    curves: Sequence[Curve], days: list[date], x: Scale, canvas: Canvas, wording: Wording
) -> Iterator[Markup]:
    """One invisible column a day that carries the day's words."""
    step = (x.end - x.start) / max(len(days) - 1, 1)
    for place, day in enumerate(days):
        lines = [words.day(day)]
        lines += [_mark_words(c.name, m, wording) for c in curves for m in c.marks if m.day == day]
        yield element(
            "rect", x=x.at(place) - step / 2, y=_TOP, width=step, height=canvas.height - _TOP - _BOTTOM,
            cls="hit", data_tip="\n".join(lines),
        )  # fmt: skip


def _mark_words(name: str, mark: Mark, wording: Wording) -> str:
    text = f"{name}: {wording(mark.value)}"
    if mark.low is not None and mark.high is not None:
        text += f" ({wording(mark.low)} to {wording(mark.high)})"
    return text


def _last_words(curves: Sequence[Curve], wording: Wording) -> str:
    return "; ".join(_mark_words(curve.name, curve.marks[-1], wording) for curve in curves)
