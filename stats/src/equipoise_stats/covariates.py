"""Less noise from what was known before: regression adjustment and strata, from moments.

Knows arms by name and columns by name. Whether a column was measured before exposure is the
caller's promise; an adjustment for anything later is biased.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from equipoise_stats.estimates import Estimate, Status
from equipoise_stats.faults import require
from equipoise_stats.moments import FloatArray, Moments, merge_all
from equipoise_stats.quantities import Quantity, Tangent, estimate_of, tangent

Arms = Mapping[str, Moments]

# A stratum with fewer units in an arm has no variance worth using (Miratrix, Sekhon & Yu 2013).
SMALLEST_STRATUM = 20
# Slopes of their own need this many units per coefficient in every arm.
_UNITS_PER_SLOPE = 20
_RIDGE = 1e-8
_DUST = 1e-12


class Slopes(StrEnum):
    """One set of slopes for all arms (CUPED), one per arm (Lin 2013), or no adjustment."""

    POOLED = "pooled"
    INTERACTED = "interacted"
    NONE = "none"


@dataclass(frozen=True, slots=True, eq=False)
class Adjustment:
    """Adjusted estimates of all arms and how they vary together.

    estimates: in the order of `variants`; unit_variance is the variance times n.
    covariance: (arms, arms) of the estimates; off the diagonal what the shared covariate mean or
    stratum shares bring. within: the same, given covariates and strata. Both are zero where an
    arm's status is not OK. covariates: those used; slopes: of the least adjusted stratum.
    """

    variants: tuple[str, ...]
    estimates: tuple[Estimate, ...]
    covariance: FloatArray
    within: FloatArray
    covariates: tuple[Quantity, ...]
    slopes: Slopes

    def of(self, variant: str) -> Estimate:
        """One arm's adjusted estimate."""
        return self.estimates[self.variants.index(variant)]

    def shared(self, one: str, other: str) -> float:
        """K, the covariance of two arms' estimates, for fieller_bounds and contrasts."""
        return float(self.covariance[self.variants.index(one), self.variants.index(other)])


def adjust(
    arms: Arms,
    outcome: Quantity,
    covariates: Sequence[Quantity] = (),
    *,
    slopes: Slopes | None = None,
) -> Adjustment:
    """Adjust one outcome for covariates measured before exposure.

    mu_w = Y_w - b_w'(X_w - X), with X over all arms; Var = s2_w/n_w + b_w' S_X b_w/n, s2_w with
    n_w - p - 1 degrees of freedom (n_w - 1 with pooled slopes, as CUPED is defined), and covariance
    b_T' S_X b_C/n (Lin 2013; Negi & Wooldridge 2021, thm. 3; Ye et al. 2022).
    slopes: as the sizes allow when not given; INTERACTED from 20 units per coefficient on.
    Covariates without variance are dropped. Raises InputError for unknown columns.
    """
    return adjust_within((arms,), outcome, covariates, slopes=slopes)


def adjust_within(
    strata: Sequence[Arms],
    outcome: Quantity,
    covariates: Sequence[Quantity] = (),
    *,
    slopes: Slopes | None = None,
) -> Adjustment:
    """Adjust within strata (attributes or allocation epochs), then weigh them by their units.

    mu_w = sum_k p_k mu_wk; Var = sum p_k² V_wk + sum p_k (mu_wk - mu_w)²/n (Miratrix, Sekhon & Yu
    2013, eq. 8, with the superpopulation term). All strata hold the same arms; see
    `comparable_strata` and `merge_sparse_strata`.
    """
    _check(strata, outcome, covariates)
    read = tuple(dict.fromkeys(c for quantity in (outcome, *covariates) for c in quantity.columns))
    strata = [{variant: arm.select(read) for variant, arm in stratum.items()} for stratum in strata]
    variants = tuple(strata[0])
    sizes = np.array([sum(arm.n for arm in stratum.values()) for stratum in strata], dtype=np.float64)
    whole = {variant: merge_all(stratum[variant] for stratum in strata) for variant in variants}
    raw = [estimate_of(whole[variant], outcome) for variant in variants]
    usable = [v for v, estimate in zip(variants, raw, strict=True) if estimate.status is Status.OK]
    if not usable:
        return _unadjusted(variants, raw)
    shares = sizes / sizes.sum()
    kept = _varying([whole[v] for v in usable], covariates)
    tangents = {v: _stratified_tangent(strata, v, shares, (outcome, *kept)) for v in usable}
    common = tangent(read, merge_all(whole[v] for v in usable).means, kept)
    arms = [{v: stratum[v] for v in usable} for stratum in strata]
    parts = [_stratum(stratum, tangents, common, slopes) for stratum in arms]
    return _combined(variants, raw, usable, parts, shares=shares, units=float(sizes.sum()), kept=kept)


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """One stratum's adjusted values (arms,) and their covariance (arms, arms), within and in all."""

    values: FloatArray
    within: FloatArray
    covariance: FloatArray
    slopes: Slopes


def _stratified_tangent(
    strata: Sequence[Arms], variant: str, shares: FloatArray, quantities: Sequence[Quantity]
) -> Tangent:
    means = np.array([stratum[variant].means for stratum in strata])
    return tangent(strata[0][variant].names, shares @ means, quantities)


def _stratum(arms: Arms, tangents: Mapping[str, Tangent], common: Tangent, asked: Slopes | None) -> _Part:
    """Adjust the arms of one stratum to their common covariate means."""
    values = np.array([tangents[v].values_at(arm) for v, arm in arms.items()])
    spreads = np.array([tangents[v].covariance(arm) for v, arm in arms.items()])
    units = np.array([arm.n for arm in arms.values()], dtype=np.float64)
    slopes = _allowed(asked, units, len(common.values))
    if slopes is Slopes.NONE:
        within = np.diag(spreads[:, 0, 0] / units)
        return _Part(values[:, 0], within, within, slopes)
    everyone = merge_all(arms.values())
    b = _slopes(spreads, units, pooled=slopes is Slopes.POOLED)
    adjusted = values[:, 0] - np.sum(b * (values[:, 1:] - common.values_at(everyone)), axis=1)
    lost = b.shape[1] if slopes is Slopes.INTERACTED else 0
    within = np.diag(_residual_variances(spreads, b, units=units, lost=lost) / units)
    shared = b @ common.covariance(everyone) @ b.T / everyone.n
    return _Part(adjusted, within, within + shared, slopes)


def _slopes(spreads: FloatArray, units: FloatArray, *, pooled: bool) -> FloatArray:
    """Slopes (arms, p), with a ridge on the scale of each covariate so that none is singular."""
    pool = np.average(spreads, axis=0, weights=units - 1)
    if pooled:
        spreads = np.broadcast_to(pool, spreads.shape)
    # A covariate that varies in the whole may still be constant in every arm of a stratum.
    scale = np.sqrt(np.diagonal(pool)[1:])
    scale = np.where(scale > 0, scale, 1.0)
    xx = spreads[:, 1:, 1:] / np.outer(scale, scale) + _RIDGE * np.eye(len(scale))
    xy = spreads[:, 1:, 0] / scale
    return np.asarray(np.linalg.solve(xx, xy[:, :, None])[:, :, 0] / scale, dtype=np.float64)


def _residual_variances(spreads: FloatArray, b: FloatArray, *, units: FloatArray, lost: int) -> FloatArray:
    """s2_w of y - b'x, (arms,), with as many degrees of freedom lost as an arm chose slopes."""
    explained = 2 * np.einsum("wj,wj->w", b, spreads[:, 1:, 0])
    left = spreads[:, 0, 0] - explained + np.einsum("wi,wij,wj->w", b, spreads[:, 1:, 1:], b)
    return np.asarray(np.maximum(left, 0.0) * (units - 1) / (units - 1 - lost), dtype=np.float64)


def _allowed(asked: Slopes | None, units: FloatArray, coefficients: int) -> Slopes:
    """The richest slopes that the smallest arm can carry, at most those asked for."""
    smallest = float(units.min())
    if coefficients == 0 or smallest <= coefficients + 1:
        return Slopes.NONE
    if asked is not None:
        return asked
    enough = smallest >= _UNITS_PER_SLOPE * (coefficients + 1)
    return Slopes.INTERACTED if enough else Slopes.POOLED


def _combined(
    variants: tuple[str, ...],
    raw: Sequence[Estimate],
    usable: Sequence[str],
    parts: Sequence[_Part],
    *,
    shares: FloatArray,
    units: float,
    kept: tuple[Quantity, ...],
) -> Adjustment:
    by_stratum = np.array([part.values for part in parts])
    values = shares @ by_stratum
    apart = by_stratum - values
    squares = shares[:, None, None] ** 2
    between = (apart * shares[:, None]).T @ apart / units
    within = np.sum(squares * [part.within for part in parts], axis=0)
    total = np.sum(squares * [part.covariance for part in parts], axis=0) + between
    at = [variants.index(variant) for variant in usable]
    covariance, inside = np.zeros((2, len(variants), len(variants)))
    covariance[np.ix_(at, at)], inside[np.ix_(at, at)] = total, within
    estimates = list(raw)
    for row, place in enumerate(at):
        estimates[place] = _estimate(
            raw[place], float(values[row]), variance=float(total[row, row]), within=float(within[row, row])
        )
    least = min((part.slopes for part in parts), key=list(reversed(Slopes)).index)
    used = () if least is Slopes.NONE else kept
    return Adjustment(variants, tuple(estimates), covariance, inside, used, least)


def _estimate(raw: Estimate, value: float, *, variance: float, within: float) -> Estimate:
    # What is left of a perfectly predicted outcome is rounding; arms cannot differ by it.
    if raw.variance is None or within <= _DUST * raw.variance:
        return Estimate(raw.n, value, None, None, Status.ZERO_VARIANCE)
    return Estimate(raw.n, value, variance, variance * raw.n, Status.OK)


def _unadjusted(variants: tuple[str, ...], raw: Sequence[Estimate]) -> Adjustment:
    nothing = np.zeros((len(variants), len(variants)))
    return Adjustment(variants, tuple(raw), nothing, nothing, (), Slopes.NONE)


def _varying(arms: Sequence[Moments], covariates: Sequence[Quantity]) -> tuple[Quantity, ...]:
    """The covariates that can explain anything: positive denominators, some variance."""
    everyone = merge_all(arms)
    return tuple(c for c in covariates if estimate_of(everyone, c).status is Status.OK)


def comparable_strata(
    strata: Sequence[Arms], variants: Sequence[str], *, smallest: int = SMALLEST_STRATUM
) -> tuple[Arms, ...]:
    """The strata in which every one of these arms has enough units, cut to these arms.

    For allocation epochs: an epoch in which an arm was closed cannot compare it, and joining it
    to another would bring the epochs' difference into the effect.
    """
    cut = ({v: stratum.get(v) for v in variants} for stratum in strata)
    held = ({v: m for v, m in arms.items() if m is not None and m.n >= smallest} for arms in cut)
    return tuple(arms for arms in held if len(arms) == len(variants))


def merge_sparse_strata(strata: Sequence[Arms], *, smallest: int = SMALLEST_STRATUM) -> tuple[Arms, ...]:
    """Join the strata with few units in some arm, for attributes; all strata hold the same arms."""
    large = [s for s in strata if min(arm.n for arm in s.values()) >= smallest]
    sparse = [s for s in strata if min(arm.n for arm in s.values()) < smallest]
    if not sparse:
        return tuple(large)
    rest: Arms = {v: merge_all(s[v] for s in sparse) for v in sparse[0]}
    if min(arm.n for arm in rest.values()) >= smallest or not large:
        return (*large, rest)
    smallest_large = min(large, key=lambda s: sum(arm.n for arm in s.values()))
    joined = {v: rest[v].merge(smallest_large[v]) for v in rest}
    return (*(s for s in large if s is not smallest_large), joined)


def fill_missing(values: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """A covariate with gaps as two columns: zeros in the gaps, and 1 where there was one.

    values: (n,) with NaN for "not known before". Never drop such units (Zhao & Ding 2022).
    """
    given = np.asarray(values, dtype=np.float64)
    missing = np.isnan(given)
    return np.where(missing, 0.0, given), missing.astype(np.float64)


def _check(strata: Sequence[Arms], outcome: Quantity, covariates: Sequence[Quantity]) -> None:
    variants = set(strata[0]) if strata else set()
    arms = [arm for stratum in strata for arm in stratum.values()]
    names = set.intersection(*(set(arm.names) for arm in arms)) if arms else set()
    wanted = dict.fromkeys(c for quantity in (outcome, *covariates) for c in quantity.columns)
    require(
        (bool(variants), "strata: at least one, with at least one arm"),
        (all(set(stratum) == variants for stratum in strata), "strata: all must hold the same arms"),
        (len(strata) <= 1 or all(arm.n > 1 for arm in arms), "strata: every arm needs 2 units or more"),
        *((column in names, f"moments lack column {column!r}") for column in wanted),
        (len(set(covariates)) == len(covariates), "covariates: each only once"),
        (outcome not in covariates, "covariates: the outcome is not its own covariate"),
    )
