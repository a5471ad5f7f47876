"""The Health tab: can these numbers be trusted? Split, crossers and data quality; no metric at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from equipoise_server.analysis.values import NoteLevel, QualityNote, Report, SrmState
from equipoise_server.dashboard import words
from equipoise_server.dashboard.badges import BadgeTone
from equipoise_server.dashboard.pages.figures import ArmNames, Figure, exposures_figure, srm_figure
from equipoise_server.dashboard.pages.localisation import WhereFrom, where_from
from equipoise_server.dashboard.pages.unit_flow import FunnelCard, TrafficCard, funnel_card, traffic_card


@dataclass(frozen=True, slots=True)
class ArmLine:
    """How many units one arm got, beside what the plan gave it."""

    name: str
    index: int
    exposed: int
    seen_share: str
    planned_share: str
    expected: int | None
    crossed: int


@dataclass(frozen=True, slots=True)
class HealthTab:
    """What the tab shows; `computed_at` is None until the first report."""

    computed_at: datetime | None
    srm_state: SrmState = SrmState.NO_DATA
    srm_tone: BadgeTone = BadgeTone.QUIET
    srm_p: str = ""
    srm_one_in: str = ""
    srm_history: Figure | None = None
    arms: tuple[ArmLine, ...] = ()
    exposed: int = 0
    exposures: Figure | None = None
    notes: tuple[QualityNote, ...] = ()
    where_from: WhereFrom | None = None
    funnel: FunnelCard | None = None
    traffic: TrafficCard | None = None

    @property
    def worst(self) -> NoteLevel | None:
        """The most serious note, if there is any."""
        levels = {note.level for note in self.notes}
        return next((level for level in reversed(NoteLevel) if level in levels), None)


_TONES = {
    SrmState.PASS: BadgeTone.GOOD,
    SrmState.WARN: BadgeTone.WARN,
    SrmState.ALERTED: BadgeTone.BAD,
    SrmState.LOCKED: BadgeTone.BAD,
    SrmState.NO_DATA: BadgeTone.QUIET,
}


def health_tab(report: Report | None, arms: ArmNames) -> HealthTab:
    """The tab of an iteration's report."""
    if report is None:
        return HealthTab(None)
    total = sum(arm.exposed for arm in report.arms)
    planned = sum(arm.planned_share for arm in report.arms)
    return HealthTab(
        computed_at=report.computed_at,
        srm_state=report.srm.state,
        srm_tone=_TONES[report.srm.state],
        srm_p=words.p_value(report.srm.p_value),
        srm_one_in=words.one_in(report.srm.p_value),
        srm_history=srm_figure(report.srm),
        arms=tuple(
            ArmLine(
                name=arm.name,
                index=arms.index(arm.arm),
                exposed=arm.exposed,
                seen_share=words.percent(arm.exposed / total, 2) if total else words.UNKNOWN,
                planned_share=words.percent(arm.planned_share / planned, 2) if planned else words.UNKNOWN,
                expected=round(total * arm.planned_share / planned) if planned else None,
                crossed=arm.crossed,
            )
            for arm in report.arms
        ),
        exposed=total,
        exposures=exposures_figure(report.exposures_over_time, arms),
        notes=report.notes,
        where_from=_cause(report),
        funnel=funnel_card(report),
        traffic=traffic_card(report),
    )


def _cause(report: Report) -> WhereFrom | None:
    """Where a broken split comes from; how far units came has a card of its own, if it is known."""
    found = where_from(report)
    return found if found is None or report.funnel is None else replace(found, stages=())
