"""Clusters were randomised (stores, teams, classes): inference on cluster totals.

Knows each cluster's total and size. The number of clusters chooses the method, because what
holds with forty fails with ten; below four an arm there is no honest answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

import numpy as np
from scipy import stats

from equipoise_stats.estimates import Status, Undefined
from equipoise_stats.faults import require
from equipoise_stats.intervals import Interval, t_critical, t_p_value
from equipoise_stats.moments import FloatArray
from equipoise_stats.srm import Srm, judge_srm

FEWEST_CLUSTERS = 4
# Up to so many clusters the permutation of labels gives the p-value.
PERMUTED_CLUSTERS = 16
# From so many on the delta method needs no correction.
MANY_CLUSTERS = 40
_CR2_CLUSTERS = 10
_MOST_ASSIGNMENTS = 20_000


class ClusterMethod(StrEnum):
    """How the interval was made."""

    CLUSTER_MEANS = "cluster_means"
    CR2 = "cr2"
    DELTA = "delta"


@dataclass(frozen=True, slots=True, eq=False)
class ClusterTable:
    """One row per cluster: totals (G,) of the metric, sizes (G,) in members, treated (G,) bools.

    Membership and treatment as frozen at launch. Raises InputError with every fault.
    """

    totals: FloatArray
    sizes: FloatArray
    treated: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]

    def __post_init__(self) -> None:
        totals, sizes = np.array(self.totals, dtype=np.float64), np.array(self.sizes, dtype=np.float64)
        treated = np.array(self.treated)
        require(
            (totals.ndim == 1 and totals.shape == sizes.shape == treated.shape, "give one row per cluster"),
            (bool(np.isfinite(totals).all()), "totals must be finite"),
            (
                bool((np.isfinite(sizes) & (sizes > 0)).all()),
                "sizes must be above 0: drop empty clusters",
            ),
            (bool(np.isin(treated, (0, 1)).all()), "treated is true or false"),
        )
        object.__setattr__(self, "totals", totals)
        object.__setattr__(self, "sizes", sizes)
        object.__setattr__(self, "treated", treated.astype(bool))

    @property
    def means(self) -> FloatArray:
        """The clusters' own means, (G,)."""
        return self.totals / self.sizes

    @property
    def counts(self) -> tuple[int, int]:
        """Clusters in treatment and control."""
        treated = int(self.treated.sum())
        return treated, len(self.treated) - treated


@dataclass(frozen=True, slots=True)
class ClusterEffect:
    """An effect per member (CLUSTER_MEANS: per cluster) with what its t interval rests on."""

    effect: Interval
    standard_error: float
    degrees_of_freedom: float
    p_value: float
    method: ClusterMethod
    permuted: bool


def cluster_effect(
    table: ClusterTable, *, rng: np.random.Generator, alpha: float = 0.05
) -> ClusterEffect | Undefined:
    """The effect by the method that the number of clusters allows.

    From 40 clusters on delta with t(G - 2); from 10 CR2; below, cluster means. Up to 16 the
    p-value is that of permuted labels; the interval may then disagree with it at the border.
    """
    if min(table.counts) < FEWEST_CLUSTERS:
        return Undefined(Status.TOO_FEW_CLUSTERS)
    clusters = len(table.treated)
    at_least = next(least for least in _BY_CLUSTERS if clusters >= least)
    found = _BY_CLUSTERS[at_least](table, alpha)
    if isinstance(found, Undefined) or clusters > PERMUTED_CLUSTERS:
        return found
    p = permutation_p_value(table.means, table.treated, rng=rng)
    return ClusterEffect(
        found.effect, found.standard_error, found.degrees_of_freedom, p, found.method, permuted=True
    )


def delta_effect(table: ClusterTable, alpha: float = 0.05) -> ClusterEffect | Undefined:
    """Ratio of totals per arm, delta variance over clusters, t with G - 2 degrees of freedom."""
    reason = _too_few(table)
    if reason is not None:
        return reason
    variance = sum(_delta_variance(*_arm(table, treated=arm)) for arm in (True, False))
    return _effect(_difference(table), variance, len(table.treated) - 2, ClusterMethod.DELTA, alpha=alpha)


def cr2_effect(table: ClusterTable, alpha: float = 0.05) -> ClusterEffect | Undefined:
    """The same effect with CR2 variance and Satterthwaite degrees of freedom (Bell & McCaffrey 2002).

    For two arms A_g = (I - 11'/N_w)^(-1/2) has a closed form in the cluster sizes alone. The
    working model is of independent members (Pustejovsky & Tipton 2018, eq. 11).
    """
    reason = _too_few(table)
    if reason is not None:
        return reason
    variance, spreads = 0.0, []
    for arm in (True, False):
        totals, sizes = _arm(table, treated=arm)
        whole = sizes.sum()
        leverage = sizes / whole
        left = totals - totals.sum() / whole * sizes
        variance += float(np.sum(left**2 / (1 - leverage)) / whole**2)
        weights = sizes / np.sqrt(1 - leverage)
        spreads.append(np.diag(leverage / (1 - leverage) / whole) - np.outer(weights, weights) / whole**3)
    trace = sum(float(np.trace(s)) for s in spreads)
    squares = sum(float(np.sum(s * s)) for s in spreads)
    return _effect(_difference(table), variance, trace**2 / squares, ClusterMethod.CR2, alpha=alpha)


def means_effect(table: ClusterTable, alpha: float = 0.05) -> ClusterEffect | Undefined:
    """The difference of unweighted cluster means, t with G - 2 degrees of freedom.

    Its estimand weighs clusters, not members, equally.
    """
    reason = _too_few(table)
    if reason is not None:
        return reason
    treatment, control = table.means[table.treated], table.means[~table.treated]
    variance = float(np.var(treatment, ddof=1) / len(treatment) + np.var(control, ddof=1) / len(control))
    effect = float(treatment.mean() - control.mean())
    df = len(table.treated) - 2
    return _effect(effect, variance, df, ClusterMethod.CLUSTER_MEANS, alpha=alpha)


def permutation_p_value(
    values: Sequence[float] | FloatArray,
    treated: Sequence[bool] | np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    *,
    rng: np.random.Generator,
    draws: int = 9999,
) -> float:
    """The two-sided p-value of a difference of cluster means over re-assigned labels (Fisher 1935).

    All assignments when there are at most 20,000, else `draws` of them and the observed one.
    With 4 + 4 clusters it cannot go below 2/70.
    """
    y, w = np.asarray(values, dtype=np.float64), np.asarray(treated, dtype=bool)
    require(
        (y.ndim == 1 and y.shape == w.shape, "give one label per value"),
        (0 < int(w.sum()) < len(w), "both arms need clusters"),
        (draws >= 1, "draws: at least 1"),
    )
    k, total = int(w.sum()), float(y.sum())
    observed = abs(y[w].mean() - y[~w].mean())
    everything = math.comb(len(y), k) <= _MOST_ASSIGNMENTS
    if everything:
        sums = np.array([y[list(chosen)].sum() for chosen in combinations(range(len(y)), k)])
    else:
        order = np.argsort(rng.random((draws, len(y))), axis=1)[:, :k]
        sums = y[order].sum(axis=1)
    differences = np.abs(sums / k - (total - sums) / (len(y) - k))
    # Ties with the observed assignment count, whatever rounding did to them.
    extreme = int(np.sum(differences >= observed * (1 - 1e-12)))
    return extreme / len(sums) if everything else (extreme + 1) / (draws + 1)


@dataclass(frozen=True, slots=True)
class ClusterSrm:
    """Did the split hold at both levels? sizes_p_value: are clusters equally large in both arms."""

    clusters: Srm
    sizes_p_value: float | None


def cluster_srm(table: ClusterTable, treated_share: float = 0.5) -> ClusterSrm:
    """SRM on clusters, and a t test on their sizes.

    Members arrive by cluster, so a chi-squared on members would cry wolf. The p-value is None
    when all clusters are equally large or an arm has fewer than two.
    """
    require((0 < treated_share < 1, "treated_share lies between 0 and 1"))
    match = judge_srm(table.counts, (treated_share, 1 - treated_share))
    sizes = table.sizes[table.treated], table.sizes[~table.treated]
    if min(table.counts) < 2 or all(float(np.ptp(s)) == 0 for s in sizes):  # noqa: PLR2004 - a variance needs two
        return ClusterSrm(match, None)
    return ClusterSrm(match, float(stats.ttest_ind(*sizes, equal_var=False).pvalue))


def _arm(table: ClusterTable, *, treated: bool) -> tuple[FloatArray, FloatArray]:
    rows = table.treated if treated else ~table.treated
    return table.totals[rows], table.sizes[rows]


def _difference(table: ClusterTable) -> float:
    (t, nt), (c, nc) = _arm(table, treated=True), _arm(table, treated=False)
    return float(t.sum() / nt.sum() - c.sum() / nc.sum())


def _delta_variance(totals: FloatArray, sizes: FloatArray) -> float:
    """Var of sum(S)/sum(N) over clusters: sum (S - R N)² G/(G - 1) / (sum N)²."""
    clusters = len(sizes)
    left = totals - totals.sum() / sizes.sum() * sizes
    return float(np.sum(left**2) * clusters / (clusters - 1) / sizes.sum() ** 2)


def _too_few(table: ClusterTable) -> Undefined | None:
    # A variance needs two clusters an arm; the caller may ask for more.
    return Undefined(Status.TOO_FEW_CLUSTERS) if min(table.counts) < 2 else None  # noqa: PLR2004


def _effect(
    effect: float, variance: float, df: float, method: ClusterMethod, *, alpha: float
) -> ClusterEffect | Undefined:
    if variance <= 0:
        return Undefined(Status.ZERO_VARIANCE)
    error = math.sqrt(variance)
    reach = float(t_critical(alpha, df)) * error
    interval = Interval(effect, effect - reach, effect + reach, 1 - alpha)
    p = float(t_p_value(effect / error, df))
    return ClusterEffect(interval, error, df, p, method, permuted=False)


# The first entry whose number of clusters is reached.
_BY_CLUSTERS = {MANY_CLUSTERS: delta_effect, _CR2_CLUSTERS: cr2_effect, FEWEST_CLUSTERS: means_effect}
