"""How the planning methods of the reference cases are asked of the product's functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from equipoise_stats import (
    Moments,
    PowerTarget,
    detectable_effect,
    detectable_lift_of_rate,
    duration,
    power_of_effect,
    power_of_rates,
    power_of_t_test,
    ratio_estimate,
    units_per_arm,
    units_per_arm_of_rates,
    units_per_arm_of_t_test,
)

Answer = Mapping[str, Any]
Inputs = Mapping[str, Any]


def power_t(i: Inputs) -> Answer:
    target = PowerTarget(alpha=i["alpha"], power=i["power"])
    effect, sd = (i["delta"], i["sd"]) if "sd" in i else (i["d"], 1.0)
    return {"n_per_arm": units_per_arm_of_t_test(effect, sd, target)}


def power_proportion(i: Inputs) -> Answer:
    if "n_per_arm" in i:
        target = PowerTarget(alpha=i["alpha"])
        return {"power": power_of_rates(i["p1"], i["p2"], i["n_per_arm"], target)}
    target = PowerTarget(alpha=i["alpha"], power=i["power"])
    return {"n_per_arm": units_per_arm_of_rates(i["p1"], i["p2"], target)}


def lehr(i: Inputs) -> Answer:
    target = PowerTarget(alpha=i["alpha"], power=i["power"])
    return {"n_normal": units_per_arm(i["delta"], i["sigma"] ** 2, target)}


def mde_relative(i: Inputs) -> Answer:
    target, p = PowerTarget(alpha=i["alpha"], power=i["power"]), i["p"]
    effect = detectable_effect(p * (1 - p), i["n_per_arm"], target)
    lift = detectable_lift_of_rate(p, i["n_per_arm"], target)
    return {"mde_rel": lift, "mde_rel_equal_var": effect / p}


def power_ratio(i: Inputs) -> Answer:
    target = PowerTarget(alpha=i["alpha"], power=i["power"])
    n = 1001
    comoments = np.array([[i["var_num"], i["cov"]], [i["cov"], i["var_den"]]]) * (n - 1)
    means = np.array([i["R"] * i["mean_den"], i["mean_den"]])
    found = ratio_estimate(Moments(("y", "d"), n, means, comoments), "y", "d")
    assert found.unit_variance is not None
    effect = i["mde_rel"] * i["R"]
    return {
        "unit_variance": found.unit_variance,
        "n_per_arm": units_per_arm(effect, found.unit_variance, target),
    }


def power_cluster(i: Inputs) -> Answer:
    target, clusters, sd = PowerTarget(alpha=i["alpha"]), i["G"] / 2, i["sd_cluster_mean"]
    return {
        "power_t": power_of_t_test(i["effect"], sd, clusters, target),
        "power_normal": power_of_effect(i["effect"], sd**2, clusters, target),
    }


def days(i: Inputs) -> Answer:
    found = duration(i["needed"], i["new_units_by_day"])
    assert found is not None
    return {"days": found.days}
