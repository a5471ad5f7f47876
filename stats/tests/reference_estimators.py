"""How the estimators and designs of the reference cases are asked of the product's functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from equipoise_stats import (
    Estimate,
    Moments,
    Quantity,
    Slopes,
    Status,
    adjust,
    adjust_within,
    fill_missing,
)
from equipoise_stats.intervals import t_critical, t_p_value, welch_degrees_of_freedom

Answer = Mapping[str, Any]
Inputs = Mapping[str, Any]


def made(case: Inputs) -> dict[str, Any]:
    """What the recipe of a case makes."""
    names: dict[str, Any] = {"np": np}
    exec(case["recipe"], names)
    return names


def summarised(n: int, mean: float, variance: float, name: str = "y") -> Moments:
    return Moments((name,), n, np.array([mean]), np.array([[variance * (n - 1)]]))


def number(n: int, mean: float, variance: float) -> Estimate:
    return Estimate(n, mean, variance / n, variance, Status.OK)


def difference(t: Estimate, c: Estimate, shared: float = 0.0) -> tuple[float, float]:
    assert t.value is not None
    assert c.value is not None
    assert t.variance is not None
    assert c.variance is not None
    return t.value - c.value, math.sqrt(t.variance + c.variance - 2 * shared)


def cuped(i: Inputs) -> Answer:
    def arm(a: Inputs) -> Moments:
        return Moments(tuple(a["cols"]), a["n"], np.array(a["mean"]), np.array(a["cov"]) * (a["n"] - 1))

    arms = {key: arm(i[key]) for key in ("control", "treatment")}
    covariates = [Quantity(name) for name in i["covariates"]]
    found = adjust(arms, Quantity(i["y"]), covariates, slopes=Slopes.POOLED)
    t, c = found.of("treatment"), found.of("control")
    effect, se = difference(t, c, found.shared("treatment", "control"))
    assert t.value is not None
    assert c.value is not None
    df = float(welch_degrees_of_freedom(t.variance or 0, t.n, c.variance or 0, c.n))
    reach = float(t_critical(i["alpha"], df)) * se
    return {
        "control": c.value,
        "treatment": t.value,
        "diff": effect,
        "diff_ci": [effect - reach, effect + reach],
        "p": float(t_p_value(effect / se, df)),
        "lift": t.value / c.value - 1,
    }


def by_arm(treated: Any, names: tuple[str, ...], *columns: Any) -> dict[str, Moments]:
    table = np.column_stack(columns)
    return {
        "C": Moments.from_rows(names, table[treated == 0]),
        "T": Moments.from_rows(names, table[treated == 1]),
    }


def lin(i: Inputs) -> Answer:
    data = made(i)
    names = ("y", "a", "b", "c")
    arms = by_arm(data["w"], names, data["y"], data["X"])
    found = adjust(arms, Quantity("y"), [Quantity(name) for name in names[1:]])
    assert found.slopes is Slopes.INTERACTED
    t, c, shared = found.of("T"), found.of("C"), found.shared("T", "C")
    effect, se = difference(t, c, shared)
    return {
        "control_adj": c.value,
        "treatment_adj": t.value,
        "diff": effect,
        "se": se,
        "se_no_superpop": math.sqrt(np.trace(found.within)),
        "VC": c.variance,
        "VT": t.variance,
        "cov": shared,
        "unadjusted_se": difference(*(adjust(arms, Quantity("y")).of(w) for w in "TC"))[1],
    }


def post_stratification(i: Inputs) -> Answer:
    strata = [{w: summarised(*s[w]) for w in "CT"} for s in i["strata"]]
    found = adjust_within(strata, Quantity("y"))
    effect, se = difference(found.of("T"), found.of("C"), found.shared("T", "C"))
    pooled = {w: strata[0][w].merge(strata[1][w]).merge(strata[2][w]) for w in "CT"}
    plain = adjust(pooled, Quantity("y"))
    return {
        "diff": effect,
        "se_superpopulation": se,
        "se_conditional": math.sqrt(np.trace(found.within)),
        "unstratified_diff": difference(plain.of("T"), plain.of("C"))[0],
    }


def missing_covariate(i: Inputs) -> Answer:
    data = made(i)
    filled, missing = fill_missing(data["pre"])
    arms = by_arm(data["w"], ("y", "pre", "missing"), data["y"], filled, missing)
    both = adjust(arms, Quantity("y"), [Quantity("pre"), Quantity("missing")])
    zero = adjust(arms, Quantity("y"), [Quantity("pre")])
    effect, se = difference(both.of("T"), both.of("C"), both.shared("T", "C"))
    return {
        "n_used": both.of("T").n + both.of("C").n,
        "diff": effect,
        "se": se,
        "se_zero_fill_only": difference(zero.of("T"), zero.of("C"), zero.shared("T", "C"))[1],
    }


def cuped_ratio(i: Inputs) -> Answer:
    names = ("mp", "dp", "mq", "dq")

    def arm(a: Inputs) -> Moments:
        products = np.diag([a[name]["sum_squares"] for name in names])
        for row, column in ((0, 2), (1, 3), (2, 3), (0, 1), (0, 3), (2, 1)):
            products[row, column] = products[column, row] = a[f"{names[row]}_{names[column]}"]
        sums = [a[name]["sum"] for name in names]
        return Moments.from_shifted_sums(names, a["n"], shift=np.zeros(4), sums=sums, products=products)

    arms = {key: arm(i[key]) for key in ("control", "treatment")}
    found = adjust(arms, Quantity("mp", "dp"), [Quantity("mq", "dq")], slopes=Slopes.POOLED)
    t, c = found.of("treatment"), found.of("control")
    effect, se = difference(t, c, found.shared("treatment", "control"))
    df = float(welch_degrees_of_freedom(t.variance or 0, t.n, c.variance or 0, c.n))
    # The peer's lift divides by the unadjusted control; ours by the adjusted one.
    return {"abs_diff": effect, "abs_se": se, "abs_p": float(t_p_value(effect / se, df))}


ESTIMATORS: dict[str, Callable[[Inputs], Answer]] = {
    "cuped_single": cuped,
    "lin_regression_adjustment": lin,
    "post_stratification": post_stratification,
    "cuped_missing_covariate": missing_covariate,
    "cuped_ratio": cuped_ratio,
}
