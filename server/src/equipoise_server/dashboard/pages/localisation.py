"""Where a broken split comes from, as the locked page and the Health tab show it: counts alone."""

from __future__ import annotations

from dataclasses import dataclass

from equipoise_server.analysis.values import Localisation, Report
from equipoise_server.dashboard import words


@dataclass(frozen=True, slots=True)
class SuspectLine:
    """Units that share an attribute: how many per arm, and how likely that is."""

    label: str
    counts: tuple[str, ...]
    p_value: str
    p_value_without: str
    is_suspect: bool


@dataclass(frozen=True, slots=True)
class StageLine:
    """How many units came this far."""

    name: str
    counts: tuple[str, ...]
    p_value: str
    is_broken: bool


@dataclass(frozen=True, slots=True)
class WhereFrom:
    """The suspects, the first odd day and the stages."""

    arms: tuple[str, ...]
    suspects: tuple[SuspectLine, ...]
    since: str
    stages: tuple[StageLine, ...]

    @property
    def has_suspect(self) -> bool:
        """Whether some units stand out by themselves."""
        return any(one.is_suspect for one in self.suspects)


def where_from(report: Report) -> WhereFrom | None:
    """What is known of the cause; None while the split is fine."""
    found = report.srm.localisation
    return None if found is None else _where_from(found, tuple(arm.name for arm in report.arms))


def _where_from(found: Localisation, arms: tuple[str, ...]) -> WhereFrom:
    return WhereFrom(
        arms=arms,
        suspects=tuple(
            SuspectLine(
                f"{one.attribute}: {one.value}",
                tuple("under 20" if count is None else words.whole(count) for count in one.counts),
                words.p_value(one.p_value),
                words.p_value(one.p_value_without),
                one.is_suspect,
            )
            for one in found.suspects
        ),
        since="" if found.since is None else words.day(found.since),
        stages=tuple(
            StageLine(
                one.name,
                tuple(map(words.whole, one.counts)),
                words.p_value(one.p_value),
                one.name == found.first_broken_stage,
            )
            for one in found.stages
        ),
    )
