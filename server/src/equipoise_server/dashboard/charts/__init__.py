"""Charts as SVG text: values in, markup out. Colours live in charts.css; nothing here knows a room."""

from __future__ import annotations

from equipoise_server.dashboard.charts.calendars import schedule_grid, slot_calendar
from equipoise_server.dashboard.charts.forest import forest
from equipoise_server.dashboard.charts.over_time import curves_over_time, p_over_time
from equipoise_server.dashboard.charts.planning import mde_by_week
from equipoise_server.dashboard.charts.small import legend_mark, slot_map
from equipoise_server.dashboard.charts.stacked import bars_by_day
from equipoise_server.dashboard.charts.values import (
    NARROW,
    WIDE,
    Canvas,
    Curve,
    DayBar,
    ForestRow,
    HeldSpan,
    Mark,
    PlanPoint,
    SlotSpan,
)

__all__ = [
    "NARROW", "WIDE", "Canvas", "Curve", "DayBar", "ForestRow", "HeldSpan", "Mark", "PlanPoint", "SlotSpan",
    "bars_by_day", "curves_over_time", "forest", "legend_mark", "mde_by_week", "p_over_time", "schedule_grid",
    "slot_calendar", "slot_map",
]  # fmt: skip
