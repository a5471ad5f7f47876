"""The wizard's forms: each step's fields from a design, and the design from the fields. Decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum

from equipoise_server.dashboard.forms import Form, Reader, filled
from equipoise_server.dashboard.pages.clauses import clause_texts, read_condition
from equipoise_server.dashboard.pages.exposure_forms import value_texts_of, with_values
from equipoise_server.dashboard.pages.metric_step import (
    guardrail_count,
    metrics_texts,
    part_count,
    read_metrics,
)
from equipoise_server.dashboard.pages.plan_step import plan_texts, read_plan
from equipoise_server.dashboard.pages.randomisation_forms import (
    ramp_texts,
    randomisation_texts,
    read_ramp,
    read_randomisation,
)
from equipoise_server.dashboard.pages.traffic_lines import read_traffic, traffic_texts
from equipoise_server.experiments.values import Arm, Design
from equipoise_server.flags.values import Flag
from equipoise_server.foundation.refusals import Problem

__all__ = [
    "FORM_STEPS", "WizardStep", "arm_count", "chosen_flags", "guardrail_count", "next_step", "part_count",
    "read_step", "step_of_field", "texts_of", "with_arm", "with_guesses", "without_arm",
]  # fmt: skip

_DEFAULT_ARMS = (Arm("control", "Control", 1, {}), Arm("treatment", "Treatment", 1, {}))


class WizardStep(StrEnum):
    """The steps of the wizard, in their order."""

    HYPOTHESIS = "hypothesis"
    AUDIENCE = "audience"
    RANDOMISATION = "randomisation"
    VARIANTS = "variants"
    METRICS = "metrics"
    PLAN = "plan"
    REVIEW = "review"


FORM_STEPS = tuple(step for step in WizardStep if step is not WizardStep.REVIEW)
_FIELDS = {
    WizardStep.HYPOTHESIS: ("hypothesis", "name", "owner"),
    WizardStep.AUDIENCE: ("eligibility", "audience_parts_per_million", "ramp", "traffic"),
    WizardStep.RANDOMISATION: (
        "spillover", "unit_type", "cluster_type", "cluster_count", "switchback", "layer", "slot_share",
        "surface", "only_differing", "exposures",
    ),
    WizardStep.VARIANTS: ("arms", "control"),
    WizardStep.METRICS: ("metrics",),
    WizardStep.PLAN: (
        "alpha", "power", "mde_relative", "baseline", "baseline_deviation", "daily_units", "planned_days",
        "looks", "covariates", "expected_reduction", "strata", "breakdowns", "cluster_size",
        "cluster_correlation",
    ),
}  # fmt: skip


def step_of_field(field: str) -> WizardStep:
    """The step where a design's field is edited."""
    top = field.removeprefix("design.").partition(".")[0]
    return next((step for step, names in _FIELDS.items() if top in names), WizardStep.REVIEW)


def next_step(step: WizardStep) -> WizardStep:
    """The step after this one; the last stays."""
    steps = list(WizardStep)
    return steps[min(steps.index(step) + 1, len(steps) - 1)]


def texts_of(step: WizardStep, name: str, owner: str, design: Design) -> Form:
    """A step's form, filled from the draft."""
    if step is WizardStep.HYPOTHESIS:
        return filled({"name": name, "owner": owner, "hypothesis": design.hypothesis})
    return filled(_TEXTS[step](design))


def read_step(step: WizardStep, form: Form, design: Design) -> tuple[Design, list[Problem]]:
    """The draft with what was typed in one step, and what could not be read."""
    reader = Reader(form)
    return _READERS[step](reader, design), reader.problems


def _audience_texts(design: Design) -> dict[str, str]:
    return {
        **clause_texts(design.eligibility),
        "share": f"{design.audience_parts_per_million / 10_000:g}",
        **ramp_texts(design),
        **traffic_texts(design),
    }


def _read_hypothesis(reader: Reader, design: Design) -> Design:
    return replace(design, hypothesis=reader.form.text("hypothesis").strip())


def _read_audience(reader: Reader, design: Design) -> Design:
    share = reader.percent("share", "The share")
    eligibility = read_condition(reader.form, reader.problems)
    return replace(
        design,
        eligibility=eligibility,
        audience_parts_per_million=design.audience_parts_per_million if share is None else round(share * 1e6),
        ramp=read_ramp(reader),
        traffic=read_traffic(reader, design.traffic),
    )


def _variants_texts(design: Design) -> dict[str, str]:
    arms = design.arms or _DEFAULT_ARMS
    texts = {"control": str(next((i for i, arm in enumerate(arms) if arm.key == design.control), 0))}
    for place, flag in enumerate(dict.fromkeys(flag for arm in arms for flag in arm.values)):
        texts[f"flag.{place}"] = flag
    for place, arm in enumerate(arms):
        texts |= {f"arm.{place}.key": arm.key, f"arm.{place}.name": arm.name}
        texts |= {f"arm.{place}.weight": str(arm.weight), f"arm.{place}.description": arm.description}
        texts |= {f"arm.{place}.values.{flag}": value for flag, value in arm.values.items()}
    return {**texts, **value_texts_of(design)}


def arm_count(form: Form) -> int:
    """How many variants the form has."""
    return next(place for place in range(65) if f"arm.{place}.name" not in form.values)


def chosen_flags(form: Form) -> tuple[str, ...]:
    """The flags that the variants set, as chosen in the form."""
    fields = sorted(name for name in form.values if name.startswith("flag."))
    return tuple(dict.fromkeys(form.text(name) for name in fields if form.text(name)))


def with_guesses(form: Form, flags: Mapping[str, Flag], environment: str) -> Form:
    """Fill empty choices of freshly chosen flags: control keeps today's value, others get another."""
    guesses: dict[str, Sequence[str]] = {}
    for key in chosen_flags(form):
        flag = flags.get(key)
        if flag is None:
            continue
        served = flag.settings[environment].default
        others = [variant.key for variant in flag.variants if variant.key != served] or [served]
        for place in range(arm_count(form)):
            name = f"arm.{place}.values.{key}"
            guess = served if place == 0 else others[(place - 1) % len(others)]
            if not form.text(name):
                guesses[name] = (guess,)
    return Form({**form.values, **guesses}, form.problems)


def _read_variants(reader: Reader, design: Design) -> Design:
    form, flags = reader.form, chosen_flags(reader.form)
    arms = []
    for place in range(arm_count(form)):
        at = f"arm.{place}"
        weight = reader.whole(f"{at}.weight", "The weight")
        values = {flag: form.text(f"{at}.values.{flag}") for flag in flags}
        arms.append(
            Arm(
                key=form.text(f"{at}.key").strip(),
                name=form.text(f"{at}.name").strip(),
                weight=0 if weight is None else weight,
                values={flag: value for flag, value in values.items() if value},
                description=form.text(f"{at}.description").strip(),
            )
        )
    chosen = form.text("control", "0")
    control = arms[int(chosen)].key if chosen.isdigit() and int(chosen) < len(arms) else design.control
    return with_values(replace(design, arms=tuple(arms), control=control), arms, form)


def without_arm(form: Form, gone: int) -> Form:
    """The form with one variant taken out; the later ones move up."""
    values = {name: typed for name, typed in form.values.items() if not name.startswith("arm.")}
    for name, typed in form.values.items():
        prefix, _, rest = name.partition(".")
        place, _, field = rest.partition(".")
        if prefix == "arm" and place.isdigit() and int(place) != gone:
            values[f"arm.{int(place) - (int(place) > gone)}.{field}"] = typed
    return Form(values, form.problems)


def with_arm(form: Form) -> Form:
    """The form with one more variant."""
    place = arm_count(form)
    fresh = {"key": f"treatment-{place}", "name": f"Treatment {place}", "weight": "1", "description": ""}
    return Form({**form.values, **{f"arm.{place}.{k}": (v,) for k, v in fresh.items()}}, form.problems)


_TEXTS: dict[WizardStep, Callable[[Design], Mapping[str, str | Sequence[str]]]] = {
    WizardStep.AUDIENCE: _audience_texts,
    WizardStep.RANDOMISATION: randomisation_texts,
    WizardStep.VARIANTS: _variants_texts,
    WizardStep.METRICS: metrics_texts,
    WizardStep.PLAN: plan_texts,
}
_READERS: dict[WizardStep, Callable[[Reader, Design], Design]] = {
    WizardStep.HYPOTHESIS: _read_hypothesis,
    WizardStep.AUDIENCE: _read_audience,
    WizardStep.RANDOMISATION: read_randomisation,
    WizardStep.VARIANTS: _read_variants,
    WizardStep.METRICS: read_metrics,
    WizardStep.PLAN: read_plan,
}
