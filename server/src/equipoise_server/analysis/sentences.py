"""The words for product managers: one plain sentence for a verdict, notes and numbers. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial

import equipoise_stats as stats
from equipoise_server.analysis.values import (
    Afterwards,
    ArmCount,
    ComparisonRow,
    Conclusion,
    Interval,
    Localisation,
    SoundedAlarm,
    Srm,
    SrmState,
    Withheld,
)
from equipoise_server.experiments.values import MetricRole, VerdictState
from equipoise_server.metrics.values import Direction, Margin, MarginKind
from equipoise_stats.srm import LOCK_BELOW

REASONS: Mapping[stats.Status, str] = {
    stats.Status.OK: "",
    stats.Status.NO_UNITS: "An arm has no units yet.",
    stats.Status.TOO_FEW_UNITS: "An arm has fewer than 100 units: too few for an interval.",
    stats.Status.TOO_EARLY: "Too early: each arm needs 100 units, and a rate 25 with and 25 without.",
    stats.Status.NOT_AT_THE_END: "A quantile is judged once, at the planned end.",
    stats.Status.ZERO_VARIANCE: "All units have the same value, so nothing can be compared.",
    stats.Status.ZERO_DENOMINATOR: "What the ratio is divided by is zero.",
    stats.Status.NOISY_DENOMINATOR: "What the ratio is divided by varies too much for so few units.",
    stats.Status.NOT_A_PROPORTION: "A conversion had values other than 0 and 1; check the metric.",
    stats.Status.ZERO_CONTROL: "Control is zero, so a relative change has no meaning.",
    stats.Status.NEGATIVE_CONTROL: "Control is negative, so a relative change has no meaning.",
    stats.Status.NOISY_CONTROL: "Control is too close to zero for a relative change.",
    stats.Status.NO_EXPECTED_UNITS: "The design does not say how many units are expected.",
    stats.Status.NOT_POSITIVE: "Some units are not above zero.",
    stats.Status.LOOK_SKIPPED: "Too few units matured since the last look for another one.",
    stats.Status.LOOKS_ENDED: "The last planned look was taken without enough data for it.",
    stats.Status.TOO_FEW_EVENTS: "Too few events: a quantile needs 50 of them beyond it.",
    stats.Status.TOO_FEW_CLUSTERS: "An arm has fewer than 4 clusters: too few to compare.",
    stats.Status.TOO_FEW_EXPERIMENTS: "Too few past experiments.",
    stats.Status.NOT_IDENTIFIABLE: "The data cannot tell it apart.",
}

_Text = Callable[[float], str]

CHECK_FOR_MISMATCH = (
    "Is the exposure sent in every arm, at the same place and time? A redirect or a crash loses one arm's.",
    "Was an arm's code slower, so that its visitors left before they were seen?",
    "Did a bot filter or a cache treat the arms differently?",
    "Were weights, eligibility or the flag's code changed after the launch?",
)
CHECK_FOR_CROSSED = (
    "Is the unit id stable, or does it change at sign-in, so that one person is two units?",
    "Do two systems use different ids for the same unit?",
    "Did somebody change an override or a kill while it ran?",
)


def percent(share: float, digits: int = 1) -> str:
    """A share as percent: 0.0612 → 6.1 %."""
    return f"{share * 100:.{digits}f} %".replace("-", "−")


def lift(share: float) -> str:
    """A lift as pages show it: small ones get a second decimal."""
    return percent(share, 2 if 0 < abs(share) < 0.01 else 1)  # noqa: PLR2004  # 1 %


def amount(value: float, display: str) -> str:
    """A metric's number in its unit."""
    if display == "percent":
        return percent(value, 2)
    text = f"{value:,.4g}" if abs(value) < 1_000 else f"{value:,.0f}"  # noqa: PLR2004  # digits that matter
    return (text if display == "number" else f"{text} {display}").replace("-", "−")


def difference(value: float, display: str) -> str:
    """A difference in the metric's unit; of percentages it is in points, or it would read as a lift."""
    if display == "percent":
        return f"{value * 100:.2f} pp".replace("-", "−")
    text = f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"  # noqa: PLR2004  # digits that matter
    return (text if display == "number" else f"{text} {display}").replace("-", "−")


def conclusion_sentence(
    state: VerdictState, rows: Sequence[ComparisonRow], arm_names: Mapping[str, str]
) -> str:
    """What the last look says, OEC first, then what keeps it from shipping."""
    oec = [row for row in rows if row.role is MetricRole.OEC]
    said = " ".join(_about_oec(row, arm_names) for row in oec)
    guards = _about_guardrails(rows, arm_names)
    closing = {
        VerdictState.RUNNING: "No decision yet; it keeps running.",
        VerdictState.TOO_EARLY: "Too early to say anything.",
    }.get(state, "")
    return " ".join(part for part in (said, guards, closing) if part)


def _about_oec(row: ComparisonRow, arm_names: Mapping[str, str]) -> str:
    arm = arm_names[row.arm]
    change = _change(row)
    if change is None:
        return f"{arm}: nothing can be said about {row.name}. {row.reason}"
    verb, by = change
    if row.conclusion in {Conclusion.BETTER, Conclusion.WORSE}:
        ending = "" if row.conclusion is Conclusion.BETTER else " That is the wrong way."
        return f"{arm} {verb} {row.name} by {by}.{ending}"
    return f"{arm}: no clear effect on {row.name} ({_plain_change(row)})."


def _change(row: ComparisonRow) -> tuple[str, str] | None:
    """The verb, and how much with its interval, both turned so that the number is positive."""
    shown = _shown(row)
    if shown is None:
        return None
    value, interval, text = shown
    if value >= 0:
        return "raises", f"{text(value)} ({_range(interval, text)})"
    turned = Interval(_minus(interval.high), _minus(interval.low))
    return "lowers", f"{text(-value)} ({_range(turned, text)})"


def _plain_change(row: ComparisonRow) -> str:
    shown = _shown(row)
    if shown is None:
        return "no interval yet"
    value, interval, text = shown
    return f"{'+' if value >= 0 else ''}{text(value)}, {_range(interval, text)}"


def _shown(row: ComparisonRow) -> tuple[float, Interval, _Text] | None:
    """The lift where it is defined, else the effect."""
    if row.lift is not None and row.lift_interval is not None:
        return row.lift, row.lift_interval, lift
    if row.effect is not None and row.effect_interval is not None:
        return row.effect, row.effect_interval, partial(difference, display=row.display)
    return None


def _range(interval: Interval, text: _Text) -> str:
    low = "unbounded" if interval.low is None else text(interval.low)
    high = "unbounded" if interval.high is None else text(interval.high)
    return f"{low} to {high}"


def _minus(end: float | None) -> float | None:
    return None if end is None else -end


def _about_guardrails(rows: Sequence[ComparisonRow], arm_names: Mapping[str, str]) -> str:
    guarded = [row for row in rows if row.guardrail is not None]
    bad = [row for row in guarded if row.guardrail is not None and row.guardrail.state != "pass"]
    if not guarded:
        return ""
    if not bad:
        return "All guardrails hold." if len(guarded) > 1 else f"The guardrail {guarded[0].name} holds."
    return " ".join(block_sentence(row, arm_names[row.arm]) for row in bad)


def block_sentence(row: ComparisonRow, arm: str) -> str:
    """Why a guardrail keeps an arm from shipping."""
    assert row.guardrail is not None
    if row.guardrail.is_breached:
        return alarm_sentence(SoundedAlarm(row.metric, row.name, row.arm), {row.arm: arm})
    if row.guardrail.state == "fail":
        return (
            f"Guardrail {row.name} fails for {arm}: it is worse than allowed ({row.guardrail.margin_text})."
        )
    return f"Guardrail {row.name} is not yet shown to hold for {arm} ({row.guardrail.margin_text})."


def alarm_sentence(alarm: SoundedAlarm, arm_names: Mapping[str, str]) -> str:
    """A guardrail's alarm, also before there are results."""
    return f"Guardrail {alarm.name} is breached by {arm_names[alarm.arm]}: it does harm."


def margin_text(margin: Margin, direction: Direction, display: str) -> str:
    """A margin in words."""
    way = "lower" if direction is Direction.INCREASE else "higher"
    size = percent(margin.value) if margin.kind is MarginKind.RELATIVE else difference(margin.value, display)
    return f"at most {size} {way} than control"


def chance(p_value: float) -> str:
    """A p-value as “1 in …”."""
    odds = 1 / p_value if p_value > 0 else math.inf
    for size, name in ((1e12, ""), (1e9, " billion"), (1e6, " million")):
        if odds >= size:
            return f"1 in {odds / size:.1f}{name}" if name else "less than 1 in a trillion"
    return f"1 in {odds:,.0f}"


def mismatch(arms: Sequence[ArmCount], srm: Srm) -> Withheld:
    """Results withheld because the split is broken; says nothing of any metric."""
    seen = " and ".join(f"{arm.exposed:,} ({arm.name})" for arm in arms)
    planned = " : ".join(percent(arm.planned_share, 0) for arm in arms)
    likely = "" if srm.p_value is None else f" The chance of that is {chance(srm.p_value)}."
    title = "Results are withheld: the split of the units is broken"
    if srm.state is SrmState.ALERTED:
        title = "Results are withheld: the split of the units looks broken"
    return Withheld(
        title,
        f"{seen} units were seen where {planned} was planned.{likely} {_why(srm)}",
        (*_told_by(srm.localisation), *CHECK_FOR_MISMATCH),
    )


def _why(srm: Srm) -> str:
    if srm.state is SrmState.ALERTED:
        return "The next look, after the UTC day closes, confirms it or lets the results go."
    return "Something lost or moved units, so any difference between the arms may come from that."


def afterwards(found: Afterwards) -> str:
    """How the units that came after a lock speak for or against a false alarm."""
    came = f"{found.units:,} units have come since the day of the lock"
    if found.units < found.needed:
        return f"{came}. It takes {found.needed:,}, as many as there were before, to tell a false alarm."
    if found.is_balanced:
        return f"{came}, and their split is as planned."
    return (
        f"{came}, and their split does not speak for the plan either."
        " Find the cause, and start a new iteration."
    )


def _told_by(found: Localisation | None) -> Iterator[str]:
    """What the units that stand out say, first of all."""
    if found is None:
        return
    suspects = [one for one in found.suspects if one.is_suspect]
    telling = [one for one in suspects if one.p_value_without is None or one.p_value_without >= LOCK_BELOW]
    if suspects and not telling:
        yield "Units are out of balance whatever their attributes say: look for what all of them share."
    for one in telling:
        rest = "" if one.p_value_without is None else f" (p without them {one.p_value_without:.2g})"
        yield f"Units with {one.attribute} “{one.value}” are out of balance{rest}: look there first."
    if found.since is not None and suspects:
        day = f"{found.since.day} {found.since:%B %Y}"
        yield f"New units have been out of balance since {day}: what changed then?"
    if found.first_broken_stage == "triggered":
        yield "Exposed units are balanced, triggered ones are not: does every arm log the trigger alike?"


def crossed(arms: Sequence[ArmCount]) -> Withheld:
    """Results withheld because too many units met several arms."""
    total = sum(arm.exposed for arm in arms)
    several = sum(arm.crossed for arm in arms)
    return Withheld(
        "Results are withheld: units met several variants",
        f"{several:,} of {total:,} units were seen in more than one variant, so the arms are not separate.",
        CHECK_FOR_CROSSED,
    )


def no_data() -> Withheld:
    """Nothing was seen."""
    return Withheld(
        "No data yet",
        "No unit has met a variant yet.",
        ("Is the flag evaluated in the code that runs in this environment?", "Does its SDK key work?"),
    )


def judged_once(units: int, cluster_type: str) -> Withheld:
    """Units came in groups that are compared at the end alone."""
    told = f"Each {cluster_type} is one observation, and they are compared once, at the end"
    if not cluster_type:
        told = "Each region's window is one observation, and they are compared once, after the last"
    return Withheld("No results before the end", f"{units:,} units have been seen. {told}.", ())


def stopped_before_a_look(units: int) -> Withheld:
    """Units came, but it was over before any of them could be judged."""
    return Withheld(
        "Stopped too early for results",
        f"{units:,} units were seen, and it was stopped before a planned look could judge them."
        " No number can be given.",
        (),
    )


def before_first_look(units: int, waits_for: timedelta) -> Withheld:
    """Units came, but no planned look has data of its own yet."""
    when = "after the first full UTC day closes, and move once a day"
    if waits_for > timedelta(0):
        days = waits_for / timedelta(days=1)
        when = (
            f"at the first planned look with enough units that had {days:g} {'day' if days == 1 else 'days'}"
            " to respond: only those are judged before the planned end"
        )
    return Withheld(
        "Too early for results", f"{units:,} units have been seen. Decision numbers appear {when}.", ()
    )


def withheld_sentence(withheld: Withheld) -> str:
    """The report's sentence when there are no results."""
    check = f" What to check: {withheld.what_to_check[0]}" if withheld.what_to_check else ""
    return f"{withheld.title}. {withheld.explanation}{check}"
