"""Health checks as pages show them: a small table, one check with its last looks, and its form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from equipoise_server.dashboard import words
from equipoise_server.dashboard.forms import Form, Reader, choice, filled
from equipoise_server.flags.values import Flag
from equipoise_server.foundation.refusals import Problem
from equipoise_server.health.reads import bound_words
from equipoise_server.health.values import (
    Comparison,
    Finding,
    HealthCheck,
    OnFailure,
    Plan,
    Reading,
    Reduction,
    Result,
    Side,
    Standing,
    State,
)
from equipoise_server.sources.values import Connection, ConnectionKind

Option = tuple[str, str]
_STATES = {
    State.PASSING: ("Passing", "good"),
    State.FAILING: ("Failing", "bad"),
    State.UNKNOWN: ("Unknown", "warn"),
}
_CONSEQUENCES = {
    OnFailure.HOLD: "holds ramps",
    OnFailure.ROLL_BACK: "rolls back after {}",
    OnFailure.KILL: "kills after {}",
}
COMPARISONS: tuple[Option, ...] = (
    (Comparison.VALUE, "The value itself"),
    (Comparison.RATIO, "Its ratio to control"),
    (Comparison.DIFFERENCE, "Its difference from control"),
)
SIDES: tuple[Option, ...] = ((Side.AT_MOST, "at most"), (Side.AT_LEAST, "at least"))
REDUCTIONS: tuple[Option, ...] = (
    (Reduction.LAST, "Its last point"),
    (Reduction.MEAN, "The mean of its points"),
    (Reduction.LOWEST, "The lowest point"),
    (Reduction.HIGHEST, "The highest point"),
)
CONSEQUENCES: tuple[tuple[str, str, str], ...] = (
    (OnFailure.HOLD, "Hold", "Ramps wait until it passes."),
    (
        OnFailure.ROLL_BACK,
        "Roll back",
        "Rollouts go back to their share before the schedule; experiments stop.",
    ),
    (OnFailure.KILL, "Kill", "The flag is killed, and experiments on it stop."),
)


@dataclass(frozen=True, slots=True)
class ReadingLine:
    """What one variant got."""

    variant: str
    state: str
    tone: str
    value: str
    compared: str
    """The ratio or difference; "" where the value itself is bound."""
    sample: str
    told: str


@dataclass(frozen=True, slots=True)
class LookLine:
    """One look: when (None: just now, and not kept), and what each variant got."""

    at: datetime | None
    state: str
    tone: str
    readings: tuple[ReadingLine, ...]
    told: str


@dataclass(frozen=True, slots=True)
class CheckLine:
    """One check in the small table."""

    flag: str
    key: str
    name: str
    state: str
    tone: str
    since: datetime | None
    asked_at: datetime | None
    readings: tuple[ReadingLine, ...]
    bound: str
    consequence: str
    why: str


@dataclass(frozen=True, slots=True)
class CheckPage:
    """The form of a check, a look that was tried, and the last looks of a check that is kept."""

    flag: Flag
    check: HealthCheck | None
    line: CheckLine | None
    form: Form
    connections: tuple[Option, ...]
    controls: tuple[Option, ...]
    tried: LookLine | None
    looks: tuple[LookLine, ...]
    comparisons: tuple[Option, ...] = COMPARISONS
    sides: tuple[Option, ...] = SIDES
    reductions: tuple[Option, ...] = REDUCTIONS
    consequences: tuple[tuple[str, str, str], ...] = CONSEQUENCES


def check_line(check: HealthCheck, last: Result | None, now: datetime) -> CheckLine:
    """A check as it stands now."""
    standing = check.standing_at(now)
    label, tone = _STATES[standing.state]
    # What was found before nobody asked any more says nothing about now.
    is_fresh = standing == check.standing and last is not None
    times = words.counted(check.plan.failures, "failure")
    return CheckLine(
        flag=check.flag_key,
        key=check.key,
        name=check.name,
        state=label,
        tone=tone,
        since=standing.since,
        asked_at=standing.asked_at,
        readings=_readings(last.finding) if is_fresh and last is not None else (),
        bound=bound_words(check.plan),
        consequence=_CONSEQUENCES[check.plan.on_failure].format(f"{times} in a row"),
        why=_why(check, standing),
    )


def look_line(finding: Finding, at: datetime | None = None) -> LookLine:
    """One look."""
    label, tone = _STATES[finding.state]
    return LookLine(at, label, tone, _readings(finding), finding.told)


def prometheus_options(connections: Sequence[Connection]) -> tuple[Option, ...]:
    """The connections that a check may ask."""
    return tuple((one.key, one.key) for one in connections if one.kind is ConnectionKind.PROMETHEUS)


def new_check_form(flag: Flag, connections: Sequence[Option]) -> Form:
    """A form that shows how its lines are written."""
    return filled(
        {
            "connection": connections[0][0] if connections else "",
            "label": "variant",
            "variants": "\n".join(f"{one.key} = {one.key}" for one in flag.variants),
            "comparison": Comparison.VALUE,
            "side": Side.AT_MOST,
            "interval_seconds": "60",
            "failures": "3",
            "on_failure": OnFailure.HOLD,
        }
    )


def check_form(check: HealthCheck) -> Form:
    """A stored check as fields."""
    plan = check.plan
    return filled(
        {
            "name": check.name,
            "connection": plan.connection,
            "query": plan.query,
            "label": plan.label,
            "variants": "\n".join(f"{variant} = {value}" for variant, value in plan.variants.items()),
            "comparison": plan.comparison,
            "control": plan.control,
            "side": plan.side,
            "bound": f"{plan.bound:.12g}",
            "window_seconds": _typed(plan.window_seconds),
            "reduction": plan.reduction,
            "sample_query": plan.sample_query,
            "least_sample": _typed(plan.least_sample),
            "interval_seconds": str(plan.interval_seconds),
            "failures": str(plan.failures),
            "on_failure": plan.on_failure,
            "edition": str(check.edition),
        }
    )


def read_plan(reader: Reader) -> Plan:
    """What the form says; what cannot be read is among the reader's problems."""
    form = reader.form
    bound = reader.number("bound", "The bound")
    if bound is None and not any(problem.field == "bound" for problem in reader.problems):
        reader.problems.append(Problem("bound", "Say where the bound is, such as 0.01."))
    comparison = choice(Comparison, form.text("comparison"), Comparison.VALUE)
    return Plan(
        connection=form.text("connection"),
        query=form.text("query").strip(),
        bound=bound or 0.0,
        side=choice(Side, form.text("side"), Side.AT_MOST),
        comparison=comparison,
        label=form.text("label").strip(),
        variants=_variants(reader),
        control="" if comparison is Comparison.VALUE else form.text("control"),
        window_seconds=reader.whole("window_seconds", "The window"),
        reduction=choice(Reduction, form.text("reduction"), Reduction.LAST),
        sample_query=form.text("sample_query").strip(),
        least_sample=reader.number("least_sample", "The least sample"),
        failures=reader.whole("failures", "Failures in a row") or 0,
        on_failure=choice(OnFailure, form.text("on_failure"), OnFailure.HOLD),
        interval_seconds=reader.whole("interval_seconds", "The interval") or 0,
    )


def shown_problems(problems: Sequence[Problem]) -> list[Problem]:
    """The form has one field for all variants, and names the edition otherwise."""
    return [
        Problem("variants" if problem.field.startswith("variants.") else problem.field, problem.message)
        for problem in problems
    ]


def _variants(reader: Reader) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in reader.form.text("variants").splitlines():
        variant, mark, value = (part.strip() for part in line.partition("="))
        if not line.strip():
            continue
        if not mark or not variant or not value:
            told = f"“{line.strip()}”: write it like green = green, one variant a line."
            reader.problems.append(Problem("variants", told))
        found[variant] = value
    return found


def _readings(finding: Finding) -> tuple[ReadingLine, ...]:
    return tuple(_reading(one) for one in finding.readings)


def _reading(one: Reading) -> ReadingLine:
    label, tone = _STATES[one.state]
    return ReadingLine(
        variant=one.variant or "all",
        state=label,
        tone=tone,
        value=words.UNKNOWN if one.value is None else words.plain(one.value),
        compared="" if one.compared is None else words.plain(one.compared),
        sample="" if one.sample is None else words.plain(one.sample),
        told=one.told,
    )


def _why(check: HealthCheck, standing: Standing) -> str:
    if standing.state is State.PASSING:
        return ""
    if standing.state is State.UNKNOWN:
        return standing.told or "Nobody has asked yet; that takes a few seconds."
    row = f"{standing.failures} in a row"
    acted = "; it was acted on" if standing.acted_at is not None else ""
    return f"It shall be {bound_words(check.plan)}. Failed {row}{acted}."


def _typed(number: float | None) -> str:
    return "" if number is None else f"{number:.12g}"
