"""What a holdout shows of everything that was launched, as its page tells it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from equipoise_server.analysis.values import HoldoutImpact, ImpactLine, Shipped
from equipoise_server.dashboard import words
from equipoise_server.metrics.values import Direction


@dataclass(frozen=True, slots=True)
class ImpactRow:
    """One company metric; every number is already text."""

    name: str
    held: str
    open: str
    change: str
    change_range: str
    wants: str
    promised: str
    reason: str


@dataclass(frozen=True, slots=True)
class ImpactCard:
    """The card; without `computed_at` nothing was measured yet."""

    computed_at: datetime | None = None
    units: str = ""
    p_value: str = ""
    withheld: str = ""
    rows: tuple[ImpactRow, ...] = ()
    shipped: tuple[Shipped, ...] = ()


def impact_card(found: HoldoutImpact | None) -> ImpactCard:
    """What was found last of the newest season."""
    if found is None:
        return ImpactCard()
    return ImpactCard(
        computed_at=found.computed_at,
        units=f"{words.whole(found.open_units)} open, {words.whole(found.held_units)} held",
        p_value=words.p_value(found.srm_p_value),
        withheld=found.withheld,
        rows=tuple(_row(line) for line in found.lines),
        shipped=found.shipped,
    )


def _row(line: ImpactLine) -> ImpactRow:
    change, interval = "", ""
    if line.lift is not None and line.lift_interval is not None:
        change = words.lift(line.lift)
        interval = words.lift_range(line.lift_interval.low, line.lift_interval.high)
    elif line.effect is not None and line.effect_interval is not None:
        change = words.difference(line.effect, line.display)
        interval = words.difference_range(line.effect_interval.low, line.effect_interval.high, line.display)
    promised = "" if line.promised is None else words.lift(line.promised)
    return ImpactRow(
        name=line.name,
        held=words.measure(line.held_value, line.display),
        open=words.measure(line.open_value, line.display),
        change=change or words.UNKNOWN,
        change_range=interval,
        wants="higher is better" if line.direction is Direction.INCREASE else "lower is better",
        promised=f"{promised} ({words.counted(line.promised_by, 'experiment')})" if promised else "",
        reason=line.reason,
    )
