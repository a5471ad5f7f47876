"""Pictures over time: who holds which slots of a layer when, and which region has which variant when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby

from markupsafe import Markup

from equipoise_server.dashboard import words
from equipoise_server.dashboard.charts.scale import Scale, thinned
from equipoise_server.dashboard.charts.svg import drawing, element
from equipoise_server.dashboard.charts.values import Canvas, HeldSpan

SLOTS = 10_000
_LEFT, _TOP, _BOTTOM, _ROW = 44, 8, 26, 18
_DAY = timedelta(days=1)


def slot_calendar(
    spans: Sequence[HeldSpan], canvas: Canvas, *, title: str, since: datetime, until: datetime, now: datetime
) -> Markup:
    """Slots from bottom to top, time from left to right; the line is now, and what is pale is planned."""
    x = Scale(since.timestamp(), until.timestamp(), _LEFT, canvas.width - 2)
    y = Scale(0, SLOTS, canvas.height - _BOTTOM, _TOP)
    parts = [
        element("rect", x=_LEFT, y=_TOP, width=canvas.width - _LEFT - 2,
                height=canvas.height - _TOP - _BOTTOM, rx=4, cls="slot-free"),
    ]  # fmt: skip
    for share in (0, 50, 100):
        at = y.at(share * SLOTS / 100)
        parts.append(element("text", f"{share}{words.NBSP}%", x=_LEFT - 6, y=at + 4, cls="end"))
    holders = list(dict.fromkeys(span.holder for span in spans))
    for span in spans:
        index = 1 + holders.index(span.holder) % 4
        parts += [_held(part, x, y, index, now) for part in _before_and_after(span, now)]
    parts += _days(x, canvas, since, until)
    line = x.at(now.timestamp())
    parts.append(element("line", x1=line, x2=line, y1=_TOP, y2=canvas.height - _BOTTOM, cls="zero"))
    said = "; ".join(span.told for span in spans) or "nobody holds anything"
    return drawing(title, said, size=(canvas.width, canvas.height), parts=parts)


def _before_and_after(span: HeldSpan, now: datetime) -> tuple[HeldSpan, ...]:
    """What was held, and what is planned, which is drawn paler."""
    if not span.since < now < span.until:
        return (span,)
    return replace(span, until=now), replace(span, since=now)


def _held(span: HeldSpan, x: Scale, y: Scale, index: int, now: datetime) -> Markup:
    start, end = x.at(span.since.timestamp()), x.at(span.until.timestamp())
    top, bottom = y.at(span.end), y.at(span.first)
    ahead = " ahead" if span.since >= now else ""
    return element(
        "rect", x=start, y=top, width=max(end - start, 2.0), height=max(bottom - top, 2.0), rx=3,
        cls=f"slot fill-{index}{ahead}", data_tip=span.told,
    )  # fmt: skip


def _days(x: Scale, canvas: Canvas, since: datetime, until: datetime) -> list[Markup]:
    count = round((until - since) / _DAY)
    parts = []
    for place in thinned(count + 1, 4 if canvas.is_narrow else 8):
        at = since + place * _DAY
        anchor = "" if place == 0 else "end" if place == count else "middle"
        label = words.short_day(at)
        parts.append(element("text", label, x=x.at(at.timestamp()), y=canvas.height - 8, cls=anchor or None))
    return parts


def schedule_grid(
    rows: Mapping[str, str], canvas: Canvas, *, title: str, digit: str, starts_at: datetime, days: int
) -> Markup:
    """One line a region, one column a window; a filled cell has the treatment, an empty one the control."""
    height = _TOP + _ROW * len(rows) + _BOTTOM
    left = 96 if not canvas.is_narrow else 64
    windows = max(map(len, rows.values()), default=1)
    x = Scale(0, windows, left, canvas.width - 2)
    parts = []
    for place, (region, row) in enumerate(rows.items()):
        top = _TOP + _ROW * place
        label = region if len(region) <= left // 8 else region[: left // 8 - 1] + "…"
        parts.append(element("text", label, x=left - 6, y=top + 13, cls="end"))
        parts.append(
            element(
                "rect", x=left, y=top + 1, width=canvas.width - left - 2, height=_ROW - 3, cls="slot-free"
            )
        )
        parts += _runs(row, digit, x, top)
    parts += _days(
        Scale(starts_at.timestamp(), (starts_at + days * _DAY).timestamp(), left, canvas.width - 2),
        Canvas(canvas.width, height), starts_at, starts_at + days * _DAY,
    )  # fmt: skip
    said = f"{len(rows)} regions in {windows} windows each"
    return drawing(title, said, size=(canvas.width, height), parts=parts)


def _runs(row: str, digit: str, x: Scale, top: float) -> list[Markup]:
    parts, window = [], 0
    for held, group in groupby(row):
        length = len(list(group))
        if held == digit:
            start, end = x.at(window), x.at(window + length)
            parts.append(
                element("rect", x=start, y=top + 1, width=end - start, height=_ROW - 3, cls="fill-1")
            )
        window += length
    return parts
