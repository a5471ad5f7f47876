"""Further readings under the results: segments, novelty, interactions, triggers, a Bayesian view."""

from __future__ import annotations

from dataclasses import dataclass

from equipoise_server.analysis.values import (
    BayesLine,
    Further,
    InteractionLine,
    Interval,
    NoveltyLine,
    SegmentLine,
    SegmentTable,
    TriggeredLine,
)
from equipoise_server.dashboard import words
from equipoise_server.dashboard.pages.figures import ArmNames


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table, already as words; `flag` asks people to look at it."""

    cells: tuple[str, ...]
    flag: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """One further reading: what it is, how to take it, and its table."""

    key: str
    title: str
    meaning: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    footnote: str = ""


_TRENDS = {
    "stable": "Steady",
    "novelty": "Fades: a novelty",
    "primacy": "Turns: users had to learn it",
    "growing": "Grows",
    "unknown": "Cannot be told",
}
_STATES = {
    "interacts": "Changes this effect",
    "clear": "No sign of it",
    "too_small": "Too few shared units",
    "unknown": "Cannot be told",
}
_ADVICE = {
    "ship": "Shipping now risks next to nothing",
    "hold": "Not shipping loses next to nothing",
    "keep_running": "Waiting is worth it",
}


def readings(further: Further, arms: ArmNames) -> tuple[Reading, ...]:
    """Every reading that has something to show."""
    found = (
        *(_segments(table, arms) for table in further.segments),
        _novelty(further.novelty, arms),
        _triggered(further.triggered, arms),
        _interactions(further.interactions),
        _bayes(further.bayes, arms),
    )
    return tuple(one for one in found if one.rows)


def _segments(table: SegmentTable, arms: ArmNames) -> Reading:
    differ, hidden = "", ""
    if table.differs_p_value is not None:
        differ = f"Do the values differ at all? p {words.p_value(table.differs_p_value)}."
    if table.hidden:
        hidden = f"{words.counted(table.hidden, 'value')} with under 20 units in an arm not shown."
    return Reading(
        key="segments",
        title=f"{table.name} by {table.attribute}",
        meaning=f"{arms.name(table.arm)} against control. To find ideas, never to decide: among many values"
        " some look good by chance, so each is pulled toward the whole.",
        columns=(table.attribute, "Control units", "Treatment units", "Lift", "Interval", "Adjusted p"),
        rows=tuple(_segment(line) for line in table.lines),
        footnote=f"{differ} {hidden}".strip(),
    )


def _segment(line: SegmentLine) -> Row:
    return Row(
        (
            line.value,
            words.whole(line.control_units),
            words.whole(line.treatment_units),
            _lift(line.lift),
            _range(line.lift_interval),
            words.p_value(line.p_value),
        ),
        "Worse here: look into it" if line.needs_check else "",
    )


def _novelty(lines: tuple[NoveltyLine, ...], arms: ArmNames) -> Reading:
    return Reading(
        key="novelty",
        title="Does the effect last?",
        meaning="The effect by days since a unit met its variant, of units that were there for all of them.",
        columns=("Metric", "Variant", "Trend", "p", "Days", "Units"),
        rows=tuple(
            Row(
                (
                    line.name,
                    arms.name(line.arm),
                    _TRENDS[line.trend],
                    words.p_value(line.p_value),
                    str(line.days),
                    _whole(line.units),
                ),
                line.reason or ("Judge it by the later days" if line.trend in {"novelty", "primacy"} else ""),
            )
            for line in lines
        ),
    )


def _triggered(lines: tuple[TriggeredLine, ...], arms: ArmNames) -> Reading:
    return Reading(
        key="triggered",
        title="Units for whom it made a difference",
        meaning="Only units that would have seen something else in the other variant. The last column is the"
        " same lift over everybody.",
        columns=("Metric", "Variant", "Units", "Share", "Lift", "Interval", "Over everybody"),
        rows=tuple(
            Row(
                (
                    line.name,
                    arms.name(line.arm),
                    _whole(_both(line)),
                    words.percent(line.share),
                    _lift(line.lift),
                    _range(line.lift_interval),
                    _lift(line.everybody),
                ),
                line.reason or ("" if line.is_valid else "The trigger differs between arms: read all units"),
            )
            for line in lines
        ),
    )


def _interactions(lines: tuple[InteractionLine, ...]) -> Reading:
    return Reading(
        key="interactions",
        title="Other experiments on the same units",
        meaning="Does another experiment change what this one shows? False discoveries are held at 5 %.",
        columns=("Experiment", "Finding", "Adjusted p"),
        rows=tuple(
            Row(
                (line.name, _STATES[line.state], words.p_value(line.p_value)),
                line.reason or ("The two splits are not independent: report it" if line.is_dependent else ""),
            )
            for line in lines
        ),
    )


def _bayes(lines: tuple[BayesLine, ...], arms: ArmNames) -> Reading:
    learnt = max((line.prior_experiments for line in lines), default=0)
    prior = f"learnt from {learnt} past comparisons" if learnt else "a guess: most lifts lie within ±10 %"
    return Reading(
        key="bayes",
        title="Stop early? What waiting and shipping may lose",
        meaning=f"A Bayesian second reading; the prior is {prior}. It does not hold the planned error rate,"
        " so it decides nothing.",
        columns=(
            "Metric",
            "Variant",
            "Chance better",
            "Lift",
            "Credible interval",
            "Lost if shipped",
            "Lost if not",
        ),
        rows=tuple(
            Row(
                (
                    line.name,
                    arms.name(line.arm),
                    words.chance(line.probability_better),
                    _lift(line.lift),
                    _range(line.lift_interval),
                    words.percent(line.loss_of_shipping),
                    words.percent(line.loss_of_holding),
                ),
                _ADVICE[line.advice],
            )
            for line in lines
        ),
        footnote="Losses are expected lifts: how much would be given away by the wrong choice, on average.",
    )


def _both(line: TriggeredLine) -> int | None:
    if line.control_units is None or line.treatment_units is None:
        return None
    return line.control_units + line.treatment_units


def _whole(units: int | None) -> str:
    return words.UNKNOWN if units is None else words.whole(units)


def _lift(value: float | None) -> str:
    return words.UNKNOWN if value is None else words.lift(value)


def _range(interval: Interval | None) -> str:
    return "–" if interval is None else words.lift_range(interval.low, interval.high)
