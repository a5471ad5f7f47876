"""Forms: what is stored fills them, what they say is stored, and nothing typed is lost."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from dashboard import gallery
from hypothesis import given
from hypothesis import strategies as st

from equipoise_server.dashboard.forms import Form, Reader, filled
from equipoise_server.dashboard.pages import design_forms as forms
from equipoise_server.dashboard.pages import flag_forms
from equipoise_server.dashboard.pages.attributes import attribute_lines, read_attributes
from equipoise_server.dashboard.pages.design_forms import FORM_STEPS, WizardStep
from equipoise_server.dashboard.pages.metric_forms import metric_form, read_metric
from equipoise_server.experiments.launch_checks import LAUNCH_CHECKS
from equipoise_server.experiments.values import Arm, Design
from equipoise_server.flags.values import FlagSettings, FlagType, FlagVariant, Override, Rollout, Rule
from equipoise_server.metrics.values import (
    Aggregate,
    Definition,
    Direction,
    Fact,
    Margin,
    MarginKind,
    Metric,
    MetricKind,
    Tier,
)


def _as_draft(design: Design) -> Design:
    """A draft names no metric versions."""
    return replace(design, metrics=tuple(replace(planned, version=0) for planned in design.metrics))


DRAFT = _as_draft(gallery.DESIGN)


@pytest.mark.parametrize("step", FORM_STEPS)
def test_saving_a_step_untouched_changes_nothing(step: WizardStep) -> None:
    form = forms.texts_of(step, "Name", "Owner", DRAFT)
    design, problems = forms.read_step(step, form, DRAFT)
    assert problems == []
    assert set(design.metrics) == set(DRAFT.metrics)
    assert replace(design, metrics=DRAFT.metrics) == DRAFT


@given(
    mde=st.none() | st.integers(1, 999).map(lambda n: n / 10_000),
    baseline=st.none() | st.integers(1, 999).map(lambda n: n / 1000),
    days=st.none() | st.integers(1, 99),
    share=st.integers(0, 1000).map(lambda n: n * 1000),
)
def test_numbers_survive_the_way_through_a_form(
    mde: float | None, baseline: float | None, days: int | None, share: int
) -> None:
    design = replace(
        DRAFT, mde_relative=mde, baseline=baseline, planned_days=days, audience_parts_per_million=share
    )
    plan, _ = forms.read_step(WizardStep.PLAN, forms.texts_of(WizardStep.PLAN, "", "", design), design)
    assert plan.mde_relative == (None if mde is None else pytest.approx(mde, rel=1e-9))
    assert plan.baseline == (None if baseline is None else pytest.approx(baseline, rel=1e-9))
    assert plan.planned_days == days
    step = WizardStep.AUDIENCE
    audience, _ = forms.read_step(step, forms.texts_of(step, "", "", design), design)
    assert audience.audience_parts_per_million == share


def test_what_is_no_number_is_named_and_kept() -> None:
    form = Form({"mde": ("about 3",), "daily_units": ("many",), "confidence": ("95",)})
    _, problems = forms.read_step(WizardStep.PLAN, form, DRAFT)
    assert [problem.field for problem in problems] == ["mde", "daily_units"]
    assert form.with_problems(problems).text("mde") == "about 3"


@pytest.mark.parametrize("typed", ["2.5", " 2.5 % ", "2.5%", "2.50"])
def test_a_percentage_may_be_typed_as_people_type_it(typed: str) -> None:
    assert Reader(Form({"share": (typed,)})).percent("share", "The share") == 0.025


@pytest.mark.parametrize("typed", ["nan", "inf", "1e999", "--1", "½"])
def test_what_is_no_quantity_is_refused(typed: str) -> None:
    reader = Reader(Form({"x": (typed,)}))
    assert reader.number("x", "It") is None
    assert len(reader.problems) == 1


def test_a_new_draft_starts_with_a_control_and_a_treatment() -> None:
    form = forms.texts_of(WizardStep.VARIANTS, "", "", Design())
    design, _ = forms.read_step(WizardStep.VARIANTS, form, Design())
    assert [arm.key for arm in design.arms] == ["control", "treatment"]
    assert design.control == "control"


def test_a_variant_can_be_added_and_taken_out() -> None:
    form = forms.with_arm(forms.texts_of(WizardStep.VARIANTS, "", "", DRAFT))
    assert forms.arm_count(form) == 3
    design, _ = forms.read_step(WizardStep.VARIANTS, forms.without_arm(form, 1), DRAFT)
    assert [arm.key for arm in design.arms] == ["control", "treatment-2"]


def test_every_launch_check_leads_to_a_step_of_the_wizard() -> None:
    named = {
        "hypothesis": WizardStep.HYPOTHESIS,
        "arms": WizardStep.VARIANTS,
        "arms.0.key": WizardStep.VARIANTS,
        "metrics.1.margin": WizardStep.METRICS,
        "alpha": WizardStep.PLAN,
        "slot_share": WizardStep.RANDOMISATION,
        "switchback.starts_at": WizardStep.RANDOMISATION,
        "ramp.0.after_hours": WizardStep.AUDIENCE,
        "eligibility": WizardStep.AUDIENCE,
        "mde_relative": WizardStep.PLAN,
    }
    assert {field: forms.step_of_field(field) for field in named} == named
    assert LAUNCH_CHECKS


SETTINGS = FlagSettings(
    environment_id=UUID(int=3),
    environment_key="production",
    off="off",
    default="off",
    killed_at=None,
    overrides=(Override("on", "user", ("u-1", "u-2")), Override("on", segment="staff")),
    rules=(
        Rule(
            "r1",
            {"attribute": "country", "operator": "equals", "value": "DE"},
            serve="on",
            description="Home",
        ),
        Rule("r2", None, rollout=Rollout("on", "user", 125_000)),
    ),
    version=3,
    pins=(),
)


def test_saving_rules_untouched_changes_nothing() -> None:
    form = flag_forms.settings_form(SETTINGS)
    assert flag_forms.read_rules(Reader(form)) == SETTINGS.rules
    assert flag_forms.read_overrides(form) == SETTINGS.overrides


def test_rules_move_and_go() -> None:
    form = flag_forms.settings_form(SETTINGS)
    raised = flag_forms.read_rules(Reader(flag_forms.with_rule_raised(form, 1)))
    assert [rule.id for rule in raised] == ["r2", "r1"]
    left = flag_forms.read_rules(Reader(flag_forms.without_rule(form, 0)))
    assert [rule.id for rule in left] == ["r2"]
    more = flag_forms.read_rules(Reader(flag_forms.with_rule(form, "on", "user")))
    assert [rule.serve for rule in more] == ["on", "", "on"]


@pytest.mark.parametrize(
    ("flag_type", "typed", "value"),
    [
        (FlagType.BOOLEAN, "True", True),
        (FlagType.NUMBER, "2", 2),
        (FlagType.NUMBER, "2.5", 2.5),
        (FlagType.STRING, " kept ", " kept "),
        (FlagType.OBJECT, '{"a": 1}', {"a": 1}),
    ],
)
def test_a_value_is_read_in_its_flags_type(flag_type: FlagType, typed: str, value: object) -> None:
    reader = Reader(filled({"variant.0.key": "a", "variant.0.value": typed}))
    assert flag_forms.read_variants(reader, flag_type) == (FlagVariant("a", value),)  # type: ignore[arg-type]  # any value
    assert reader.problems == []


@pytest.mark.parametrize(
    ("flag_type", "typed"),
    [(FlagType.BOOLEAN, "yes"), (FlagType.NUMBER, "nan"), (FlagType.NUMBER, "x"), (FlagType.OBJECT, "[1]")],
)
def test_a_value_of_another_type_is_named(flag_type: FlagType, typed: str) -> None:
    reader = Reader(filled({"variant.0.key": "a", "variant.0.value": typed}))
    flag_forms.read_variants(reader, flag_type)
    assert [problem.field for problem in reader.problems] == ["variants.0.value"]


METRIC = Metric(
    id=UUID(int=5),
    version_id=UUID(int=6),
    project_id=UUID(int=1),
    key="orders",
    version=1,
    name="Orders per visit",
    description="",
    definition=Definition(
        MetricKind.RATIO,
        Fact("order", Aggregate.SUM, "total", {"channel": "web", "paid": True, "size": 2}),
        Fact("session"),
    ),
    direction=Direction.INCREASE,
    tier=Tier.L2,
    owner="",
    display="number",
    default_margin=Margin(MarginKind.ABSOLUTE, 0.5),
    minimum_units=50,
)


def test_saving_a_metric_untouched_changes_nothing() -> None:
    read = read_metric(Reader(metric_form(METRIC)), METRIC.default_margin)
    assert read.definition == METRIC.definition
    assert read.default_margin == METRIC.default_margin
    assert (read.name, read.tier, read.direction) == (METRIC.name, METRIC.tier, METRIC.direction)


@given(
    st.dictionaries(
        st.text("abc_", min_size=1, max_size=5),
        st.one_of(
            st.booleans(), st.integers(-99, 99), st.text("ab19.", max_size=5), st.sampled_from(["true", "7"])
        ),
        max_size=4,
    )
)
def test_attributes_survive_their_lines(attributes: dict[str, str | float | bool]) -> None:
    assert read_attributes(attribute_lines(attributes)) == attributes


def test_an_arm_without_a_name_is_kept_for_the_checks_to_name() -> None:
    nameless = replace(DRAFT, arms=(Arm("", "", 1, {}), *DRAFT.arms))
    form = forms.texts_of(WizardStep.VARIANTS, "", "", nameless)
    design, _ = forms.read_step(WizardStep.VARIANTS, form, nameless)
    assert design.arms == nameless.arms
