"""Small drawings: a layer's slots, and the marks of legends."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from equipoise_server.dashboard import words
from equipoise_server.dashboard.charts.scale import Scale
from equipoise_server.dashboard.charts.svg import drawing, element, marker, path
from equipoise_server.dashboard.charts.values import Canvas, SlotSpan

SLOTS = 10_000


def slot_map(spans: Sequence[SlotSpan], canvas: Canvas, *, title: str) -> Markup:
    """A layer's 10,000 slots from left to right; what is not taken is free."""
    height = 46
    x = Scale(0, SLOTS, 0, canvas.width)
    parts = [element("rect", x=0.5, y=0.5, width=canvas.width - 1, height=height - 1, rx=5, cls="slot-free")]
    holders = list(dict.fromkeys(span.holder for span in spans))
    for span in spans:
        start, end = x.at(span.first), x.at(span.end)
        tip = f"{span.holder}: {words.percent((span.end - span.first) / SLOTS)} of the layer"
        index = 1 + holders.index(span.holder) % 4
        parts.append(
            element("rect", x=start, y=1, width=max(end - start, 2.0), height=height - 2, rx=4,
                    cls=f"slot fill-{index}", data_tip=tip)
        )  # fmt: skip
    for share in (0, 25, 50, 75, 100):
        anchor = "" if share == 0 else "end" if share == 100 else "middle"  # noqa: PLR2004  # the edges
        label = f"{share}{words.NBSP}%"
        parts.append(element("text", label, x=canvas.width * share / 100, y=height + 17, cls=anchor or None))
    taken = sum(span.end - span.first for span in spans) / SLOTS
    said = (
        "; ".join(f"{s.holder} {words.percent((s.end - s.first) / SLOTS)}" for s in spans) or "nothing taken"
    )
    return drawing(
        title, f"{words.percent(taken)} taken: {said}", size=(canvas.width, height + 22), parts=parts
    )


def legend_mark(index: int) -> Markup:
    """An arm's line and shape as a legend shows it."""
    parts = [
        element("path", d=path([(1, 8), (35, 8)]), cls=f"curve arm-{index % 5} dash-{index}"),
        marker(index, 18, 8, f"point fill-{index % 5}"),
    ]
    return element("svg", parts, cls="chart", viewBox="0 0 36 16", aria_hidden="true")
