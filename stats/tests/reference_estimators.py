"""How the estimators and designs of the reference cases are asked of the product's functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.stats import binom, norm

from equipoise_stats import (
    Estimate,
    Event,
    Exposure,
    Interval,
    Moments,
    Ordered,
    QuantileEstimate,
    Quantity,
    Slopes,
    Status,
    TwoRates,
    Window,
    adjust,
    adjust_within,
    cap_at,
    capped,
    event_quantile_of,
    fieller_lift,
    fill_missing,
    funnel,
    log_lift,
    mean_estimate,
    miettinen_nurminen,
    order_statistic_ranks,
    poisson_rate_ratio,
    pooled_t,
    pooled_z,
    quantile_difference,
    score_p_value,
    score_z,
    unit_quantile,
    windowed_values,
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


def delta_lift(mt: Any, vt: Any, mc: Any, vc: Any) -> tuple[Any, Any]:
    """The lift and its standard error by the delta method, which disagrees with the absolute test."""
    return mt / mc - 1, np.sqrt(vt / mc**2 + mt**2 * vc / mc**4)


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


def pooled_variance_t(i: Inputs) -> Answer:
    a, b = (number(arm["n"], arm["mean"], arm["var"]) for arm in (i["a"], i["b"]))
    found = pooled_t(a, b)
    assert isinstance(found, tuple)
    return {"t": found[0], "p": found[1]}


def rates_of(i: Inputs) -> TwoRates:
    return TwoRates(i["x"][0], i["n"][0], i["x"][1], i["n"][1])


def two_proportion_z(i: Inputs) -> Answer:
    z = pooled_z(rates_of(i))
    assert z is not None
    return {"z": z, "p": 2 * norm.sf(abs(z))}


def difference_of_rates(i: Inputs) -> Answer:
    rates = TwoRates(i["x1"], i["n1"], i["x2"], i["n2"])
    newcombe, score = rates.difference(i["alpha"]), miettinen_nurminen(rates, i["alpha"])
    return {
        "newcombe_ci": [newcombe.lower, newcombe.upper],
        "miettinen_nurminen_ci": [score.lower, score.upper],
    }


def relative_log(i: Inputs) -> Answer:
    def arm(a: Inputs) -> Estimate:
        p = a["x"] / a["n"]
        return number(a["n"], p, p * (1 - p))

    found = log_lift(arm(i["treatment"]), arm(i["control"]), critical=norm.isf(i["alpha"] / 2))
    assert isinstance(found, Interval)
    return {"ratio": 1 + found.value, "ci_log": [1 + found.lower, 1 + found.upper]}


def relative_delta(i: Inputs) -> Answer:
    """A peer's figure; Fieller is ours and answers the same point."""
    arms = {}
    for key in ("control", "treatment"):
        a = i[key]
        sums, products = [a["sum"]], [[a["sum_squares"]]]
        arms[key] = Moments.from_shifted_sums(("y",), a["n"], shift=[0], sums=sums, products=products)
    t, c = (mean_estimate(arms[key], "y") for key in ("treatment", "control"))
    found = fieller_lift(t, c, critical=1.96)
    assert isinstance(found, Interval)
    peer = delta_lift(t.value, t.variance, c.value, c.variance)
    return {"lift": found.value, "se_delta": peer[1]}


def order_statistics(i: Inputs) -> Answer:
    ordered = Ordered.of(made(i)["q"])
    ranks = order_statistic_ranks(i["n"], i["q"], i["alpha"])
    found = unit_quantile(ordered, i["q"], i["alpha"])
    assert ranks is not None
    assert isinstance(found, QuantileEstimate)
    lower, upper = (binom.cdf(rank - 1, i["n"], i["q"]) for rank in ranks)
    return {
        "rank_lower": ranks[0],
        "rank_upper": ranks[1],
        "ci": [found.lower, found.upper],
        "coverage": upper - lower,
    }


def clustered_quantile(i: Inputs) -> Answer:
    data = made(i)
    arms = {}
    for key in ("control", "treatment"):
        users, values = data[key]
        found = event_quantile_of(values, users, i["nu"], alpha=i["alpha"], smallest_tail=40)
        assert isinstance(found, QuantileEstimate)
        arms[key] = found
    t, c = arms["treatment"], arms["control"]
    difference_found = quantile_difference(t, c)
    assert isinstance(difference_found, Interval)
    answer: dict[str, Any] = {
        key: {"n_events": a.n, "q": a.value, "design_effect": a.design_effect, "se": a.standard_error}
        for key, a in arms.items()
    }
    return {
        **answer,
        "diff": difference_found.value,
        "se_diff": math.hypot(t.standard_error, c.standard_error),
    }


def winsorise(i: Inputs) -> Answer:
    data = made(i)
    cap = cap_at((data["xc"], data["xt"]), i["percentile"])

    def arm(values: Any) -> Estimate:
        return mean_estimate(Moments.from_rows(("x",), values[:, None]), "x")

    t, c = arm(capped(data["xt"], cap)), arm(capped(data["xc"], cap))
    effect, se = difference(t, c)
    df = float(welch_degrees_of_freedom(t.variance or 0, t.n, c.variance or 0, c.n))
    plain = difference(arm(data["xt"]), arm(data["xc"]))
    return {
        "cap": cap,
        "diff": effect,
        "se": se,
        "p": float(t_p_value(effect / se, df)),
        "uncapped_diff": plain[0],
        "uncapped_se": plain[1],
    }


def ordered_funnel(i: Inputs) -> Answer:
    exposures = [Exposure(unit, arm, day) for unit, arm, day in i["exposures_unit_arm_day"]]
    events = [Event(unit, name, day) for unit, name, day in i["events_unit_name_day"]]
    window = Window(closes=i["window_days"], as_of=100)
    steps = ("view", "cart", "buy")
    found = funnel(exposures, events, steps, window).moments()
    return {
        arm: {"n": m.n, **{step: round(m.n * x) for step, x in zip(steps, m.means, strict=True)}}
        for arm, m in found.items()
    }


def poisson(i: Inputs) -> Answer:
    found = poisson_rate_ratio(tuple(i["events"]), tuple(i["exposure"]))
    assert isinstance(found, tuple)
    ratio, p = found
    return {"ratio": ratio.value, "p": p, "ci": [ratio.lower, ratio.upper]}


def attribution(i: Inputs) -> Answer:
    exposures = [Exposure(unit, arm, day) for unit, arm, day in i["exposures"]]
    events = [Event(unit, "order", day, value) for unit, day, value in i["events"]]
    table = windowed_values(exposures, events, Window(i["window_days"], i["as_of"]))
    everyone, decided = table.moments(matured_only=False), table.moments()
    return {
        "all_units_sum": {arm: m.n * float(m.means[0]) for arm, m in everyone.items()},
        "matured_units": [u for u, done in zip(table.units, table.matured, strict=True) if done],
        "matured_mean": {arm: float(m.means[0]) for arm, m in decided.items()},
    }


def absolute_margin(i: Inputs) -> Answer:
    rates, margin = TwoRates(*i["treatment"], *i["control"]), i["margin_abs"]
    return {"z": score_z(rates, -margin), "p": score_p_value(rates, -margin)}


ESTIMATORS: dict[str, Callable[[Inputs], Answer]] = {
    "cuped_single": cuped,
    "lin_regression_adjustment": lin,
    "post_stratification": post_stratification,
    "cuped_missing_covariate": missing_covariate,
    "cuped_ratio": cuped_ratio,
    "pooled_t": pooled_variance_t,
    "two_proportion_z": two_proportion_z,
    "newcombe_diff_ci": difference_of_rates,
    "relative_log_ci": relative_log,
    "relative_delta": relative_delta,
    "quantile_order_statistic_ci": order_statistics,
    "quantile_clustered": clustered_quantile,
    "winsorise": winsorise,
    "funnel": ordered_funnel,
    "poisson_rate_ratio": poisson,
    "attribution_window": attribution,
    "noninferiority_absolute": absolute_margin,
}
