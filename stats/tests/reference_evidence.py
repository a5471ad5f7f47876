"""How evidence, families, Bayes and sample-ratio methods of the reference cases are asked of the product."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from equipoise_stats import (
    Estimate,
    Posterior,
    Prior,
    Status,
    anytime_t_multiplier,
    bernoulli_sequence,
    control_shares,
    dunnett,
    e_benjamini_hochberg,
    fcr_intervals,
    find_onset,
    gatekeep,
    judge_srm,
    localise,
    log_e_value_of_counts,
    log_e_value_of_split,
    one_sided_boundary,
    posterior,
    posterior_lift,
    posterior_rates,
    quantile_p_value,
    two_sided_multiplier,
)
from equipoise_stats.sequences import log_e_value_of_events, p_value_of

Answer = Mapping[str, Any]
Inputs = Mapping[str, Any]


def of_counts(arm: Inputs) -> Estimate:
    p = arm["x"] / arm["n"]
    return Estimate(arm["n"], p, p * (1 - p) / arm["n"], p * (1 - p), Status.OK)


def boundaries(i: Inputs) -> Answer:
    # V and v_opt take the place of n and n*; the two-sided boundary is the multiplier times sqrt(V).
    one = one_sided_boundary(i["V"], i["v_opt"], i["alpha"])
    two = float(two_sided_multiplier(i["V"], i["v_opt"], i["alpha"])) * math.sqrt(i["V"])
    return {"two_sided": two, "one_sided": one, "boundary": one}


def bernoulli(i: Inputs) -> Answer:
    found = bernoulli_sequence(i["x"], i["n"], expected_n=i["t_opt"], alpha=i["alpha"])
    return {"ci": [found.lower, found.upper]}


def events(i: Inputs) -> Answer:
    seen = i["treatment_events"], i["total_events"], i["treatment_share"]
    two = float(log_e_value_of_split(*seen, concentration=sum(i["prior"])))
    harm = log_e_value_of_events(*seen, concentration=sum(i["prior"]))
    return {
        "log_e_two_sided": two,
        "log_e_one_sided_harm": harm,
        "p_one_sided": float(p_value_of(harm)),
    }


def integers(span: str) -> range:
    first, last = span.split("..")
    return range(int(first), int(last) + 1)


def quantile_ab(i: Inputs) -> Answer:
    arms = integers(i["a"]), integers(i["b"])
    return {"p": quantile_p_value(*arms, i["q"], expected_n=i["t_opt"], alpha=i["alpha_opt"])}


def srm_by_unit(i: Inputs) -> Answer:
    counts = np.cumsum(i["one_hot"], axis=0)
    return {
        "log_bayes_factor": [
            log_e_value_of_counts(seen.tolist(), i["null"], i["dirichlet_alpha"]) for seen in counts
        ]
    }


def localisation(i: Inputs) -> Answer:
    ranked = localise({"platform": i["segments"]}, i["weights"])
    total = np.sum(list(i["segments"].values()), axis=0)
    named = {found.attributes["platform"]: found for found in ranked}
    return {
        "overall_p": judge_srm(total.tolist(), i["weights"]).p_value,
        "p": {name: found.p_value for name, found in named.items()},
        "holm_p": {name: found.adjusted_p_value for name, found in named.items()},
        "culprit": ranked[0].attributes["platform"],
        "p_without_culprit": ranked[0].p_value_without,
    }


def onset(i: Inputs) -> Answer:
    found = find_onset(i["daily_new_units"], i["weights"])
    assert found is not None
    return {
        "daily_p": [judge_srm(day, i["weights"]).p_value for day in i["daily_new_units"]],
        "onset_day": found.period,
        "p_days_1_3": found.p_value_before,
        "p_days_4_6": found.p_value_after,
    }


def gatekeeping(i: Inputs) -> Answer:
    secondary, exploratory = i["secondary"], i["exploratory"]
    families = list(secondary.values()), list(exploratory.values())
    found = gatekeep(list(i["primary"].values()), *families, alpha=i["alpha"])
    claimed = dict(zip(secondary, found.secondary, strict=True))
    flagged = dict(zip(exploratory, found.exploratory, strict=True))
    return {
        "primary_significant": found.gate_open,
        "secondary_holm": claimed,
        "secondary_significant": [k for k, p in claimed.items() if p is not None and p <= i["alpha"]],
        "exploratory_bh": flagged,
        "exploratory_flagged": [k for k, p in flagged.items() if p <= i["alpha"]],
    }


def e_bh(i: Inputs) -> Answer:
    rejected = e_benjamini_hochberg(np.log(i["e"]).tolist(), i["alpha"])
    return {"k_star": sum(rejected), "rejected": [at for at, taken in enumerate(rejected) if taken]}


def fcr(i: Inputs) -> Answer:
    found = fcr_intervals(i["estimate"], i["se"], i["alpha"])
    selected = [shown is not None for shown in found.intervals]
    return {
        "p": found.p_values,
        "selected": selected,
        "R": sum(selected),
        "critical": found.critical,
        "ci": [None if shown is None else [shown.lower, shown.upper] for shown in found.intervals],
    }


def dunnett_of_rows(i: Inputs) -> Answer:
    rng = np.random.default_rng(8)
    control, *treated = (rng.normal(mean, 1, i["n"]) for mean in (0, 0.3, 0.6))
    pooled = np.mean([arm.var(ddof=1) for arm in (control, *treated)]) / i["n"]
    z = [(arm.mean() - control.mean()) / math.sqrt(2 * pooled) for arm in treated]
    df = 3 * (i["n"] - 1)
    return {"p": dunnett(z, control_shares([pooled] * 2, pooled), degrees_of_freedom=df)}


def normal_normal(i: Inputs) -> Answer:
    found = posterior(i["estimate"], i["se"], Prior(i["prior_mean"], i["prior_sd"]))
    shown = found.interval()
    return {
        "post_mean": found.mean,
        "post_sd": found.sd,
        "ci": [shown.lower, shown.upper],
        "prob_positive": found.probability_positive,
        "expected_loss_ship": found.loss_of_shipping,
        "expected_loss_hold": found.loss_of_holding,
    }


def bayesian_engine(i: Inputs) -> Answer:
    prior = Prior(i["prior_mean"], i["prior_sd"])
    found = posterior_lift(of_counts(i["treatment"]), of_counts(i["control"]), prior)
    assert isinstance(found, Posterior)
    shown = found.interval()
    return {
        "expected": found.mean,
        "ci": [shown.lower, shown.upper],
        "chance_to_win": found.probability_positive,
        "risk": [found.loss_of_holding, found.loss_of_shipping],
    }


def beta_binomial(i: Inputs) -> Answer:
    treatment, control = ((arm["x"], arm["n"]) for arm in (i["treatment"], i["control"]))
    found = posterior_rates(treatment, control, tuple(i["prior"]))
    return {
        "prob_treatment_better": found.probability_better,
        "expected_loss_ship_treatment": found.loss_of_shipping,
    }


def rope(i: Inputs) -> Answer:
    found = Posterior(i["post_mean"], i["post_sd"]).rope(*i["rope"])
    return {"p_in": found.inside, "p_above": found.above, "p_below": found.below}


METHODS: dict[str, Callable[[Inputs], Answer]] = {
    "cs_normal_mixture": boundaries,
    "asymptotic_cs_t": lambda i: {
        "radius_multiplier": anytime_t_multiplier(i["n"], i["coefficients"], g=i["g"], alpha=i["alpha"])
    },
    "cs_bernoulli": bernoulli,
    "eprocess_events": events,
    "sequential_quantile_ab": quantile_ab,
    "srm_localisation": localisation,
    "srm_onset": onset,
    "gatekeeping": gatekeeping,
    "e_benjamini_hochberg": e_bh,
    "fcr_intervals": fcr,
    "dunnett": dunnett_of_rows,
    "normal_normal": normal_normal,
    "normal_normal_engine": bayesian_engine,
    "beta_binomial": beta_binomial,
    "rope": rope,
}
