"""The advisor: which way to shuffle units fits what the wizard was told, and what it costs in days."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from equipoise_server.dashboard import words
from equipoise_server.dashboard.pages.randomisation_forms import Scheme, scheme_of
from equipoise_server.experiments.values import Design, Spillover, Switchback

ASSUMED_CORRELATION = 0.05
DAYS_IN_WEEK = 7


@dataclass(frozen=True, slots=True)
class Option:
    """One way to shuffle units."""

    scheme: Scheme
    title: str
    why: str
    costs: str
    is_proposed: bool
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Advice:
    """What the advisor says to the answers so far; no options while nothing was answered."""

    sentence: str
    options: tuple[Option, ...] = ()


_SENTENCES = {
    Spillover.NOT_SAID: "Say whether variants can reach each other, and the advisor names the design.",
    Spillover.NONE: "Units do not reach each other: shuffle single ones. That is the shortest experiment.",
    Spillover.SUPPLY: (
        "Units compete for one supply: what the treatment takes is missing in the control, so a plain split "
        "shows an effect twice, or one that is not there."
    ),
    Spillover.SOCIAL: (
        "Units reach each other: the control sees some of the treatment, so a plain split shows too small an "
        "effect."
    ),
}
_PROPOSED = {
    Spillover.NONE: (Scheme.UNITS,),
    Spillover.SUPPLY: (Scheme.SWITCHBACK, Scheme.CLUSTERS),
    Spillover.SOCIAL: (Scheme.CLUSTERS,),
}


def advice_for(design: Design, plain: int | None) -> Advice:
    """What fits, with its price. `plain`: days of a plain split; None when it cannot be told."""
    proposed = _PROPOSED.get(design.spillover, ())
    if not proposed:
        return Advice(_SENTENCES[design.spillover])
    options = tuple(
        Option(
            scheme,
            _TITLES[scheme],
            _REASONS[scheme],
            _COSTS[scheme](design, plain),
            scheme is proposed[0],
            scheme is scheme_of(design),
        )
        for scheme in dict.fromkeys((*proposed, Scheme.UNITS))
    )
    return Advice(_SENTENCES[design.spillover], options)


_TITLES = {
    Scheme.UNITS: "Shuffle single units",
    Scheme.CLUSTERS: "Shuffle whole clusters",
    Scheme.SWITCHBACK: "Switch whole regions over time",
}
_REASONS = {
    Scheme.UNITS: "Right when nobody notices what others get.",
    Scheme.CLUSTERS: "Everybody in an account, city or group gets one variant, so what spreads stays inside.",
    Scheme.SWITCHBACK: "A region has one variant at a time, so either sees the whole market in turn.",
}


def _plain_costs(_design: Design, plain: int | None) -> str:
    return _days_words(plain)


def _cluster_costs(design: Design, plain: int | None) -> str:
    size = design.cluster_size or _size_by_count(design)
    if size is None:
        return "not known: say how many clusters there are, and fill in “Size and length”"
    correlation = design.cluster_correlation or ASSUMED_CORRELATION
    if plain is None:
        return _days_words(None)
    # The design effect, Kish 1965: what units in one cluster have in common is counted once.
    effect = 1 + (size - 1) * correlation
    told = _days_words(ceil(plain * effect / DAYS_IN_WEEK) * DAYS_IN_WEEK)
    return (
        f"{told} instead of {_days_words(plain)}, with {size:,.0f} units a cluster alike by {correlation:g}"
    )


def _size_by_count(design: Design) -> float | None:
    if design.cluster_count is None or design.daily_units is None or design.planned_days is None:
        return None
    return max(1.0, design.daily_units * design.planned_days / max(design.cluster_count, 1))


def _switchback_costs(design: Design, plain: int | None) -> str:
    plan = design.switchback or Switchback()
    told = f"{words.counted(plan.days, 'day')}, its whole schedule"
    beside = "" if plain is None else f", instead of {_days_words(plain)}"
    return f"{told}{beside}; how small an effect it finds shows once regions have been watched"


def _days_words(days: int | None) -> str:
    return "not known: fill in “Size and length”" if days is None else words.counted(days, "day")


_COSTS: dict[Scheme, Callable[[Design, int | None], str]] = {
    Scheme.UNITS: _plain_costs,
    Scheme.CLUSTERS: _cluster_costs,
    Scheme.SWITCHBACK: _switchback_costs,
}
