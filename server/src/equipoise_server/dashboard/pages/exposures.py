"""Units that are assigned outside, as pages show them: the table, how far it was read, and a look at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from equipoise_server.analysis.reads import LastReading
from equipoise_server.dashboard import words
from equipoise_server.experiments.reads import ExposureLook
from equipoise_server.experiments.values import Design
from equipoise_server.foundation.refusals import Problem


@dataclass(frozen=True, slots=True)
class OutsidePanel:
    """Where exposures are read, in words."""

    source: str
    """As the design names it: with its version once it is frozen."""
    key: str
    experiment: str
    """What it is called there; "" when all rows are its own."""
    reading: str
    """How far the table was read; "" before the first reading."""
    left_out: str


@dataclass(frozen=True, slots=True)
class ValueLine:
    """Rows of one value of the variant's column."""

    value: str
    arm: str
    """The variant's name; "" when it stands for none."""
    rows: str
    units: str
    share: str


@dataclass(frozen=True, slots=True)
class ExposuresPage:
    """A look at a table of exposures, when somebody asked for one."""

    key: str
    name: str
    is_draft: bool
    panel: OutsidePanel | None
    may_look: bool
    look: ExposureLook | None = None
    lines: tuple[ValueLine, ...] = ()
    cost: str = ""
    faults: tuple[Problem, ...] = ()


def outside_panel(design: Design, reading: LastReading | None) -> OutsidePanel | None:
    """The table of a design; None where SDKs send exposures."""
    table = design.exposures
    if table is None:
        return None
    return OutsidePanel(
        table.source, table.source.partition("@")[0], table.experiment,
        "" if reading is None else _reading(reading), "" if reading is None else _left_out(reading),
    )  # fmt: skip


def value_lines(look: ExposureLook, design: Design) -> tuple[ValueLine, ...]:
    """The rows by variant."""
    names = {arm.key: arm.name or arm.key for arm in design.arms}
    return tuple(
        ValueLine(
            one.value or "nothing",
            names.get(look.arms.get(one.value, ""), ""),
            words.whole(one.rows),
            words.whole(one.units),
            words.percent(one.units / look.census.units) if look.census.units else "–",
        )
        for one in look.census.by_value
    )


def cost_words(look: ExposureLook) -> str:
    """What the look took, and what a whole reading is expected to take."""
    cost, expected = look.census.cost, look.census.estimate
    told = f"{words.whole(look.census.rows)} rows counted in {cost.seconds:.2f} seconds."
    if expected is not None:
        rows = words.whole(expected.rows)
        told += f" A whole reading is expected to bring {rows} rows, {size(expected.bytes)}."
    return told


def size(count: int) -> str:
    """Bytes as people read them."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1_000:  # noqa: PLR2004  # a thousand of one is one of the next
            return f"{count:,.0f} {unit}"
        count //= 1_000
    return f"{count:,} GB"


def _reading(reading: LastReading) -> str:
    seen = "no row" if reading.seen_until is None else f"rows up to {words.moment(reading.seen_until)}"
    took = f"{words.whole(reading.cost.rows)} rows, {size(reading.cost.bytes or 0)}"
    return (
        f"Read at {words.moment(reading.read_at)}: {seen}. That took {took} and {reading.cost.seconds:.2f}"
        f" seconds, and {words.counted(reading.taken, 'exposure')} were new. All rows were read last at"
        f" {words.moment(reading.whole_at)}."
    )


def _left_out(reading: LastReading) -> str:
    told: Sequence[str] = [
        f"{words.whole(reading.unusable)} rows name no variant, or have an id that is too long"
        if reading.unusable
        else "",
        f"{words.whole(reading.erased)} rows belong to erased units" if reading.erased else "",
    ]
    return "; ".join(one for one in told if one)
