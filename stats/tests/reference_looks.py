"""How the group-sequential methods of the reference cases are asked of the product's functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from equipoise_stats import (
    LookPlan,
    PowerTarget,
    Spending,
    equal_looks,
    group_sequential_bounds,
    obrien_fleming_constant,
    overall_error,
    pocock_constant,
    union_bounds,
    units_per_arm,
)
from equipoise_stats.sequential_power import inflation_of_bounds, sequential_inflation

Answer = Mapping[str, Any]
Inputs = Mapping[str, Any]
NAIVE = 1.959963984540054


def spending(family: Spending) -> Callable[[Inputs], Answer]:
    def answer(i: Inputs) -> Answer:
        alpha = i.get("alpha_two_sided", 2 * i.get("alpha_one_sided", 0))
        plan = LookPlan(family, gamma=i.get("gamma", -4.0))
        found = group_sequential_bounds(i["information"], alpha, plan)
        return {
            "z": found.critical,
            "alpha_spent": found.spent,
            "z_look2_to_14": found.critical[1:],
        }

    return answer


def inflation(i: Inputs) -> Answer:
    target, looks = PowerTarget(alpha=i["alpha"], power=i["power"]), equal_looks(i["K"])
    if i["design"] == "spending_pocock":
        return {"inflation": sequential_inflation(looks, target, LookPlan(Spending.POCOCK))}
    if i["design"] == "pocock_classic":
        bounds = [pocock_constant(i["K"], i["alpha"])] * i["K"]
    else:
        constant = obrien_fleming_constant(i["K"], i["alpha"])
        bounds = [constant / t**0.5 for t in looks]
    return {"inflation": inflation_of_bounds(looks, bounds, target)}


def power_gst(i: Inputs) -> Answer:
    target = PowerTarget(alpha=i["alpha"], power=i["power"])
    factor = sequential_inflation(equal_looks(i["looks"]), target)
    fixed = units_per_arm(i["d"], 1.0, target)
    return {"n_fixed": fixed, "inflation": factor, "n_max_per_arm": factor * fixed}


METHODS: dict[str, Callable[[Inputs], Answer]] = {
    "peeking_inflation": lambda i: {"error": overall_error(equal_looks(i["looks"]), NAIVE)},
    "gst_pocock_constant": lambda i: {"constant": pocock_constant(i["K"], i["alpha"])},
    "gst_obf_constant": lambda i: {"constant": obrien_fleming_constant(i["K"], i["alpha"])},
    "gst_spending_obf": spending(Spending.OBRIEN_FLEMING),
    "gst_spending_pocock": spending(Spending.POCOCK),
    "gst_spending_hsd": spending(Spending.HWANG_SHIH_DECANI),
    "gst_inflation": inflation,
    "gst_bonferroni_spending": lambda i: {
        "z": union_bounds(i["information"], 2 * i["alpha_one_sided"]).critical
    },
    "power_gst": power_gst,
}
