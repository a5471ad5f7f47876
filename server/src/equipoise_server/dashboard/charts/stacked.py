"""Bars by day, each split into parts that add up; a small part is never too thin to be seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from equipoise_server.dashboard import words
from equipoise_server.dashboard.charts.scale import Scale, thinned, ticks
from equipoise_server.dashboard.charts.svg import drawing, element
from equipoise_server.dashboard.charts.values import Canvas, DayBar

_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 8, 10, 28
_THINNEST = 3.0
_WIDEST = 44.0


def bars_by_day(bars: Sequence[DayBar], canvas: Canvas, *, title: str, parts: Sequence[str]) -> Markup:
    """Draw the days from left to right; `parts` names what the counts of a bar are, from the bottom up."""
    highest = max((sum(bar.counts) for bar in bars), default=0)
    y = Scale(0, max(highest, 1) * 1.06, canvas.height - _BOTTOM, _TOP)
    drawn = [*_counts(y, canvas)]
    step = (canvas.width - _LEFT - _RIGHT) / max(len(bars), 1)
    for place, bar in enumerate(bars):
        drawn += _bar(bar, _LEFT + step * place, step, y)
        drawn.append(_hit(bar, parts, _LEFT + step * place, step, canvas))
    for place in thinned(len(bars), 4 if canvas.is_narrow else 8):
        label = words.short_day(bars[place].day)
        x = _LEFT + step * (place + 0.5)
        drawn.append(element("text", label, x=x, y=canvas.height - 8, cls="middle"))
    totals = [sum(bar.counts[index] for bar in bars) for index in range(len(parts))]
    said = "; ".join(f"{name} {words.whole(total)}" for name, total in zip(parts, totals, strict=True))
    return drawing(title, said, size=(canvas.width, canvas.height), parts=drawn)


def _counts(y: Scale, canvas: Canvas) -> Iterator[Markup]:
    for value in ticks(0, y.high, 4):
        if value == int(value):
            at = y.at(value)
            yield element("line", x1=_LEFT, x2=canvas.width - _RIGHT, y1=at, y2=at, cls="grid")
            yield element("text", words.whole(int(value)), x=_LEFT - 8, y=at + 4, cls="end")


def _bar(bar: DayBar, left: float, step: float, y: Scale) -> Iterator[Markup]:
    width = min(step * 0.7, _WIDEST)
    top = y.at(0)
    for index, count in enumerate(bar.counts):
        if count:
            height = max(y.at(0) - y.at(count), _THINNEST)
            top -= height
            yield element(
                "rect",
                x=left + (step - width) / 2,
                y=top,
                width=width,
                height=height,
                cls=f"fill-{index + 1}",
            )


def _hit(bar: DayBar, parts: Sequence[str], left: float, step: float, canvas: Canvas) -> Markup:
    lines = [
        words.day(bar.day),
        *(f"{name}: {words.whole(count)}" for name, count in zip(parts, bar.counts, strict=True)),
    ]
    height = canvas.height - _TOP - _BOTTOM
    return element("rect", x=left, y=_TOP, width=step, height=height, cls="hit", data_tip="\n".join(lines))
