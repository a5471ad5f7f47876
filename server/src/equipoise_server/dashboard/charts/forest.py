"""The forest plot: one interval a row on a common lift axis, with zero and each guardrail's margin drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from markupsafe import Markup

from equipoise_server.dashboard import words
from equipoise_server.dashboard.charts.scale import Scale, padded, ticks
from equipoise_server.dashboard.charts.svg import drawing, element, marker, path
from equipoise_server.dashboard.charts.values import Canvas, ForestRow

_ROW_WIDE, _ROW_NARROW = 42, 54
_LABEL_WIDTH, _TEXT_WIDTH = 214, 176
_AXIS_HEIGHT, _LABEL_HEIGHT = 30, 24
_TICK_HALF = 14
"""Half the width of a tick's label: closer to the right edge it ends at its tick."""
_LETTER, _NARROW_LETTER = 6.9, 6.2


def forest(rows: Sequence[ForestRow], canvas: Canvas, *, title: str) -> Markup:
    """Draw the rows. The canvas gives the width; the height follows from the rows."""
    row_height = _ROW_NARROW if canvas.is_narrow else _ROW_WIDE
    left, right = (8, canvas.width - 8) if canvas.is_narrow else (_LABEL_WIDTH, canvas.width - _TEXT_WIDTH)
    bottom = row_height * len(rows)
    scale = Scale(*drawn_range(rows), left, right)
    parts: list[Markup] = [_stripes(len(rows), row_height, canvas.width), *_axis(scale, bottom)]
    parts += _zero_line(scale, len(rows), row_height, is_narrow=canvas.is_narrow)
    for place, row in enumerate(rows):
        top = place * row_height
        middle = top + (row_height * 0.66 if canvas.is_narrow else row_height / 2)
        parts += _row(row, scale, (top, middle, row_height), canvas)
    parts += _points(rows, scale, row_height, is_narrow=canvas.is_narrow)
    return drawing(title, _description(rows), size=(canvas.width, bottom + _AXIS_HEIGHT), parts=parts)


def drawn_range(rows: Sequence[ForestRow]) -> tuple[float, float]:
    """Zero, estimates and margins in full; an interval's end far beyond them is cut and gets an arrow."""
    ends = [end for row in rows for end in (row.low, row.high, row.estimate, row.margin) if end is not None]
    if not ends:
        return -0.05, 0.05
    core = [abs(mark) for row in rows for mark in (row.estimate, row.margin) if mark is not None]
    reach = max(4 * median(abs(end) for end in ends), 1.4 * max(core, default=0.0)) or 0.05
    kept = [min(max(end, -reach), reach) for end in ends]
    return padded(min(0.0, *kept), max(0.0, *kept))


def _stripes(count: int, height: int, width: int) -> Markup:
    return element(
        "g",
        [
            element("rect", x=0, y=place * height, width=width, height=height, cls="stripe")
            for place in range(0, count, 2)
        ],
    )


def _zero_line(scale: Scale, rows: int, height: int, *, is_narrow: bool) -> Iterator[Markup]:
    """One line through all rows; where labels lie above the intervals, it leaves them alone."""
    x = scale.at(0)
    if not is_narrow:
        yield element("line", x1=x, x2=x, y1=0, y2=rows * height, cls="zero")
        return
    for place in range(rows):
        top = place * height + _LABEL_HEIGHT
        yield element("line", x1=x, x2=x, y1=top, y2=(place + 1) * height, cls="zero")


def _axis(scale: Scale, bottom: float) -> Iterator[Markup]:
    is_narrow = scale.start < _LABEL_WIDTH
    for value in ticks(scale.low, scale.high, 4 if is_narrow else 6):
        x = scale.at(value)
        yield element("line", x1=x, x2=x, y1=0, y2=bottom + 5, cls="grid")
        at_edge = is_narrow and scale.end - x < _TICK_HALF
        yield element("text", words.tick(value), x=x, y=bottom + 20, cls="end" if at_edge else "middle")


def _row(row: ForestRow, scale: Scale, place: tuple[float, float, float], canvas: Canvas) -> Iterator[Markup]:
    top, middle, height = place
    if row.margin is not None:
        above = _LABEL_HEIGHT if canvas.is_narrow else 3
        yield from _margin_zone(row, scale, top + above, height - above - 3)
    yield from _labels(row, top, middle, canvas)
    if row.estimate is None:
        yield element("text", "no interval yet", x=scale.at(0) + 8, y=middle + 4)
        return
    yield from _interval(row, scale, middle)
    yield element(
        "rect",
        x=0,
        y=top,
        width=canvas.width,
        height=height,
        cls="hit",
        data_tip=f"{row.full_label}\n{row.text}",
    )


def _labels(row: ForestRow, top: float, middle: float, canvas: Canvas) -> Iterator[Markup]:
    """Beside the interval where there is room, above it on phones; cut where there is none."""
    if canvas.is_narrow:
        room = canvas.width - 24 - len(row.text) * _NARROW_LETTER
        yield element("text", fitted(row.full_label, room), x=8, y=top + 18, cls="label")
        yield element("text", row.text, x=canvas.width - 8, y=top + 18, cls="value end")
        return
    room = _LABEL_WIDTH - 20
    lines = (fitted(row.label, room),) if row.arm else in_two_lines(row.label, room)
    above = 4 if row.arm else 7.5 * (len(lines) - 1)
    for place, line in enumerate(lines):
        yield element("text", line, x=12, y=middle + 4 - above + 15 * place, cls="label")
    if row.arm:
        yield element("text", fitted(row.arm, room), x=12, y=middle + 14)
    yield element("text", row.text, x=canvas.width - 10, y=middle + 4, cls="value end")


def fitted(text: str, room: float) -> str:
    """The text as far as it fits, judged by a usual letter's width."""
    letters = max(3, int(room / _LETTER))
    return text if len(text) <= letters else text[: letters - 1].rstrip() + "…"


def in_two_lines(text: str, room: float) -> tuple[str, ...]:
    """The text in one line if it fits, else broken at a space into two, the second as far as it fits."""
    letters = max(3, int(room / _LETTER))
    cut = text.rfind(" ", 0, letters + 1)
    if len(text) <= letters or cut < 0:
        return (fitted(text, room),)
    return text[:cut], fitted(text[cut + 1 :], room)


def _margin_zone(row: ForestRow, scale: Scale, top: float, height: float) -> Iterator[Markup]:
    """The side of the margin where the treatment would be worse than allowed."""
    line = scale.at(row.margin or 0.0)
    start, end = (scale.start, line) if row.higher_is_better else (line, scale.end)
    yield element("rect", x=start, y=top, width=max(end - start, 0.0), height=height, cls="margin-zone")
    yield element("line", x1=line, x2=line, y1=top, y2=top + height, cls="margin-line")


def _interval(row: ForestRow, scale: Scale, y: float) -> Iterator[Markup]:
    low, high = _end(row.low, scale.low), _end(row.high, scale.high)
    start, end = scale.at(low), scale.at(high)
    yield element("line", x1=start, x2=end, y1=y, y2=y, cls=f"span tone-{row.tone}")
    if row.low is None or row.low < scale.low:
        yield _arrow(start, y, -6, row)
    if row.high is None or row.high > scale.high:
        yield _arrow(end, y, 6, row)


def _end(value: float | None, edge: float) -> float:
    return edge if value is None else value


def _arrow(x: float, y: float, reach: int, row: ForestRow) -> Markup:
    tip = [(x + reach, y), (x, y - 5), (x, y + 5)]
    return element("path", d=path(tip, close=True), cls=f"tip-end tone-{row.tone}")


def _points(rows: Sequence[ForestRow], scale: Scale, row_height: int, *, is_narrow: bool) -> Iterator[Markup]:
    """The estimates, over everything else."""
    for place, row in enumerate(rows):
        if row.estimate is not None:
            y = place * row_height + row_height * (0.66 if is_narrow else 0.5)
            yield marker(row.arm_index, scale.at(row.estimate), y, f"point tone-{row.tone}")


def _description(rows: Sequence[ForestRow]) -> str:
    return "; ".join(f"{row.full_label}: {row.text}" for row in rows)
