"""What helps while a draft is planned: audience size, advisor, holdouts, and who would get what."""

from __future__ import annotations

from dataclasses import replace

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from equipoise_server.analysis import reads as analysis
from equipoise_server.analysis.values import PowerQuestion
from equipoise_server.dashboard.forms import asked
from equipoise_server.dashboard.pages import design_forms as forms
from equipoise_server.dashboard.pages.advice import Advice, advice_for
from equipoise_server.dashboard.pages.attributes import read_attributes
from equipoise_server.dashboard.pages.course import ramp_panel
from equipoise_server.dashboard.pages.design_forms import WizardStep
from equipoise_server.dashboard.pages.draft_preview import (
    AudiencePanel,
    WhoGetsWhat,
    audience_panel,
    who_gets_what,
)
from equipoise_server.dashboard.pages.experiment import DesignTab, design_tab
from equipoise_server.dashboard.visits import Visit, frame_of, in_place, show
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.values import Design, Experiment, MetricRole
from equipoise_server.flags import reads as flags
from equipoise_server.metrics import reads as metrics
from equipoise_server.metrics.values import Metric
from equipoise_server.snapshots import reads as snapshots


@require_safe
@in_place
def audience(visit: Visit, key: str) -> HttpResponse:
    """How many units a day would be eligible, for what is typed now; nothing is saved."""
    found = experiments.experiment_by_key(visit.project.id, key)
    design, _ = forms.read_step(WizardStep.AUDIENCE, asked(visit.request), found.design)
    frame = frame_of(visit, "Audience", section="experiments")
    return show(visit, "wizard/audience_size.html", audience_size(visit, design), frame=frame)


def audience_size(visit: Visit, design: Design) -> AudiencePanel:
    """The panel beside the audience."""
    size = analysis.audience_size(
        visit.environment.id, design.unit_type, design.eligibility,
        segments=flags.conditions_of(visit.project.id), now=visit.now,
    )  # fmt: skip
    return audience_panel(size, design)


def advice(visit: Visit, design: Design) -> Advice:
    """What the advisor says about a draft."""
    catalogue = {metric.key: metric for metric in metrics.metrics_of(visit.project.id)}
    planned = next((one for one in design.metrics if one.role is MetricRole.OEC), None)
    oec = None if planned is None else catalogue.get(planned.key)

    return advice_for(design, None if oec is None else _days_of_a_plain_split(design, oec))


def _days_of_a_plain_split(design: Design, oec: Metric) -> int | None:
    if len(design.arms) < 2:  # noqa: PLR2004  # a comparison needs two
        return None
    control_first = sorted(design.arms, key=lambda arm: arm.key != design.control)
    question = PowerQuestion(
        kind=oec.definition.kind, baseline=design.baseline, deviation=design.baseline_deviation,
        mde_relative=design.mde_relative, alpha=design.alpha, power=design.power,
        weights=tuple(max(arm.weight, 1) for arm in control_first), daily_units=design.daily_units,
    )  # fmt: skip
    return analysis.power_plan(question).recommended_days


def planned(visit: Visit, found: Experiment) -> DesignTab:
    """The draft's plan, with its ramp."""
    tab = design_tab(found, None, metrics.metrics_of(visit.project.id))
    ramp = ramp_panel(found.design, None, now=visit.now, may_pause=False, may_resume=False)
    return replace(tab, ramp=ramp)


def preview(visit: Visit, found: Experiment) -> WhoGetsWhat:
    """Who would get what if the draft were launched now, and why one unit would."""
    question = asked(visit.request)
    shares = snapshots.draft_shares(found, visit.environment, now=visit.now)
    answers: tuple[snapshots.DraftAnswer, ...] = ()
    if question.text("unit") or question.text("cluster"):
        design = found.design
        units = {design.unit_type: question.text("unit")}
        if design.cluster_type:
            units[design.cluster_type] = question.text("cluster")
        context: dict[str, object] = {
            "units": units,
            "attributes": read_attributes(question.text("attributes")),
        }
        if question.text("now"):
            context["now"] = question.text("now") + ":00Z"
        answers = snapshots.explain_draft(found, visit.environment, context, now=visit.now)
    coverings = experiments.coverings(found, visit.environment)
    return who_gets_what(found.design, shares, answers, coverings=coverings, question=question)
