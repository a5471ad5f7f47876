"""What may be handed in beside the moments so that the data themselves can be checked.

Everything is optional: what is not given is not checked. Refuses to know how it is judged.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from equipoise_stats.intervals import Interval
from equipoise_stats.moments import Moments


@dataclass(frozen=True, slots=True)
class QualityEvidence:
    """Signs of the data's quality.

    before: variant → moments of the same metric columns before exposure, of the columns that are
    known. join_lost, bots: variant → exposed units without a joined outcome, or taken for bots.
    duplicates: exposures that repeat an earlier one, and all exposures. null_shares: metric →
    share of units without a value, 0..1, now and in the period before. past_lift_sds: metric →
    sd of the true lifts of past experiments. acknowledged: metrics whose surprise somebody has
    looked into. daily: (metric, treatment) → (effect, standard error) by day. sequences: (metric,
    treatment) → the confidence sequence's intervals so far. null_p_values: p-values of
    comparisons without a difference, oldest first, of the whole installation.
    """

    before: Mapping[str, Moments] = field(default_factory=dict)
    join_lost: Mapping[str, int] = field(default_factory=dict)
    bots: Mapping[str, int] = field(default_factory=dict)
    duplicates: tuple[int, int] | None = None
    null_shares: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    past_lift_sds: Mapping[str, float] = field(default_factory=dict)
    acknowledged: frozenset[str] = frozenset()
    daily: Mapping[tuple[str, str], Sequence[tuple[float, float]]] = field(default_factory=dict)
    sequences: Mapping[tuple[str, str], Sequence[Interval]] = field(default_factory=dict)
    null_p_values: Sequence[float] = ()


def quality_problems(
    given: QualityEvidence,
    counts: Mapping[str, int],
    *,
    metrics: Collection[str],
    treatments: Collection[str],
) -> Iterator[str]:
    """Every way in which the signs cannot be. counts: exposed units of the variants that have any."""
    for name, units in (("join_lost", given.join_lost), ("bots", given.bots)):
        for key, n in units.items():
            if not 0 <= n <= counts.get(key, 0):
                yield f"{name}[{key!r}] lies in 0 to the exposed units, {counts.get(key, 0)}"
    if given.duplicates is not None and not 0 <= given.duplicates[0] <= given.duplicates[1]:
        yield "duplicates: the repeated exposures lie in 0 to all exposures"
    named = (
        ("null_shares", given.null_shares),
        ("past_lift_sds", given.past_lift_sds),
        ("acknowledged", given.acknowledged),
    )
    for name, keys in named:
        yield from (f"{name}: {key!r} is not a metric of the plan" for key in keys if key not in metrics)
    yield from _pair_problems(given, metrics, treatments)
    yield from _number_problems(given)


def _pair_problems(
    given: QualityEvidence, metrics: Collection[str], treatments: Collection[str]
) -> Iterator[str]:
    for name, keys in (("daily", list(given.daily)), ("sequences", list(given.sequences))):
        for metric, treatment in keys:
            if metric not in metrics or treatment not in treatments:
                yield f"{name}: {metric!r} of {treatment!r} is not compared in the plan"


def _number_problems(given: QualityEvidence) -> Iterator[str]:
    for metric, shares in given.null_shares.items():
        if not all(0 <= share <= 1 for share in shares):
            yield f"null_shares[{metric!r}] lie in 0..1"
    yield from (
        f"past_lift_sds[{key!r}] must be 0 or more" for key, sd in given.past_lift_sds.items() if not sd >= 0
    )
    for (metric, treatment), days in given.daily.items():
        if not all(error > 0 for _, error in days):
            yield f"daily[{metric!r}, {treatment!r}]: standard errors are above 0"
    if not all(0 <= p <= 1 for p in given.null_p_values):
        yield "null_p_values lie in 0..1"
