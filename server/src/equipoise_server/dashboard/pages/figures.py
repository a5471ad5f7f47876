"""A report's figures: each picture in two widths, its legend, and the same numbers as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

from markupsafe import Markup

from equipoise_server.analysis.values import ExposurePoint, Interval, LiftPoint, Srm
from equipoise_server.dashboard import words
from equipoise_server.dashboard.charts import (
    NARROW,
    WIDE,
    Canvas,
    Curve,
    ForestRow,
    Mark,
    curves_over_time,
    forest,
    p_over_time,
)

_Point = TypeVar("_Point")
SRM_LIMITS = (0.01, 0.001)


@dataclass(frozen=True, slots=True)
class Table:
    """The numbers of a figure, already as words."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """One chart for wide and for narrow columns, with its legend (name, arm index) and its table."""

    title: str
    wide: Markup
    narrow: Markup
    legend: tuple[tuple[str, int], ...] = ()
    table: Table | None = None


@dataclass(frozen=True, slots=True)
class ArmNames:
    """What arms are called and which colour and shape they have; the control is number 0."""

    names: Mapping[str, str]
    control: str

    def index(self, arm: str) -> int:
        """0 for the control, then 1, 2, … in the design's order."""
        if arm == self.control:
            return 0
        treatments = [key for key in self.names if key != self.control]
        return 1 + treatments.index(arm) if arm in treatments else len(treatments) + 1

    def name(self, arm: str) -> str:
        """What people call the arm."""
        return self.names.get(arm, arm)


def drawn(
    title: str,
    draw: Callable[[Canvas], Markup],
    *,
    legend: tuple[tuple[str, int], ...] = (),
    table: Table | None = None,
) -> Figure:
    """Draw the same picture for both widths."""
    return Figure(title, draw(WIDE), draw(NARROW), legend, table)


def forest_figure(rows: Sequence[ForestRow], title: str) -> Figure | None:
    """The forest plot of some rows; their table is the metric table beside it."""
    if not rows:
        return None
    return drawn(title, lambda canvas: forest(rows, canvas, title=title))


def lift_figure(points: Sequence[LiftPoint], arms: ArmNames, metric: str) -> Figure | None:
    """The OEC's cumulative lift with its interval, day by day."""
    known = [point for point in points if point.lift is not None]
    if len({point.day for point in known}) < 2:  # noqa: PLR2004  # one day is no curve
        return None
    curves = [
        Curve(arms.name(arm), arms.index(arm), tuple(map(_lift_mark, of_arm)))
        for arm, of_arm in _by_arm(known, lambda point: point.arm)
    ]
    title = f"Lift of {metric} so far, by day"
    rows = tuple(
        (words.day(p.day), arms.name(p.arm), words.lift(p.lift),
         words.lift_range(p.interval.low, p.interval.high) if p.interval else "no interval yet")
        for p in known
    )  # fmt: skip
    return drawn(
        title,
        lambda canvas: curves_over_time(curves, canvas, title=title, wording=words.lift, left=58),
        legend=tuple((curve.name, curve.index) for curve in curves),
        table=Table(("Day", "Variant", "Lift", "Interval"), rows),
    )


def exposures_figure(points: Sequence[ExposurePoint], arms: ArmNames) -> Figure | None:
    """Units exposed so far, by arm and day."""
    if len({point.day for point in points}) < 2:  # noqa: PLR2004  # one day is no curve
        return None
    curves = [
        Curve(arms.name(arm), arms.index(arm), tuple(Mark(p.day, p.units) for p in of_arm))
        for arm, of_arm in _by_arm(points, lambda point: point.arm)
    ]
    curves.sort(key=lambda curve: curve.index)
    title = "Units exposed so far, by day"
    rows = tuple((words.day(p.day), arms.name(p.arm), words.whole(p.units)) for p in points)
    return drawn(
        title,
        lambda canvas: curves_over_time(curves, canvas, title=title, wording=_units, left=64),
        legend=tuple((curve.name, curve.index) for curve in curves),
        table=Table(("Day", "Variant", "Units"), rows),
    )


def srm_figure(srm: Srm) -> Figure | None:
    """How the p-value of the sample-ratio test went."""
    if len(srm.history) < 2:  # noqa: PLR2004  # one point is no curve
        return None
    marks = [Mark(point.at, point.p_value) for point in srm.history]
    title = "Chance of a split this uneven, over time"
    rows = tuple((words.moment(point.at), words.p_value(point.p_value)) for point in srm.history)
    return drawn(
        title,
        lambda canvas: p_over_time(marks, canvas, title=title, limits=SRM_LIMITS),
        table=Table(("Checked", "p-value"), rows),
    )


def _lift_mark(point: LiftPoint) -> Mark:
    interval = point.interval or Interval(None, None)
    return Mark(point.day, point.lift or 0.0, interval.low, interval.high)


def _units(value: float) -> str:
    return words.whole(round(value))


def _by_arm(points: Sequence[_Point], arm_of: Callable[[_Point], str]) -> list[tuple[str, list[_Point]]]:
    """The points of each arm, in their order."""
    ordered = sorted(points, key=arm_of)
    return [(arm, list(group)) for arm, group in groupby(ordered, key=arm_of)]
