"""Writes the page of all studies from what is kept of them: `python -m simulations.page`.

A pure function of the kept results; it runs no study.
"""

from __future__ import annotations

from pathlib import Path

from simulations.drawing import drawing
from simulations.stored import FULL_SIZE, Kept, read
from simulations.study import Row

FOLDER = Path(__file__).parents[2] / "docs" / "statistics"
RESULTS, PAGE, IMAGES = "simulations.json", "simulations.md", "simulations"

_OPENING = """\
# What the studies find

Every promise of the statistics is tried on data whose truth is known: {studies} studies, {rows} numbers,
each with the range it must lie in. Most ranges are published or exact values with three Monte Carlo errors. A
*foil* is what goes wrong without the method; it has a range too, mostly a wider one, so that a study that
cannot see the fault fails.

A small size of every study runs in each build. The numbers here come from `make simulations`, which takes
{minutes:.0f} minutes of processor time; `make simulations-page` writes this page again from
`simulations.json`. Seeds are fixed.

| study | asks | size | replications | in range | verdict |
|---|---|---|---:|---:|---|
"""
_LEGEND = """
In the drawings the band is the expected range, the same width for all; a full dot is a number seen, a ring
a foil.
"""


def page(kept: dict[str, Kept]) -> str:
    """The page, in Markdown."""
    rows = sum(len(one.result.rows) for one in kept.values())
    minutes = sum(one.seconds for one in kept.values()) / 60
    opening = _OPENING.format(studies=len(kept), rows=rows, minutes=max(minutes, 1))
    table = "\n".join(_line(one) for one in kept.values())
    sections = "".join(_section(name, one) for name, one in kept.items())
    return f"{opening}{table}\n{_LEGEND}{sections}"


def files(kept: dict[str, Kept]) -> dict[str, str]:
    """Everything that is written, by its path below the folder of pages."""
    images = {f"{IMAGES}/{name}.svg": drawing(one.result) for name, one in kept.items()}
    return {PAGE: page(kept), **images}


def title(kept: Kept) -> str:
    """The number and the name of a study, the name with a capital."""
    number, _, name = kept.result.title.partition(" ")
    return f"{number} {name[:1].upper()}{name[1:]}"


def _line(kept: Kept) -> str:
    rows = kept.result.rows
    passed = sum(row.passed for row in rows)
    size = "full" if kept.size == FULL_SIZE else "that of each build"
    anchor = title(kept).lower().replace(" ", "-").replace("'", "").replace(",", "")
    cells = (
        f"[{title(kept)}](#{anchor})",
        kept.asks,
        size,
        f"{kept.result.replications:,}",
        f"{passed} of {len(rows)}",
        _verdict(holds=kept.result.passed),
    )
    return f"| {' | '.join(cells)} |"


def _section(name: str, kept: Kept) -> str:
    lines = "\n".join(_row(row) for row in kept.result.rows)
    return f"""
## {title(kept)}

![{title(kept)}: what was seen, within what was expected]({IMAGES}/{name}.svg)

| number | expected | seen | verdict |
|---|---:|---:|---|
{lines}
"""


def _row(row: Row) -> str:
    name = row.name.replace("|", "\\|")
    cells = (
        f"*foil:* {name}" if row.is_foil else name,
        f"{row.lowest:.4g} to {row.highest:.4g}",
        f"{row.measured:.4g}",
        _verdict(holds=row.passed),
    )
    return f"| {' | '.join(cells)} |"


def _verdict(*, holds: bool) -> str:
    return "holds" if holds else "**does not hold**"


def main() -> None:
    """Write the page and its drawings."""
    for path, text in files(read(FOLDER / RESULTS)).items():
        (FOLDER / path).parent.mkdir(exist_ok=True)
        (FOLDER / path).write_text(text)


if __name__ == "__main__":
    main()
