"""Notes on the data itself, in words. Notes on exposures may be read while metrics are withheld. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import equipoise_stats as stats
from equipoise_server.analysis.judging import COMPOSITE
from equipoise_server.analysis.moments import ArmMoments, UnjoinableEvents
from equipoise_server.analysis.plan import MeasuredMetric
from equipoise_server.analysis.sentences import amount, chance, percent
from equipoise_server.analysis.traffic_values import SUSPICIOUS
from equipoise_server.analysis.values import NoteLevel, QualityNote, Srm
from equipoise_server.events.values import DataQuality

UNJOINABLE_SHARE = 0.01
QUARANTINED_SHARE = 0.01
SUSPICIOUS_SHARE = 0.0005
_LEVELS = {
    stats.Outcome.WARN: NoteLevel.WARN,
    stats.Outcome.BLOCK: NoteLevel.BLOCK,
}


@dataclass(frozen=True, slots=True)
class _Seen:
    """A check that has something to say, with the names that people know. value is never missing here."""

    check: stats.QualityCheck
    value: float
    metric: str
    arm: str
    display: str = "number"
    moments: ArmMoments | None = None


_Said = Callable[[_Seen], tuple[str, str]]

EXPOSURE_CHECKS: Mapping[stats.CheckName, _Said] = {
    stats.CheckName.CROSSED_UNITS: lambda seen: (
        f"{percent(seen.value, 2)} of the units met several variants",
        "They stay in the variant they met first. Usually the unit id is not stable.",
    ),
    stats.CheckName.FULL_WEEK: lambda _: (
        "Less than one full week",
        "People behave differently on weekends; wait for a full week before deciding.",
    ),
    stats.CheckName.MORE_UNITS_THAN_EXPOSED: lambda seen: (
        f"“{seen.arm}” has more units with outcomes than were exposed",
        "Outcomes and exposures do not fit together; report this as a fault of the server.",
    ),
    stats.CheckName.JOIN_LOSS: lambda seen: (
        "One variant loses more outcomes than another",
        f"Chance alone does that {_one_in(seen)}. Does one variant send its events without the unit's id?",
    ),
    stats.CheckName.BOT_SHARE: lambda seen: (
        "One variant has more bots than another",
        f"Chance alone does that {_one_in(seen)}. Is the filter the same in every variant?",
    ),
    stats.CheckName.DUPLICATE_EXPOSURES: lambda seen: (
        f"{percent(seen.value)} of this environment's events arrived twice",
        "They are counted once. A sender that repeats itself so often is broken or never hears an answer.",
    ),
    stats.CheckName.NULL_P_VALUES: lambda seen: (
        "Comparisons without a difference do not look like chance",
        f"They would be so uneven by chance {_one_in(seen)}. Trust no result here until the cause is found.",
    ),
}
"""Checks that counts and days answer."""

METRIC_CHECKS: Mapping[stats.CheckName, _Said] = {
    stats.CheckName.LARGEST_UNIT: lambda seen: (
        f"One unit carries {percent(seen.value)} of {seen.metric} in “{seen.arm}”",
        f"{_largest(seen)} A cap would limit what one unit can do.",
    ),
    stats.CheckName.SURPRISE: lambda seen: (
        f"{seen.metric} moved further than this metric ever did",
        "What looks too good to be true usually is: a logging change, a double count, a bot. Find it first.",
    ),
    stats.CheckName.PRE_PERIOD: lambda seen: (
        f"“{seen.arm}” differed in {seen.metric} before the experiment began",
        "Nothing can have caused that but chance or a broken split; read its effect with care.",
    ),
    stats.CheckName.VARIANCE_RATIO: lambda seen: (
        f"{seen.metric} varies {max(seen.value, 1 / seen.value):.1f} times as much in one arm as in another",
        f"Compare “{seen.arm}” with control: an outlier, a bot, or units that are counted differently.",
    ),
    stats.CheckName.NULL_SHARE: lambda seen: (
        f"More units than usual have no value of {seen.metric}",
        f"Their share moved by {percent(seen.value)}. Did an event stop being sent?",
    ),
    stats.CheckName.CONSTANT_METRIC: lambda seen: (
        f"{seen.metric} is the same for every unit",
        "It measures nothing here. Does the event arrive, with the properties that the metric asks for?",
    ),
    stats.CheckName.ODD_DAY: lambda seen: (
        f"One day stands out in {seen.metric} of “{seen.arm}”",
        "Its effect is far from that of all other days: an outage, a campaign, a release?",
    ),
    stats.CheckName.STATIONARITY: lambda seen: (
        f"The effect on {seen.metric} of “{seen.arm}” moved while it was watched",
        "Early and late intervals have no value in common, so their average describes neither time.",
    ),
    stats.CheckName.SKEWED_SPLIT: lambda seen: (
        f"The small arm is too small for how skewed {seen.metric} is",
        f"It has {percent(seen.value, 0)} of the units that its interval needs. A cap would help.",
    ),
}
"""Checks that need metrics; never told while metrics are withheld."""


def exposure_notes(
    checks: Sequence[stats.QualityCheck], strangers: Mapping[str, int]
) -> Iterator[QualityNote]:
    """What the exposures alone say."""
    for check in checks:
        if check.name in EXPOSURE_CHECKS and check.outcome in _LEVELS and check.value is not None:
            seen = _Seen(check, check.value, "", check.variant or "")
            yield _note(seen, EXPOSURE_CHECKS[check.name])
    for variant, units in strangers.items():
        yield QualityNote(
            "unknown_variant",
            NoteLevel.WARN,
            f"{units:,} units were exposed to “{variant}”, which the design does not have",
            "They are left out. Is a stale snapshot or a hand-written event in use?",
        )


UNIT_CHECKS = (stats.CheckName.JOIN_LOSS, stats.CheckName.BOT_SHARE)
"""Checks of exposures that read raw events, so that looks alone ask them."""


def unit_notes(checks: Sequence[stats.QualityCheck], evidence: stats.Evidence) -> Iterator[QualityNote]:
    """What a look's raw events say of units: lost in one arm, or no people."""
    yield from exposure_notes([check for check in checks if check.name in UNIT_CHECKS], {})
    yield from suspicion_notes(evidence.quality.bots, evidence.counts)


def suspicion_notes(bots: Mapping[str, int], counts: Mapping[str, int]) -> Iterator[QualityNote]:
    """That some units behave as no person does, in whatever arm."""
    suspicious, exposed = sum(bots.values()), sum(counts.values())
    if exposed and suspicious / exposed > SUSPICIOUS_SHARE:
        told = " or ".join(rule.name for rule in SUSPICIOUS)
        yield QualityNote(
            "bots",
            NoteLevel.WARN,
            f"{suspicious:,} units behave as no person does ({told})",
            "They are counted. Declare a traffic filter in the project's settings before the next start.",
        )


def delivery_notes(
    unjoinable: Sequence[UnjoinableEvents], unit_type: str, delivered: DataQuality
) -> Iterator[QualityNote]:
    """What was lost on the way from exposures and events to units."""
    for events in unjoinable:
        share = events.without_unit / events.events
        if share > UNJOINABLE_SHARE:
            yield QualityNote(
                "join_loss",
                NoteLevel.WARN,
                f"{percent(share)} of the “{events.event}” events carry no {unit_type} id",
                f"They cannot be counted for anybody. Send units {{“{unit_type}”: …}} with each of them.",
            )
    if delivered.received and delivered.quarantined / delivered.received > QUARANTINED_SHARE:
        yield QualityNote(
            "quarantine",
            NoteLevel.WARN,
            f"{percent(delivered.quarantined / delivered.received)} of this environment's events are refused",
            "The data-quality page lists them with their faults.",
        )


def false_alarm_notes(srm: Srm) -> Iterator[QualityNote]:
    """That the split was locked once, and who signed that it was chance: for as long as there are results."""
    if srm.cleared_through is None or srm.confirmed_at is not None:
        return
    day = f"{srm.cleared_through.day} {srm.cleared_through:%B %Y}"
    names = " and ".join(f"{one.name} (“{one.reason}”)" for one in srm.signatures)
    yield QualityNote(
        "false_alarm",
        NoteLevel.WARN,
        f"The split was locked on {day}, and two people signed that it was a false alarm",
        f"{names}. Units that came after that day were in balance; the split is judged by them since.",
    )


def metric_notes(
    checks: Sequence[stats.QualityCheck],
    measured: Sequence[MeasuredMetric],
    arms: Mapping[str, ArmMoments],
) -> Iterator[QualityNote]:
    """What the metrics themselves say; never shown while they are withheld."""
    by_key = {one.metric.key: one.metric for one in measured}
    for check in checks:
        is_told = check.name in METRIC_CHECKS and check.outcome in _LEVELS and check.value is not None
        if not is_told or check.metric in {None, COMPOSITE}:
            continue
        assert check.value is not None
        assert check.metric is not None
        metric, arm = by_key[check.metric], check.variant or ""
        seen = _Seen(check, check.value, metric.name, arm, metric.display, arms.get(arm))
        yield _note(seen, METRIC_CHECKS[check.name])


def _note(seen: _Seen, said: _Said) -> QualityNote:
    title, message = said(seen)
    # A short run is a stage, no fault.
    is_stage = seen.check.name is stats.CheckName.FULL_WEEK
    level = NoteLevel.INFO if is_stage else _LEVELS[seen.check.outcome]
    return QualityNote(str(seen.check.name), level, title, message)


def _one_in(seen: _Seen) -> str:
    return chance(seen.value)


def _largest(seen: _Seen) -> str:
    assert seen.moments is not None, "its arm was seen"
    assert seen.check.metric is not None, "it is about a metric"
    key, moments = seen.check.metric, seen.moments.moments
    largest = seen.moments.largest[key]
    mean = float(moments.means[moments.names.index(key)])
    told = f"It has {amount(largest, seen.display)}."
    if moments.n < 2:  # noqa: PLR2004  # nobody is left
        return told
    others = (mean * moments.n - largest) / (moments.n - 1)
    return (
        f"{told} The mean per unit is {amount(mean, seen.display)} with it and"
        f" {amount(others, seen.display)} without."
    )
