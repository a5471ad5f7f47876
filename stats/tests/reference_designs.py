"""How clusters, switchbacks and what is learnt beyond one effect are asked of the product's functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import numpy as np
from scipy.stats import norm

from equipoise_stats import (
    ClusterEffect,
    ClusterTable,
    SingleRegion,
    cr2_effect,
    delta_effect,
    fixed_effects_fit,
    horvitz_thompson,
    optimal_points,
    permutation_p_value,
)

Answer = Mapping[str, Any]
Inputs = Mapping[str, Any]


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def cluster_cr2(i: Inputs) -> Answer:
    y, x, of = (np.array(i[name]) for name in ("y", "x", "cluster"))
    keys = np.unique(of)
    totals = [y[of == key].sum() for key in keys]
    sizes = [(of == key).sum() for key in keys]
    treated = [x[of == key][0] for key in keys]
    found = cr2_effect(ClusterTable(np.array(totals), np.array(sizes), np.array(treated)))
    assert isinstance(found, ClusterEffect)
    return {
        "diff": found.effect.value,
        "se_cr2": found.standard_error,
        "df_satterthwaite": found.degrees_of_freedom,
    }


def cluster_delta(i: Inputs) -> Answer:
    table = ClusterTable(*(np.array(i[name]) for name in ("cluster_sums", "cluster_sizes", "treated")))
    found = delta_effect(table, i["alpha"])
    assert isinstance(found, ClusterEffect)
    z = found.effect.value / found.standard_error
    return {
        "diff": found.effect.value,
        "se": found.standard_error,
        "df": found.degrees_of_freedom,
        "p": found.p_value,
        "p_normal_too_small": 2 * norm.sf(abs(z)),
    }


def cluster_permutation(i: Inputs) -> Answer:
    means, treated = np.array(i["cluster_means"]), np.array(i["treated"], dtype=bool)
    return {
        "diff": means[treated].mean() - means[~treated].mean(),
        "p_exact": permutation_p_value(means, treated, rng=rng()),
    }


def switchback_ht(i: Inputs) -> Answer:
    region = SingleRegion(np.array(i["y"]), np.array(i["w"]), tuple(i["randomisation_points_1based"]))
    found = horvitz_thompson(region, i["m"], rng=rng())
    return {
        "tau_ht": found.value,
        "p_exact_sharp_null": found.p_value,
        "assignments": 2 ** len(region.points),
    }


def outcomes_of(i: Inputs, treated: Any) -> Any:
    """What a schedule would have brought, by the case's direct and carried effects."""
    lagged = [np.concatenate((np.zeros(k), treated[: len(treated) - k])) for k in range(3)]
    effects = (i["direct"], i["carry1"], i["carry2"])
    return np.array(i["baseline"]) + sum(e * w for e, w in zip(effects, lagged, strict=True))


def switchback_centred(i: Inputs) -> Answer:
    points = tuple(i["randomisation_points_1based"])
    blocks = np.searchsorted(points, np.arange(1, i["T"] + 1), side="right") - 1
    found: dict[float, list[float]] = {0.0: [], i["centre"]: []}
    for tosses in product((0, 1), repeat=len(points)):
        treated = np.array(tosses)[blocks]
        for centre, values in found.items():
            region = SingleRegion(outcomes_of(i, treated) - centre, treated, points)
            values.append(horvitz_thompson(region, i["m"], rng=rng()).value)
    return {
        "mean_ht": np.mean(found[i["centre"]]),
        "var_ht_centred": np.var(found[i["centre"]]),
        "var_ht_raw": np.var(found[0.0]),
    }


def switchback_points(i: Inputs) -> Answer:
    points = optimal_points(i["T"], i["m"])
    return {"points_1based": list(points), "count": len(points)}


def switchback_regression(i: Inputs) -> Answer:
    names: dict[str, Any] = {"np": np}
    exec(i["recipe"], names)
    y, w, hour = names["Y"], names["W"], names["hour"]
    regions, windows = np.indices(y.shape)
    found = fixed_effects_fit(y.ravel(), w.ravel(), regions=regions.ravel(), periods=hour[windows.ravel()])
    assert found is not None
    region_days = regions.ravel() * 14 + windows.ravel() // 12
    return {
        "effect": found.effect,
        "se_hc1_window": found.error(np.arange(y.size)),
        "se_cluster_region_day": found.error(region_days),
        "raw_diff": y[w == 1].mean() - y[w == 0].mean(),
    }


DESIGNS: dict[str, Callable[[Inputs], Answer]] = {
    "cluster_cr2": cluster_cr2,
    "cluster_delta": cluster_delta,
    "cluster_permutation": cluster_permutation,
    "switchback_ht": switchback_ht,
    "switchback_ht_centred": switchback_centred,
    "switchback_optimal_design": switchback_points,
    "switchback_fe_regression": switchback_regression,
}
