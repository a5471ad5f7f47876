"""What a traffic filter did to the split: before and after it, by rule, and whether arms lose alike. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import equipoise_stats as stats
from equipoise_server.analysis.health_values import LeftOut, Traffic
from equipoise_server.analysis.moments import DayCount, LeftOutUnits
from equipoise_server.analysis.sentences import chance
from equipoise_server.analysis.traffic_values import TrafficFilter
from equipoise_server.analysis.values import NoteLevel, QualityNote
from equipoise_server.experiments.values import Design
from equipoise_stats.srm import LOCK_BELOW


def traffic_of(
    design: Design,
    held: TrafficFilter,
    counts: tuple[Sequence[DayCount], Sequence[DayCount]],
    gone: Sequence[LeftOutUnits],
) -> Traffic:
    """counts: of all units, and of those that the filter leaves."""
    before, after = (_by_arm(design, one) for one in counts)
    lost = {one.arm: one for one in gone}
    by_rule = tuple(
        tuple(lost[arm.key].by_rule[place] if arm.key in lost else 0 for arm in design.arms)
        for place in range(len(held.rules))
    )
    everything = tuple(lost[arm.key].units if arm.key in lost else 0 for arm in design.arms)
    return Traffic(
        version=held.version,
        before=before,
        before_p_value=_srm(design, before),
        after=after,
        after_p_value=_srm(design, after),
        rules=tuple(
            LeftOut(rule.key, rule.name, units, _alike(units, before), rule.is_about_behaviour)
            for rule, units in zip(held.rules, by_rule, strict=True)
        ),
        p_value=_alike(everything, before),
    )


def traffic_notes(traffic: Traffic) -> Iterator[QualityNote]:
    """A filter that treats the arms differently makes the difference that it should keep out."""
    for rule in traffic.rules:
        if rule.p_value is not None and rule.p_value < LOCK_BELOW:
            why = (
                "It looks at what units did after they met their variant, so the variant may decide who"
                " is left out."
                if rule.is_about_behaviour
                else "The attribute must be known before the variant can act on it; is it?"
            )
            yield QualityNote(
                str(stats.CheckName.BOT_SHARE),
                NoteLevel.WARN,
                f"The traffic filter “{rule.name}” takes more units from one variant than from another",
                f"Chance alone does that {chance(rule.p_value)}. {why}",
            )
    before, after = traffic.before_p_value, traffic.after_p_value
    if before is not None and after is not None and before < LOCK_BELOW <= after:
        yield QualityNote(
            "split_before_filter",
            NoteLevel.WARN,
            "The split is as planned only after the traffic filter",
            f"With all units it is so uneven by chance {chance(before)}. Who sends what is taken away?",
        )


def _by_arm(design: Design, counts: Sequence[DayCount]) -> tuple[int, ...]:
    return tuple(sum(count.units for count in counts if count.arm == arm.key) for arm in design.arms)


def _srm(design: Design, units: tuple[int, ...]) -> float | None:
    return stats.judge_srm(units, [float(arm.weight) for arm in design.arms]).p_value


def _alike(gone: Sequence[int], units: Sequence[int]) -> float | None:
    # Exposures may have arrived between the two readings.
    affected = [min(a, u) for a, u in zip(gone, units, strict=True)]
    return stats.differs_between_arms(stats.CheckName.BOT_SHARE, affected, units).value
