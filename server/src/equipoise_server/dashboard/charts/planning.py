"""The power curve: the smallest lift that can be found, by weeks of running."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from equipoise_server.dashboard import words
from equipoise_server.dashboard.charts.scale import Scale, ticks
from equipoise_server.dashboard.charts.svg import drawing, element, path
from equipoise_server.dashboard.charts.values import Canvas, PlanPoint

_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 16, 14, 42


def mde_by_week(
    points: Sequence[PlanPoint], canvas: Canvas, *, wanted: float | None, planned_weeks: float | None
) -> Markup:
    """Draw the curve with the wanted MDE as a line and the planned length as a marked week."""
    if not points:
        return Markup("")
    highest = max([point.mde for point in points] + ([wanted] if wanted else []))
    x = Scale(points[0].weeks, max(points[-1].weeks, points[0].weeks + 1), _LEFT, canvas.width - _RIGHT)
    y = Scale(0, highest * 1.1, canvas.height - _BOTTOM, _TOP)
    parts = []
    for value in ticks(0, y.high, 4):
        parts.append(
            element("line", x1=_LEFT, x2=canvas.width - _RIGHT, y1=y.at(value), y2=y.at(value), cls="grid")
        )
        parts.append(element("text", words.percent(value), x=_LEFT - 8, y=y.at(value) + 4, cls="end"))
    if wanted is not None:
        at = y.at(wanted)
        parts.append(element("line", x1=_LEFT, x2=canvas.width - _RIGHT, y1=at, y2=at, cls="limit"))
        label = f"your MDE {words.percent(wanted)}"
        parts.append(element("text", label, x=_LEFT + 4, y=at + 15, cls="limit-label"))
    curve = [(x.at(point.weeks), y.at(point.mde)) for point in points]
    parts.append(element("path", d=path(curve), cls="curve arm-1"))
    parts += [_week(point, place, planned_weeks, canvas) for point, place in zip(points, curve, strict=True)]
    label = "weeks of running"
    parts.append(element("text", label, x=(_LEFT + canvas.width) / 2, y=canvas.height - 6, cls="middle"))
    title = "Smallest lift you can find, by weeks of running"
    said = "; ".join(f"{words.counted(p.weeks, 'week')}: {words.percent(p.mde, 2)}" for p in points)
    return drawing(title, said, size=(canvas.width, canvas.height), parts=parts)


def _week(
    point: PlanPoint, place: tuple[float, float], planned_weeks: float | None, canvas: Canvas
) -> Markup:
    x, y = place
    chosen = planned_weeks is not None and abs(point.weeks - planned_weeks) < 0.5  # noqa: PLR2004
    tip = f"{words.counted(point.weeks, 'week')}: {words.percent(point.mde, 2)}"
    dot = element(
        "circle", cx=x, cy=y, r=6.5 if chosen else 4.0, cls=f"point {'chosen' if chosen else 'fill-1'}"
    )
    week = element("text", str(point.weeks), x=x, y=canvas.height - _BOTTOM + 18, cls="middle")
    height = canvas.height - _BOTTOM
    hit = element("rect", x=x - 16, y=_TOP, width=32, height=height, cls="hit", data_tip=tip)
    return element("g", [week, dot, hit])
