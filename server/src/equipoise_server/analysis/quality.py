"""Notes on the data itself, in words. Notes on exposures may be read while metrics are withheld. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import equipoise_stats as stats
from equipoise_server.analysis.moments import ArmMoments, UnjoinableEvents
from equipoise_server.analysis.plan import MeasuredMetric
from equipoise_server.analysis.sentences import amount, percent
from equipoise_server.analysis.values import NoteLevel, QualityNote
from equipoise_server.events.values import DataQuality

UNJOINABLE_SHARE = 0.01
QUARANTINED_SHARE = 0.01
_LEVELS = {
    stats.Outcome.WARN: NoteLevel.WARN,
    stats.Outcome.BLOCK: NoteLevel.BLOCK,
}


def exposure_notes(
    checks: Sequence[stats.QualityCheck], strangers: Mapping[str, int]
) -> Iterator[QualityNote]:
    """What the exposures alone say."""
    for check in checks:
        if (
            check.name is stats.CheckName.CROSSED_UNITS
            and check.outcome in _LEVELS
            and check.value is not None
        ):
            yield QualityNote(
                "crossed_units",
                _LEVELS[check.outcome],
                f"{percent(check.value, 2)} of the units met several variants",
                f"They stay in the variant they met first. Above {percent(check.threshold)} look into it:"
                " usually the unit id is not stable.",
            )
        if check.name is stats.CheckName.FULL_WEEK and check.outcome is stats.Outcome.WARN:
            yield QualityNote(
                "full_week",
                NoteLevel.INFO,
                "Less than one full week",
                "People behave differently on weekends; wait for a full week before deciding.",
            )
        if check.name is stats.CheckName.MORE_UNITS_THAN_EXPOSED and check.outcome in _LEVELS:
            yield QualityNote(
                "more_units_than_exposed",
                _LEVELS[check.outcome],
                f"“{check.variant}” has more units with outcomes than were exposed",
                "Outcomes and exposures do not fit together; report this as a fault of the server.",
            )
    for variant, units in strangers.items():
        yield QualityNote(
            "unknown_variant",
            NoteLevel.WARN,
            f"{units:,} units were exposed to “{variant}”, which the design does not have",
            "They are left out. Is a stale snapshot or a hand-written event in use?",
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


def metric_notes(
    checks: Sequence[stats.QualityCheck],
    measured: Sequence[MeasuredMetric],
    arms: Mapping[str, ArmMoments],
) -> Iterator[QualityNote]:
    """What single units do to a metric; never shown while metrics are withheld."""
    by_key = {one.metric.key: one.metric for one in measured}
    for check in checks:
        is_large = check.name is stats.CheckName.LARGEST_UNIT and check.outcome is stats.Outcome.WARN
        if not is_large or check.metric is None or check.variant is None or check.value is None:
            continue
        metric, arm = by_key[check.metric], arms[check.variant]
        yield QualityNote(
            "largest_unit",
            NoteLevel.WARN,
            f"One unit carries {percent(check.value)} of {metric.name} in “{check.variant}”",
            f"It has {amount(arm.largest[check.metric], metric.display)}."
            f" {_without(arm, check.metric, metric.display)} A cap would limit what one unit can do.",
        )


def _without(arm: ArmMoments, key: str, display: str) -> str:
    moments = arm.moments
    mean = float(moments.means[moments.names.index(key)])
    if moments.n < 2:  # noqa: PLR2004  # nobody is left
        return ""
    others = (mean * moments.n - arm.largest[key]) / (moments.n - 1)
    return f"The mean per unit is {amount(mean, display)} with it and {amount(others, display)} without."
