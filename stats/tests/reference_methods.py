"""How each method of the reference cases is asked of the product's functions."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import reference_evidence
import reference_looks
from reference_planning import (
    Answer,
    Inputs,
    days,
    lehr,
    mde_relative,
    power_cluster,
    power_proportion,
    power_ratio,
    power_t,
)

from equipoise_stats import (
    AlarmRule,
    Direction,
    Estimate,
    Interval,
    Margin,
    MarginKind,
    Moments,
    PowerTarget,
    Status,
    TwoRates,
    alarm,
    benjamini_hochberg,
    benjamini_yekutieli,
    bonferroni,
    contrast,
    fieller_bounds,
    fieller_lift,
    holm,
    judge_srm,
    log_e_value,
    mean_estimate,
    non_inferiority,
    one_sided_multiplier,
    p_value_of,
    ratio_estimate,
    running_p_values,
    srm_log_e_value,
    two_sided_multiplier,
    units_per_arm_of_guardrail,
    welch,
    wilson,
)
from equipoise_stats.guardrails import Contrast, non_inferiority_p_value
from equipoise_stats.intervals import known, normal_critical, t_p_value
from equipoise_stats.intervals import welch_degrees_of_freedom as welch_df
from equipoise_stats.quality import WARN_LARGEST_SHARE, largest_unit_share, mean_without
from equipoise_stats.sequences import mixing
from equipoise_stats.srm import SrmVerdict


def of_sums(arm: Inputs) -> Estimate:
    n, total = arm["n"], arm["sum"]
    products = [[arm["sum_squares"]]]
    moments = Moments.from_shifted_sums(("m",), n, shift=[0.0], sums=[total], products=products)
    return mean_estimate(moments, "m")


def of_numbers(n: int, value: float, unit_variance: float) -> Estimate:
    return Estimate(n, value, unit_variance / n, unit_variance, Status.OK)


def of_rate(arm: Inputs) -> Estimate:
    p = arm["p"] if "p" in arm else arm["x"] / arm["n"]
    return of_numbers(arm["n"], p, p * (1 - p))


def interval(found: object) -> Interval:
    assert isinstance(found, Interval)
    return found


def welch_p(treatment: Estimate, control: Estimate) -> float:
    assert treatment.variance is not None
    assert control.variance is not None
    df = welch_df(treatment.variance, treatment.n, control.variance, control.n)
    found = interval(welch(treatment, control))
    se = math.sqrt(treatment.variance + control.variance)
    return float(t_p_value(found.value / se, df))


def welch_absolute(i: Inputs) -> Answer:
    treatment, control = of_sums(i["treatment"]), of_sums(i["control"])
    found = interval(welch(treatment, control, i["alpha"]))
    assert treatment.variance is not None
    assert control.variance is not None
    return {
        "diff": found.value,
        "se": math.sqrt(treatment.variance + control.variance),
        "ci": [found.lower, found.upper],
        "p": welch_p(treatment, control),
    }


def newcombe(i: Inputs) -> Answer:
    found = TwoRates(i["x1"], i["n1"], i["x2"], i["n2"]).difference(i["alpha"])
    return {"newcombe_ci": [found.lower, found.upper]}


def wilson_ci(i: Inputs) -> Answer:
    return {"ci": wilson(i["x"], i["n"], normal_critical(i["alpha"] / 2))}


def fieller_covariance(i: Inputs) -> Answer:
    bounds = fieller_bounds(
        i["muT"],
        i["VT"],
        control=i["muC"],
        control_variance=i["VC"],
        critical=i["critical"],
        covariance=i["cov"],
    )
    return {"ci": [float(bounds.lower), float(bounds.upper)]}


def ratio_delta(i: Inputs) -> Answer:
    def arm(a: Inputs) -> Estimate:
        comoments = np.array([[a["var_num"], a["cov"]], [a["cov"], a["var_den"]]]) * (a["n"] - 1)
        means = np.array([a["mean_num"], a["mean_den"]])
        return ratio_estimate(Moments(("y", "d"), a["n"], means, comoments), "y", "d")

    treatment, control = arm(i["treatment"]), arm(i["control"])
    found = interval(welch(treatment, control, i["alpha"]))
    return {
        "control": control.value,
        "treatment": treatment.value,
        "diff": found.value,
        "diff_ci": [found.lower, found.upper],
        "p": welch_p(treatment, control),
        "lift": interval(fieller_lift(treatment, control, critical=1.96)).value,
    }


def numerical_stability(i: Inputs) -> Answer:
    rng = np.random.default_rng(5)
    control = 1e9 + rng.standard_normal(i["n"])
    treatment = 1e9 + 0.2 + rng.standard_normal(i["n"])
    t, c = (mean_estimate(Moments.from_rows(("x",), x[:, None]), "x") for x in (treatment, control))
    assert t.variance is not None
    assert c.variance is not None
    return {
        "diff": interval(welch(t, c)).value,
        "se": math.sqrt(t.variance + c.variance),
        "p": welch_p(t, c),
    }


def asymptotic_cs(i: Inputs) -> Answer:
    if "n_over_nstar" in i:
        reach = two_sided_multiplier(np.array(i["n_over_nstar"]), 1.0, i["alpha"])
        return {"ratio_to_fixed": (reach / normal_critical(i["alpha"] / 2)).tolist()}
    t, c = of_rate(i["treatment"]), of_rate(i["control"])
    assert t.value is not None
    assert c.value is not None
    assert t.variance is not None
    assert c.variance is not None
    effect, se, n = t.value - c.value, math.sqrt(t.variance + c.variance), t.n + c.n
    reach = float(two_sided_multiplier(n, i["n_star"], i["alpha"])) * se
    p = float(p_value_of(log_e_value(effect / se, mixing(n, i["n_star"], i["alpha"]))))
    return {"diff": effect, "cs": [effect - reach, effect + reach], "p": p}


def one_sided_cs(i: Inputs) -> Answer:
    t, c = of_sums(i["treatment"]), of_sums(i["control"])
    assert t.value is not None
    assert c.value is not None
    assert t.variance is not None
    assert c.variance is not None
    effect, se = t.value - c.value, math.sqrt(t.variance + c.variance)
    reach = float(one_sided_multiplier(t.n + c.n, i["n_star"], i["alpha"])) * se
    return {"diff": effect, "lower": effect - reach}


def msprt(i: Inputs) -> Answer:
    x = i["tau2"] / i["V"]
    log_e = log_e_value(i["delta"] / math.sqrt(i["V"]), x)
    evidence = float(np.exp(log_e))
    return {"lambda": evidence, "p": float(p_value_of(log_e)), "equivalent_rho2_times_n": x}


def srm_chi2(i: Inputs) -> Answer:
    found = judge_srm(i["counts"], i["weights"])
    return {
        "chi2": found.statistic,
        "p": found.p_value,
        "df": found.degrees_of_freedom,
        "srm_at_0.001": found.verdict is SrmVerdict.LOCKED,
    }


def srm_sequential(i: Inputs) -> Answer:
    if "one_hot" in i:
        return reference_evidence.srm_by_unit(i)
    if "counts" in i:
        log_e = srm_log_e_value(i["counts"], i["weights"], [i["concentration"]])
        return {"log_e": log_e, "p_this_look": float(p_value_of(log_e))}
    units = np.random.RandomState(1).multinomial(1, [0.1, 0.3, 0.6], size=i["n_max"])
    by_unit = [srm_log_e_value(n, i["null"], [i["concentration"]]) for n in np.cumsum(units, 0)]
    p = running_p_values([float(p_value_of(log_e)) for log_e in by_unit])
    stop = next(at for at, smallest in enumerate(p) if smallest <= i["alpha"])
    return {"n_stop": stop + 1, "p": p[stop]}


def family(adjust: Callable[[list[float]], tuple[float, ...]]) -> Callable[[Inputs], Answer]:
    def answer(i: Inputs) -> Answer:
        adjusted = adjust(i["p"])
        rejected = sum(p <= 0.05 for p in adjusted)
        return {"adjusted": adjusted, "rejected_at_0.05": rejected}

    return answer


def relative_margin(i: Inputs) -> Answer:
    t, c = of_rate(i["treatment"]), of_rate(i["control"])
    direction = Direction.DECREASE if i["lower_is_better"] else Direction.INCREASE
    margin = Margin(MarginKind.RELATIVE, i["margin"])
    found = contrast(t, c, margin=margin, direction=direction)
    assert isinstance(found, Contrast)
    critical = normal_critical(i["alpha"])
    judged = non_inferiority(t, c, margin=margin, direction=direction, critical=critical)
    p = non_inferiority_p_value(found)
    return {
        "z": found.z,
        "p_noninferior": p,
        "p_harm_beyond_margin": 1 - p,
        "verdict": str(judged.verdict),
    }


def guardrail_units(i: Inputs) -> Answer:
    p = i["p"]
    target = PowerTarget(alpha=i["alpha_one_sided"], power=i["power"])
    return {"n_per_arm": units_per_arm_of_guardrail(p, p * (1 - p), i["margin_rel"], target)}


def auto_abort(i: Inputs) -> Answer:
    def arm(a: Inputs) -> Estimate:
        return of_numbers(a["n"], a["mean"], a["var"] if "var" in a else a["sd"] ** 2)

    margin = Margin(MarginKind.RELATIVE, i["margin"])
    rule = AlarmRule(margin, Direction.INCREASE, i["alpha"], i["n_star"])
    found = alarm(arm(i["treatment"]), arm(i["control"]), rule)
    assert not hasattr(found, "reason")
    n = i["treatment"]["n"] + i["control"]["n"]
    multiplier = float(one_sided_multiplier(n, i["n_star"], i["alpha"]))
    upper = found.upper
    assert upper is not None
    distance = i["treatment"]["mean"] - i["control"]["mean"]
    welch = math.sqrt(sum(known(arm(i[name]).variance) for name in ("treatment", "control")))
    return {
        "upper": upper,
        "kill": found.breached,
        "multiplier": multiplier,
        "se_null": (upper - distance) / multiplier,
        "kill_with_welch_variance": distance + multiplier * welch < 0,
    }


def outlier(i: Inputs) -> Answer:
    share = largest_unit_share(i["max_unit"], i["arm_total"])
    assert share is not None
    return {
        "share": share,
        "mean_without": mean_without(i["max_unit"], i["arm_total"], i["n"]),
        "flag": share > WARN_LARGEST_SHARE,
    }


METHODS: dict[str, Callable[[Inputs], Answer]] = {
    "welch_absolute": welch_absolute,
    "newcombe_diff_ci": newcombe,
    "wilson_ci": wilson_ci,
    "fieller_covariance": fieller_covariance,
    "ratio_delta": ratio_delta,
    "numerical_stability": numerical_stability,
    "asymptotic_cs": asymptotic_cs,
    "asymptotic_cs_one_sided": one_sided_cs,
    "msprt": msprt,
    "always_valid_p_running_min": lambda i: {"p_reported": running_p_values(i["p_by_look"])},
    "srm_chi2": srm_chi2,
    "srm_sequential": srm_sequential,
    "bonferroni": family(bonferroni),
    "holm": family(holm),
    "benjamini_hochberg": family(benjamini_hochberg),
    "benjamini_yekutieli": family(benjamini_yekutieli),
    "holm_always_valid": lambda i: {"adjusted": holm(i["p_always_valid"])},
    "noninferiority_relative_margin": relative_margin,
    "noninferiority_power": guardrail_units,
    "auto_abort_cs": auto_abort,
    "auto_abort_score_variance": auto_abort,
    "power_t": power_t,
    "power_proportion": power_proportion,
    "lehr": lehr,
    "mde_relative": mde_relative,
    "power_ratio": power_ratio,
    "power_cluster": power_cluster,
    "duration": days,
    "outlier_influence": outlier,
    **reference_looks.METHODS,
    **reference_evidence.METHODS,
}
