"""What must hold before an experiment starts in an environment: one table, all faults at once. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from equipoise_engine import validate_snapshot
from equipoise_server.access.values import Environment
from equipoise_server.experiments import design_checks as design
from equipoise_server.experiments import exposure_checks, metric_checks
from equipoise_server.experiments import randomisation_checks as randomisation
from equipoise_server.experiments import statistics_checks as statistics
from equipoise_server.experiments import traffic_checks as traffic
from equipoise_server.experiments.allocation import wanted_slots
from equipoise_server.experiments.checks import CheckRow
from equipoise_server.experiments.design_checks import DesignFacts
from equipoise_server.experiments.values import Design, Iteration, LayerRoom
from equipoise_server.flags.reads import NeedsGraph, stand_ins
from equipoise_server.flags.values import Condition, Flag
from equipoise_server.foundation.ids import KEY_RULE, is_key
from equipoise_server.foundation.refusals import Problem
from equipoise_server.metrics.values import CatalogueRules, Metric
from equipoise_server.sources.values import Source


@dataclass(frozen=True, slots=True)
class LaunchFacts:
    """Everything the checks look at. What the experiment itself holds counts as free."""

    design: Design
    experiment_key: str
    environment: Environment
    unit_types: tuple[str, ...]
    metrics: Mapping[str, Metric]
    flags: Mapping[str, Flag]
    """By key, without the archived ones."""
    segments: Mapping[str, Condition]
    layers: Mapping[str, LayerRoom]
    layer: LayerRoom | None
    """The layer it will use; None when launching makes one."""
    neighbours: tuple[Iteration, ...]
    """What else runs in the environment."""
    is_environment_killed: bool
    killed_groups: Mapping[str, str]
    """Flag key → a group of it that is killed in the environment."""
    needs: NeedsGraph
    """Which flags need which others in the environment."""
    now: datetime
    rules: CatalogueRules = field(default_factory=CatalogueRules)
    sources: Mapping[str, Source] = field(default_factory=dict)
    """By reference, those that the design's metrics and exposures are read from."""


def flags_set(plan: Design) -> frozenset[str]:
    """The keys of all flags that an experiment sets."""
    return frozenset().union(*(arm.values for arm in plan.arms))


def flags_faults(facts: LaunchFacts) -> Iterator[Problem]:
    """Every arm gives every flag of the experiment one of the flag's variants."""
    keys = sorted(flags_set(facts.design))
    if not keys and facts.design.exposures is None:
        yield Problem("arms", "Choose a flag and say which of its variants each arm serves.")
    for key in keys:
        flag = facts.flags.get(key)
        if flag is None:
            yield Problem("arms", f"There is no flag “{key}” in this project, or it is archived.")
        else:
            yield from _values_faults(facts.design, flag)


def _values_faults(plan: Design, flag: Flag) -> Iterator[Problem]:
    known = {variant.key for variant in flag.variants}
    for index, arm in enumerate(plan.arms):
        value, field = arm.values.get(flag.key), f"arms.{index}.values.{flag.key}"
        if value is None:
            yield Problem(
                field, f"The arm “{arm.key}” does not say what “{flag.key}” serves; every arm must."
            )
        elif value not in known:
            has = ", ".join(sorted(known))
            yield Problem(field, f"The flag “{flag.key}” has no variant “{value}”; it has: {has}.")


def kill_faults(facts: LaunchFacts) -> Iterator[Problem]:
    """Nothing that the experiment needs is switched off."""
    where = facts.environment.key
    if facts.design.exposures is not None:
        return
    if facts.is_environment_killed:
        yield Problem("arms", f"The environment “{where}” is killed; take the kill back first.")
    for key in sorted(flags_set(facts.design) & set(facts.flags)):
        settings = facts.flags[key].settings.get(where)
        if settings is None:
            yield Problem("arms", f"The flag “{key}” is not served in “{where}”; add it there first.")
        elif settings.is_killed:
            yield Problem("arms", f"The flag “{key}” is killed in “{where}”; take the kill back first.")
        elif key in facts.killed_groups:
            group = facts.killed_groups[key]
            yield Problem("arms", f"The group “{group}” of “{key}” is killed; take the kill back first.")
        yield from _needs_faults(key, facts)


def _needs_faults(key: str, facts: LaunchFacts) -> Iterator[Problem]:
    """A flag that waits for a killed one serves everybody off."""
    where = facts.environment.key
    for needed in facts.needs.silencing(key):
        settings = facts.flags[needed].settings.get(where) if needed in facts.flags else None
        is_killed = needed in facts.killed_groups or (settings is not None and settings.is_killed)
        if needed != key and is_killed:
            told = f"“{key}” needs “{needed}”, which is killed in “{where}”; take the kill back first."
            yield Problem("arms", told)


def rival_faults(facts: LaunchFacts) -> Iterator[Problem]:
    """Experiments on one flag share one layer, so that no unit is in two of them."""
    own = flags_set(facts.design)
    is_launch = facts.layer is not None and facts.layer.is_launch
    for rival in facts.neighbours:
        shared = own & flags_set(rival.design)
        if (
            shared
            and not _shares_layer(facts, rival)
            and facts.layers[rival.layer_key].is_launch == is_launch
        ):
            names = ", ".join(f"“{key}”" for key in sorted(shared))
            yield Problem(
                "layer",
                f"“{rival.experiment_key}” runs on {names} already. Choose its layer “{rival.layer_key}”, "
                "or wait until it is stopped.",
            )


def _shares_layer(facts: LaunchFacts, rival: Iteration) -> bool:
    return facts.layer is not None and rival.layer_key == facts.layer.key


def surface_faults(facts: LaunchFacts) -> Iterator[Problem]:
    """Experiments on one surface share one layer, so that no unit sees two of them there."""
    yield from randomisation.surface_faults(facts.design)
    surface = facts.design.surface
    for rival in facts.neighbours:
        if surface and rival.design.surface == surface and not _shares_layer(facts, rival):
            yield Problem(
                "layer",
                f"“{rival.experiment_key}” runs on the surface “{surface}” already. Choose its layer "
                f"“{rival.layer_key}”, or wait until it is stopped.",
            )


def layer_faults(facts: LaunchFacts) -> Iterator[Problem]:
    """The layer exists and has room."""
    plan = facts.design
    if not 0 < plan.slot_share <= 1:
        yield Problem("slot_share", "Ask for a share of the layer above 0 and at most 1.")
        return
    if plan.layer and not is_key(plan.layer):
        yield Problem("layer", f"The layer “{plan.layer}” cannot be used: {KEY_RULE}.")
    if facts.layer is not None and facts.layer.free_slots < wanted_slots(plan.slot_share):
        yield Problem(
            "slot_share",
            f"The layer “{facts.layer.key}” has {facts.layer.free_slots / 100:g} % left, not "
            f"{plan.slot_share * 100:g} %. Ask for less, or choose another layer.",
        )


def layer_advice(facts: LaunchFacts) -> str:
    """A layer that is misspelt would be a new one."""
    if facts.layer is not None or not facts.design.layer:
        return ""
    known = ", ".join(f"“{key}”" for key in sorted(facts.layers)) or "none yet"
    return f"The layer “{facts.design.layer}” is new here and will be made at launch; there are: {known}."


def unit_type_faults(facts: LaunchFacts) -> Iterator[Problem]:
    """The project declares the unit type, and the layer randomises it."""
    unit_type = facts.design.unit_type
    if unit_type not in facts.unit_types:
        known = ", ".join(facts.unit_types)
        yield Problem("unit_type", f"The project has no unit type “{unit_type}”; it has: {known}.")
    elif facts.layer is not None and facts.layer.unit_type != facts.design.randomised_type:
        yield Problem(
            "unit_type",
            f"The layer “{facts.layer.key}” randomises {facts.layer.unit_type}s, not "
            f"{facts.design.randomised_type}s; choose another layer or that unit type.",
        )


def eligibility_faults(facts: LaunchFacts) -> Iterator[Problem]:
    """The engine can evaluate who takes part: it is asked, because SDKs will ask it."""
    if facts.design.eligibility is None:
        return
    rule = {"id": "probe", "eligibility": facts.design.eligibility, "serve": "on"}
    document = {
        "format": 1, "project": "probe", "environment": "probe", "epoch": 1, "revision": 1,
        "default_unit_type": facts.unit_types[0], "unit_types": list(facts.unit_types),
        "segments": dict(facts.segments),
        "flags": {
            "probe": {
                "type": "boolean", "variants": {"on": True}, "off": "on", "default": "on", "rules": [rule],
            }
        },
    }  # fmt: skip
    own = "/flags/probe/rules/0/eligibility"
    for fault in validate_snapshot(document, stand_ins(facts.segments)):
        if fault.path.startswith(own) or not fault.path:
            path = fault.path.removeprefix(own).replace("/", ".")
            yield Problem(f"eligibility{path}", f"The audience's condition {fault.message}.")


def cluster_faults(facts: LaunchFacts) -> Iterator[Problem]:
    """Clusters are declared, and enough of them carry the evidence."""
    return randomisation.cluster_faults(facts.design, facts.unit_types)


def switchback_faults(facts: LaunchFacts) -> Iterator[Problem]:
    """A balanced schedule can be drawn, and it begins later than now."""
    return randomisation.switchback_faults(facts.design, facts.now)


def exposure_faults(facts: LaunchFacts) -> Iterator[Problem]:
    """Exposures from outside can be read, and nothing is planned that only the one who assigns could do."""
    yield from exposure_checks.table_faults(facts.design, facts.sources)
    yield from exposure_checks.outside_faults(facts.design, facts.now)


def _of_design(
    faults: Callable[[DesignFacts], Iterable[Problem]],
) -> Callable[[LaunchFacts], Iterable[Problem]]:
    """Let a check of the design alone stand in the launch table."""
    return lambda facts: faults(DesignFacts(facts.design, facts.metrics))


def _advice(advise: Callable[[DesignFacts], str]) -> Callable[[LaunchFacts], str]:
    return lambda facts: advise(DesignFacts(facts.design, facts.metrics))


LAUNCH_CHECKS: tuple[CheckRow[LaunchFacts], ...] = (
    CheckRow("hypothesis", "The hypothesis is written down", _of_design(design.hypothesis_faults)),
    CheckRow("arms", "There are at least two variants", _of_design(design.arms_faults)),
    CheckRow("control", "The control is one of them", _of_design(design.control_faults)),
    CheckRow("arm_keys", "Each variant has a key of its own", _of_design(design.arm_keys_faults)),
    CheckRow("weights", "The weights are whole numbers", _of_design(design.weights_faults)),
    CheckRow("flags", "Every variant says what each flag serves", flags_faults),
    CheckRow("kills", "Nothing it needs is killed", kill_faults),
    CheckRow("exposures", "Exposures come from the SDKs, or from a table that fits", exposure_faults),
    CheckRow("unit_type", "The layer randomises the unit type", unit_type_faults),
    CheckRow("eligibility", "The audience can be evaluated", eligibility_faults),
    CheckRow("audience", "Somebody takes part", _of_design(design.audience_faults)),
    CheckRow(
        "traffic",
        "It is said who leaves the analysis",
        _of_design(traffic.traffic_faults),
        lambda facts: traffic.traffic_advice(DesignFacts(facts.design, facts.metrics)),
    ),
    CheckRow("layer", "The layer has room", layer_faults, layer_advice),
    CheckRow("rivals", "Experiments on the same flag share its layer", rival_faults),
    CheckRow("surface", "Experiments on the same surface share its layer", surface_faults),
    CheckRow(
        "clusters", "There are enough clusters", cluster_faults,
        lambda facts: randomisation.cluster_advice(facts.design),
    ),
    CheckRow(
        "switchback", "A balanced schedule can be drawn", switchback_faults,
        lambda facts: randomisation.switchback_advice(facts.design),
    ),
    CheckRow("ramp", "The share only grows", lambda facts: randomisation.ramp_faults(facts.design)),
    CheckRow(
        "spillover", "Variants do not reach each other", lambda _facts: (),
        lambda facts: randomisation.spillover_advice(facts.design),
    ),
    CheckRow("oec", "One metric decides, or several by weight", _of_design(statistics.oec_faults)),
    CheckRow("metrics", "Every metric is in the catalogue", _of_design(design.metrics_faults)),
    CheckRow("windows", "Regions' windows have every metric", _of_design(statistics.window_faults)),
    CheckRow("quantiles", "Quantiles are judged at a planned end", _of_design(statistics.quantile_faults)),
    CheckRow(
        "certified", "The metrics that decide are certified",
        lambda facts: metric_checks.certification_faults(facts.design, facts.metrics, facts.rules),
        lambda facts: metric_checks.certification_advice(facts.design, facts.metrics),
    ),
    CheckRow(
        "sources", "Every source knows the units",
        lambda facts: metric_checks.source_faults(facts.design, facts.metrics, facts.sources),
    ),
    CheckRow(
        "guardrails", "Every guardrail has a margin", _of_design(design.guardrail_faults),
        _advice(design.guardrail_advice),
    ),
    CheckRow("alpha", "The confidence is between 80 % and 100 %", _of_design(design.alpha_faults)),
    CheckRow("mde", "The smallest lift worth finding is given", _of_design(design.mde_faults)),
    CheckRow(
        "looks", "Looks can be taken before the end", _of_design(statistics.looks_faults),
        _advice(statistics.looks_advice),
    ),
    CheckRow("measures", "Bounds and attributes make sense", _of_design(statistics.measures_faults)),
    CheckRow(
        "power", "The planned end follows from numbers", _of_design(design.power_faults),
        _advice(design.power_advice),
    ),
)  # fmt: skip
