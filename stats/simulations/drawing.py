"""Draws one study: each number as a dot on the range that it must lie in. SVG, light and dark."""

from __future__ import annotations

import math
from html import escape

from simulations.study import Row, StudyResult

WIDTH, ROW, TOP = 760, 20, 8
NAMES_END, BAND_FROM, BAND_TO, NUMBERS = 405, 480, 600, 750
EDGES = (420.0, 660.0)
_STYLE = """\
text { font: 12px system-ui, sans-serif; fill: #1f2937 }
.band { fill: #2563eb; fill-opacity: .18 }
.mid { stroke: #2563eb; stroke-opacity: .5 }
.seen { fill: #1d4ed8; stroke: #1d4ed8; stroke-width: 2 }
.foil { fill: none; stroke: #b45309; stroke-width: 2 }
.out { fill: #b91c1c; stroke: #b91c1c }
@media (prefers-color-scheme: dark) {
text { fill: #e5e7eb }
.band { fill: #60a5fa; fill-opacity: .3 }
.mid { stroke: #60a5fa }
.seen { fill: #93c5fd; stroke: #93c5fd }
.foil { stroke: #fbbf24 }
.out { fill: #f87171; stroke: #f87171 }
}"""


def drawing(result: StudyResult) -> str:
    """The whole study as an SVG document."""
    height = 2 * TOP + ROW * len(result.rows)
    rows = "\n".join(_row(row, TOP + ROW * at + ROW / 2) for at, row in enumerate(result.rows))
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return f"""<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">
<title>{escape(result.title)}</title>
<style>
{_STYLE}
</style>
{rows}
</svg>
"""


def _row(row: Row, y: float) -> str:
    kind = "out" if not row.passed else "foil" if row.is_foil else "seen"
    middle, text_y = (BAND_FROM + BAND_TO) / 2, y + 4
    return (
        f'<text x="{NAMES_END}" y="{text_y:g}" text-anchor="end">{escape(_short(row.name))}</text>'
        f'<rect class="band" x="{BAND_FROM}" y="{y - 6:g}" width="{BAND_TO - BAND_FROM}" height="12"/>'
        f'<line class="mid" x1="{middle:g}" x2="{middle:g}" y1="{y - 6:g}" y2="{y + 6:g}"/>'
        f'<circle class="{kind}" cx="{_place(row):.1f}" cy="{y:g}" r="4"/>'
        f'<text x="{NUMBERS}" y="{text_y:g}" text-anchor="end">{row.measured:.4g}</text>'
    )


def _place(row: Row) -> float:
    """Where the number lies: its range is the band; what is far outside stays at an edge."""
    width = row.highest - row.lowest
    if row.passed and not 0 < width < math.inf:
        return (BAND_FROM + BAND_TO) / 2
    if not row.passed and not 0 < width < math.inf:
        return EDGES[row.measured > row.highest]
    place = BAND_FROM + (BAND_TO - BAND_FROM) * (row.measured - row.lowest) / width
    return min(max(place, EDGES[0]), EDGES[1])


def _short(name: str) -> str:
    return name if len(name) <= 64 else f"{name[:63]}…"
