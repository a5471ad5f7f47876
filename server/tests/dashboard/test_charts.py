"""Charts: the same picture for the same values, said in words too, and never a lie by cutting."""

from __future__ import annotations

import math
import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
from dashboard import gallery
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from equipoise_server.dashboard import words
from equipoise_server.dashboard.charts import (
    NARROW,
    WIDE,
    Curve,
    ForestRow,
    Mark,
    PlanPoint,
    SlotSpan,
    curves_over_time,
    forest,
    mde_by_week,
    p_over_time,
    slot_map,
)
from equipoise_server.dashboard.charts.forest import drawn_range, in_two_lines
from equipoise_server.dashboard.charts.scale import Scale, thinned, ticks
from equipoise_server.dashboard.charts.values import Tone

SNAPSHOTS = Path(__file__).parent / "snapshots"
SVG = "{http://www.w3.org/2000/svg}"
ROWS = (
    ForestRow("Purchase rate", 1, 0.061, 0.029, 0.094, "+2.9 % to +9.4 %", Tone.GOOD),
    ForestRow("Page load", 1, 0.004, -0.006, 0.013, "−0.6 % to +1.3 %", Tone.GOOD, 0.02, False),
    ForestRow("Refunds", 2, 0.01, None, 0.9, "no lower bound to +90 %", Tone.QUIET, 0.05, False),
    ForestRow("Search", 1, None, None, None, "Too early"),
)
LIFTS = tuple(
    Mark(point.day, point.lift or 0.0, point.interval.low, point.interval.high)
    for point in gallery.lift_points()
    if point.interval
)
SRM = tuple(Mark(point.at, point.p_value) for point in gallery.srm_history(1e-6))
DRAWINGS: Mapping[str, Callable[[], Markup]] = {
    "forest-wide": lambda: forest(ROWS, WIDE, title="Lift"),
    "forest-narrow": lambda: forest(ROWS, NARROW, title="Lift"),
    "lift-over-time": lambda: curves_over_time(
        [Curve("Green", 1, LIFTS)], WIDE, title="Lift by day", wording=words.lift
    ),
    "p-over-time": lambda: p_over_time(SRM, NARROW, title="p by day", limits=(0.01, 0.001)),
    "mde-by-week": lambda: mde_by_week(
        [PlanPoint(1, 0.08), PlanPoint(2, 0.056), PlanPoint(4, 0.04)], NARROW, wanted=0.05, planned_weeks=2
    ),
    "slot-map": lambda: slot_map([SlotSpan(0, 4000, "a"), SlotSpan(4000, 9000, "b")], WIDE, title="Slots"),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_chart_is_the_picture_that_was_looked_at(name: str) -> None:
    drawn = str(DRAWINGS[name]()).replace("><", ">\n<") + "\n"
    kept = SNAPSHOTS / f"{name}.svg"
    if os.environ.get("EQUIPOISE_KEEP_SNAPSHOTS") == "1":
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(drawn)
    assert drawn == kept.read_text(), "look at it, then run once with EQUIPOISE_KEEP_SNAPSHOTS=1"


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_chart_says_what_it_shows(name: str) -> None:
    picture = ET.fromstring(DRAWINGS[name]())
    assert picture.get("role") == "img"
    described = picture.find(f"{SVG}desc")
    assert described is not None
    assert described.text
    assert (picture.get("aria-label") or "").endswith(described.text)


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_chart_leaves_colours_to_the_style_sheet(name: str) -> None:
    assert not re.search(r'style=|fill="|stroke="|#[0-9a-f]{3}', str(DRAWINGS[name]()))


def test_names_of_people_cannot_break_out_of_a_chart() -> None:
    hostile = ForestRow('</text><script>alert("x")</script>', 1, 0.1, 0.0, 0.2, '"><b>')
    drawn = str(forest([hostile], WIDE, title="<i>"))
    assert "<script" not in drawn
    assert "<b>" not in drawn
    ET.fromstring(drawn)


def test_a_guardrail_shows_the_side_where_the_treatment_is_worse_than_allowed() -> None:
    lower_is_better = ForestRow("Load", 1, 0.0, -0.01, 0.01, "", margin=0.02, higher_is_better=False)
    higher_is_better = ForestRow("Visits", 1, 0.0, -0.01, 0.01, "", margin=-0.02)
    for row, is_right in ((lower_is_better, True), (higher_is_better, False)):
        picture = ET.fromstring(forest([row], WIDE, title="Lift"))
        zone = next(e for e in picture.iter(f"{SVG}rect") if e.get("class") == "margin-zone")
        line = next(e for e in picture.iter(f"{SVG}line") if e.get("class") == "margin-line")
        starts_at_line = float(zone.get("x", "")) == float(line.get("x1", ""))
        assert starts_at_line is is_right
        assert float(zone.get("width", "0")) > 0


finite = st.floats(-3, 3)


@given(st.lists(st.tuples(finite, st.floats(0.001, 50), st.none() | finite), min_size=1, max_size=8))
def test_a_forest_plot_never_cuts_off_an_estimate_or_a_margin(
    found: list[tuple[float, float, float | None]],
) -> None:
    rows = [ForestRow(str(i), 1, e, e - half, e + half, "", margin=m) for i, (e, half, m) in enumerate(found)]
    low, high = drawn_range(rows)
    assert low <= 0 <= high
    assert all(low <= mark <= high for e, _, margin in found for mark in (e, margin or 0.0))


def test_an_interval_beyond_the_plot_ends_in_an_arrow() -> None:
    wide = ForestRow("Refunds", 1, 0.0, -5.0, 5.0, "")
    narrow = [ForestRow(str(place), 1, 0.01, -0.02, 0.03, "") for place in range(4)]
    picture = ET.fromstring(forest([wide, *narrow], WIDE, title="Lift"))
    arrows = [e for e in picture.iter(f"{SVG}path") if (e.get("class") or "").startswith("tip-end")]
    assert len(arrows) == 2


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_few_round_and_inside(low: float, width: float) -> None:
    marks = ticks(low, low + width)
    assert len(marks) <= 11
    slack = width * 1e-6 + 4 * math.ulp(abs(low) + width)
    assert all(low - slack <= mark <= low + width + slack for mark in marks)


@given(finite, finite, finite)
def test_a_scale_keeps_order_and_range(one: float, other: float, edge: float) -> None:
    scale = Scale(edge, edge + 1, 0, 100)
    assert (scale.at(one) <= scale.at(other)) == (one <= other) or scale.at(one) == scale.at(other)
    assert 0 <= scale.at(one) <= 100


def test_a_chart_of_nothing_is_nothing() -> None:
    assert curves_over_time([], WIDE, title="", wording=words.lift) == ""
    assert p_over_time([], WIDE, title="", limits=(0.01, 0.001)) == ""
    assert mde_by_week([], WIDE, wanted=None, planned_weeks=None) == ""


def test_one_day_of_exposures_is_still_a_drawing() -> None:
    one_day = Curve("Green", 1, (Mark(date(2026, 3, 3), 12),))
    ET.fromstring(curves_over_time([one_day], NARROW, title="Units", wording=words.plain))


@given(count=st.integers(min_value=1, max_value=400), most=st.integers(min_value=2, max_value=9))
def test_labels_of_days_stand_at_equal_distances_and_name_the_last(count: int, most: int) -> None:
    places = thinned(count, most)
    assert 1 <= len(places) <= most
    assert places[-1] == count - 1
    assert len({later - earlier for earlier, later in pairwise(places)}) <= 1


def test_a_long_name_takes_a_second_line_and_keeps_what_tells_it_apart() -> None:
    assert in_two_lines("players who come back after 7 days", 194) == (
        "players who come back after",
        "7 days",
    )
    assert in_two_lines("Purchases", 194) == ("Purchases",)
    assert in_two_lines("a" * 60, 194) == ("a" * 27 + "…",)
    assert in_two_lines("short " + "b" * 60, 194) == ("short", "b" * 27 + "…")
