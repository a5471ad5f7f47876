"""Who would get what if a draft were launched now, how large its audience is, and what is held back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from equipoise_server.analysis.reads import AudienceSize
from equipoise_server.dashboard import words
from equipoise_server.dashboard.forms import Form
from equipoise_server.dashboard.pages.flags import Explanation, explanation
from equipoise_server.experiments.values import Covering, Design
from equipoise_server.snapshots.reads import DraftAnswer, DraftShares


@dataclass(frozen=True, slots=True)
class AudiencePanel:
    """The size of an audience; `reason` says why it is not known."""

    per_day: str = ""
    enrolled_per_day: str = ""
    """Of these, through the gate and the slots."""
    basis: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ShareLine:
    """One arm, or one way not to be in the experiment, with its share of the sample."""

    name: str
    share: str
    percent: float
    is_arm: bool


@dataclass(frozen=True, slots=True)
class WhoGetsWhat:
    """The preview of a draft."""

    lines: tuple[ShareLine, ...]
    units: str
    missing: tuple[str, ...]
    coverings: tuple[Covering, ...]
    explanations: tuple[tuple[str, Explanation], ...]
    """(flag key, what one unit would get of it)."""
    question: Form
    unit_type: str
    cluster_type: str
    asks_for_time: bool


def audience_panel(size: AudienceSize, design: Design) -> AudiencePanel:
    """The panel of an estimate."""
    if size.units_per_day is None:
        return AudiencePanel(reason=size.reason)
    taken = design.slot_share * design.audience_parts_per_million / 1_000_000
    return AudiencePanel(
        per_day=words.whole(round(size.units_per_day)),
        enrolled_per_day=words.whole(round(size.units_per_day * taken)),
        basis=f"{words.whole(size.eligible)} of {words.whole(size.units)} {design.unit_type}s "
        f"that anything was exposed to in {size.days:g} days",
    )


def who_gets_what(
    design: Design,
    shares: DraftShares,
    answers: Sequence[DraftAnswer],
    *,
    coverings: Sequence[Covering],
    question: Form,
) -> WhoGetsWhat:
    """The preview's facts in words."""
    return WhoGetsWhat(
        lines=_lines(design, shares),
        units=words.whole(shares.units),
        missing=shares.missing,
        coverings=tuple(coverings),
        explanations=tuple(
            (answer.flag_key, explanation(question.text("unit"), answer.decision, answer.steps))
            for answer in answers
        ),
        question=question,
        unit_type=design.unit_type,
        cluster_type=design.cluster_type,
        asks_for_time=design.switchback is not None,
    )


def _lines(design: Design, shares: DraftShares) -> tuple[ShareLine, ...]:
    if not shares.units:
        return ()
    arms = [(arm.name or arm.key, shares.arms[arm.key], True) for arm in design.arms]
    rest = [
        ("Kept on the baseline by a holdout", shares.held, False),
        ("In another experiment", shares.elsewhere, False),
        ("Not in it: outside its slots or share", shares.outside, False),
    ]
    return tuple(
        ShareLine(name, words.percent(count / shares.units), 100 * count / shares.units, is_arm)
        for name, count, is_arm in (*arms, *(line for line in rest if line[1]))
    )
