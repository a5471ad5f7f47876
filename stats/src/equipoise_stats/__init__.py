"""Pure inference on moments: trustworthy results for online experiments."""

# One line per module and packed names: this is an index, read from top to bottom.
# fmt: off
# isort: off
from equipoise_stats.analyse import analyse, estimate
from equipoise_stats.bayes import (
    Choice, Posterior, Prior, RatePosterior, Rope, choose, posterior, posterior_lift, posterior_rates,
    prior_of_experiments,
)
from equipoise_stats.caps import cap_at, cap_of_histogram, capped
from equipoise_stats.clusters import (
    ClusterEffect, ClusterMethod, ClusterSrm, ClusterTable, cluster_effect, cluster_srm, cr2_effect,
    delta_effect, means_effect, permutation_p_value,
)
from equipoise_stats.composite import (
    Component, Composite, Scale, composite_arms, composite_effect, sensitivity,
)
from equipoise_stats.covariates import (
    Adjustment, Slopes, adjust, adjust_within, comparable_strata, fill_missing, merge_sparse_strata,
)
from equipoise_stats.dunnett import control_shares, dunnett, dunnett_critical, step_down_dunnett
from equipoise_stats.e_processes import (
    anytime_t_multiplier, bernoulli_sequence, concentration_for, log_e_value_of_split, one_sided_boundary,
    quantile_p_value, tolerated_share,
)
from equipoise_stats.estimates import (
    Estimate, Status, Undefined, mean_estimate, proportion_estimate, ratio_estimate,
)
from equipoise_stats.exchange import from_document, to_document
from equipoise_stats.families import (
    Gatekeeping, Selected, benjamini_hochberg, benjamini_yekutieli, bonferroni, e_benjamini_hochberg,
    fcr_intervals, fixed_sequence, gatekeep, holm, weighted_bonferroni,
)
from equipoise_stats.faults import InputError, require
from equipoise_stats.group_sequential import (
    Bounds, equal_looks, exit_probabilities, group_sequential_bounds, obrien_fleming_constant, overall_error,
    pocock_constant,
)
from equipoise_stats.guardrails import (
    Alarm, AlarmMethod, AlarmRule, Bounded, Guardrail, GuardrailVerdict, alarm, contrast, non_inferiority,
    rate_alarm, within_bound,
)
from equipoise_stats.horvitz_thompson import (
    CarryoverTest, SingleRegion, SingleRegionEffect, carryover_test, horvitz_thompson,
)
from equipoise_stats.interactions import (
    Independence, Interaction, PairState, ScannedPair, SimpleEffects, assignment_independence, interaction,
    scan_interactions, simple_effects,
)
from equipoise_stats.intervals import (
    Interval, TwoRates, confidence_sequence, fieller_bounds, fieller_lift, two_proportions, welch, wilson,
)
from equipoise_stats.launches import (
    AdjustedTotal, Compound, Realised, TriedExperiment, compound, holdout_lift, holdout_variance, realised,
    shrunk_lifts, spread_of_effects, total_without_selection,
)
from equipoise_stats.localisation import (
    Onset, Slice, Stage, find_onset, find_stage, localise, localise_pairs, pairs_to_cross,
)
from equipoise_stats.looks import Dependence, Ledger, Look, LookRule, LookState
from equipoise_stats.moments import Moments, MomentsError, merge_all
from equipoise_stats.open_ended import correlated_bounds, look_correlation, union_bounds
from equipoise_stats.plan import (
    Design, DesignError, Direction, Evidence, IntervalRule, Margin, MarginKind, MetricKind, MetricPlan,
    MetricRole, VariantPlan, design_problems,
)
from equipoise_stats.planning import (
    Clusters, GuardrailBaseline, UnitsNeeded, accumulate, clusters_needed, days_needed, dunnett_target,
    power_of_clusters, power_with_guardrails, ratio_baseline, units_for_all, with_covariates,
)
from equipoise_stats.power import (
    Baseline, Duration, PowerTarget, WeekRow, detectable_by_week, detectable_effect, detectable_lift_of_rate,
    duration, power_of_effect, power_of_rates, power_of_t_test, units_per_arm, units_per_arm_of_guardrail,
    units_per_arm_of_rates, units_per_arm_of_t_test,
)
from equipoise_stats.proxies import PastExperiments, ProxyReport, judge_proxy, liml_slope, true_covariance
from equipoise_stats.quality import CheckName, Outcome, QualityCheck
from equipoise_stats.quality_evidence import QualityEvidence
from equipoise_stats.quantiles import (
    Histogram, Ordered, QuantileEstimate, event_quantile, event_quantile_of, exceedance,
    order_statistic_ranks, quantile_difference, unit_quantile,
)
from equipoise_stats.ranks import RankedArm, TwoQuantiles
from equipoise_stats.quantities import Quantity, estimate_of
from equipoise_stats.replay import ArmRows, Replay, replay
from equipoise_stats.results import (
    Analysis, ArmCount, DetectableChange, Method, MetricResult, Results, Significance, TreatmentVerdict,
    Verdict, Withheld, WithheldReason,
)
from equipoise_stats.schedule import Schedule, Scheduled, schedule
from equipoise_stats.segments import Heterogeneity, Segment, SegmentFinding, judge_segments
from equipoise_stats.sequences import (
    log_e_value, one_sided_multiplier, p_value_of, running_p_values, two_sided_multiplier,
)
from equipoise_stats.sequential_power import (
    SequencePowerRow, SequentialPower, inflation_of_bounds, power_of_bounds, sequence_bounds,
    sequence_inflation, sequence_power, sequence_power_table, sequential_inflation,
)
from equipoise_stats.small_counts import (
    log_lift, miettinen_nurminen, poisson_rate_ratio, pooled_t, pooled_z, score_p_value, score_z,
)
from equipoise_stats.spending import LookPlan, Spending
from equipoise_stats.srm import (
    AllocationEpoch, Srm, SrmMethod, SrmVerdict, judge_srm, judge_srm_over_epochs, log_e_value_of_counts,
    srm_log_e_value,
)
from equipoise_stats.switchback import SwitchbackEffect, fixed_effects_fit, switchback_effect, without_burn_in
from equipoise_stats.switchback_designs import (
    DesignBalance, Pairing, SwitchbackDesign, SwitchbackPlan, balance, draw_schedules, optimal_points,
    switchback_design,
)
from equipoise_stats.switchback_planning import SwitchbackPower, switchback_power
from equipoise_stats.tenure import (
    BalancedPanel, TenureContrast, TenureReport, Trend, balanced_panel, judge_tenure, slope_weights,
    weighted_days,
)
from equipoise_stats.triggered import (
    TriggerCheck, TriggerCounts, check_trigger, diluted_effect, diluted_lift, diluted_ratio_effect,
    metric_share,
)
from equipoise_stats.twyman import (
    constant_metric, differs_between_arms, duplicate_exposures, null_p_values, null_share_jump, odd_days,
    pre_period_balance, skew_of_split, stationarity, surprise, variance_ratio,
)
from equipoise_stats.windows import (
    Event, Exposure, UnitTable, Window, credited, first_exposures, funnel, retention, windowed_values,
)

__all__ = [
    "AdjustedTotal", "Adjustment", "Alarm", "AlarmMethod", "AlarmRule", "AllocationEpoch", "Analysis",
    "ArmCount", "ArmRows", "BalancedPanel", "Baseline", "Bounded", "Bounds", "CarryoverTest", "CheckName",
    "Choice", "ClusterEffect", "ClusterMethod", "ClusterSrm", "ClusterTable", "Clusters", "Component",
    "Composite", "Compound", "Dependence", "Design", "DesignBalance", "DesignError", "DetectableChange",
    "Direction", "Duration", "Estimate", "Event", "Evidence", "Exposure", "Gatekeeping", "Guardrail",
    "GuardrailBaseline", "GuardrailVerdict", "Heterogeneity", "Histogram", "Independence", "InputError",
    "Interaction", "Interval", "IntervalRule", "Ledger", "Look", "LookPlan", "LookRule", "LookState",
    "Margin", "MarginKind", "Method", "MetricKind", "MetricPlan", "MetricResult", "MetricRole", "Moments",
    "MomentsError", "Onset", "Ordered", "Outcome", "PairState", "Pairing", "PastExperiments", "Posterior",
    "PowerTarget", "Prior", "ProxyReport", "QualityCheck", "QualityEvidence", "QuantileEstimate",
    "Quantity", "RankedArm", "RatePosterior", "Realised", "Replay", "Results", "Rope", "Scale", "ScannedPair",
    "Schedule", "Scheduled", "Segment", "SegmentFinding", "Selected", "SequencePowerRow", "SequentialPower",
    "Significance", "SimpleEffects", "SingleRegion", "SingleRegionEffect", "Slice", "Slopes", "Spending",
    "Srm", "SrmMethod", "SrmVerdict", "Stage", "Status", "SwitchbackDesign", "SwitchbackEffect",
    "SwitchbackPlan", "SwitchbackPower", "TenureContrast", "TenureReport", "TreatmentVerdict", "Trend",
    "TriedExperiment",
    "TriggerCheck", "TriggerCounts", "TwoQuantiles", "TwoRates", "Undefined", "UnitTable", "UnitsNeeded",
    "VariantPlan", "Verdict", "WeekRow", "Window", "Withheld", "WithheldReason", "accumulate", "adjust",
    "adjust_within", "alarm", "analyse", "anytime_t_multiplier", "assignment_independence", "balance",
    "balanced_panel",
    "benjamini_hochberg", "benjamini_yekutieli", "bernoulli_sequence", "bonferroni", "cap_at",
    "cap_of_histogram", "capped", "carryover_test", "check_trigger", "choose", "cluster_effect",
    "cluster_srm", "clusters_needed", "comparable_strata", "composite_arms", "composite_effect", "compound",
    "concentration_for", "confidence_sequence", "constant_metric", "contrast", "control_shares",
    "correlated_bounds", "cr2_effect", "credited", "days_needed", "delta_effect", "design_problems",
    "detectable_by_week", "detectable_effect", "detectable_lift_of_rate", "differs_between_arms",
    "diluted_effect", "diluted_lift", "diluted_ratio_effect", "draw_schedules", "dunnett",
    "dunnett_critical", "dunnett_target", "duplicate_exposures", "duration", "e_benjamini_hochberg",
    "equal_looks", "estimate", "estimate_of", "event_quantile", "event_quantile_of", "exceedance",
    "exit_probabilities", "fcr_intervals", "fieller_bounds", "fieller_lift", "fill_missing", "find_onset",
    "find_stage", "first_exposures", "fixed_effects_fit", "fixed_sequence", "from_document", "funnel",
    "gatekeep", "group_sequential_bounds", "holdout_lift", "holdout_variance", "holm", "horvitz_thompson",
    "inflation_of_bounds", "interaction", "judge_proxy", "judge_segments", "judge_srm",
    "judge_srm_over_epochs", "judge_tenure", "liml_slope", "localise", "localise_pairs", "log_e_value",
    "log_e_value_of_counts", "log_e_value_of_split", "log_lift", "look_correlation", "mean_estimate",
    "means_effect", "merge_all", "merge_sparse_strata", "metric_share", "miettinen_nurminen",
    "non_inferiority", "null_p_values", "null_share_jump", "obrien_fleming_constant", "odd_days",
    "one_sided_boundary", "one_sided_multiplier", "optimal_points", "order_statistic_ranks",
    "overall_error", "p_value_of", "pairs_to_cross", "permutation_p_value", "pocock_constant",
    "poisson_rate_ratio", "pooled_t", "pooled_z", "posterior", "posterior_lift", "posterior_rates",
    "power_of_bounds", "power_of_clusters", "power_of_effect", "power_of_rates", "power_of_t_test",
    "power_with_guardrails", "pre_period_balance", "prior_of_experiments", "proportion_estimate",
    "quantile_difference", "quantile_p_value", "rate_alarm", "ratio_baseline", "ratio_estimate", "realised",
    "replay", "require", "retention", "running_p_values", "scan_interactions", "schedule", "score_p_value",
    "score_z", "sensitivity", "sequence_bounds", "sequence_inflation", "sequence_power",
    "sequence_power_table", "sequential_inflation", "shrunk_lifts", "simple_effects", "skew_of_split",
    "slope_weights", "spread_of_effects", "srm_log_e_value", "stationarity", "step_down_dunnett",
    "surprise", "switchback_design", "switchback_effect", "switchback_power", "to_document",
    "tolerated_share",
    "total_without_selection", "true_covariance", "two_proportions", "two_sided_multiplier", "union_bounds",
    "unit_quantile", "units_for_all", "units_per_arm", "units_per_arm_of_guardrail",
    "units_per_arm_of_rates", "units_per_arm_of_t_test", "variance_ratio", "weighted_bonferroni",
    "weighted_days", "welch", "wilson", "windowed_values", "with_covariates", "within_bound",
    "without_burn_in",
]
