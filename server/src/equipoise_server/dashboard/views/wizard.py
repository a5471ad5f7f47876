"""The create wizard: one draft, saved at every step, reviewed and launched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from equipoise_server.access.values import Permission
from equipoise_server.analysis import reads as analysis
from equipoise_server.dashboard.forms import Form, asked, posted
from equipoise_server.dashboard.pages import design_forms as forms
from equipoise_server.dashboard.pages.clauses import clause_count
from equipoise_server.dashboard.pages.design_forms import WizardStep
from equipoise_server.dashboard.pages.draft_preview import AudiencePanel
from equipoise_server.dashboard.pages.power import (
    PowerPanel,
    known_words,
    missing_before_power,
    power_panel,
    power_question,
    switchback_panel,
)
from equipoise_server.dashboard.pages.randomisation_forms import ramp_count, scheme_of
from equipoise_server.dashboard.pages.wizard import (
    NewExperimentPage,
    ReviewPage,
    WizardPage,
    check_lines,
    step_links,
)
from equipoise_server.dashboard.views import planning_aids
from equipoise_server.dashboard.visits import Visit, done, frame_of, in_place, not_done, show
from equipoise_server.experiments import actions
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.actions import CreateExperiment, EditDesign, Launch
from equipoise_server.experiments.values import Design, Experiment, MetricRole
from equipoise_server.flags import reads as flags
from equipoise_server.foundation.ids import key_from_name
from equipoise_server.foundation.refusals import Conflict, NotFound, Problem, Refusal
from equipoise_server.metrics import reads as metrics
from equipoise_server.metrics.values import Metric
from equipoise_server.sources import reads as sources


@require_http_methods(["GET", "POST"])
@in_place
def new(visit: Visit) -> HttpResponse:
    """A name and a key make the draft."""
    visit.actor.require(Permission.EXPERIMENT_EDIT, visit.project.id)
    if visit.request.method == "GET":
        return _new_page(visit, Form())
    form = posted(visit.request)
    design = Design(hypothesis=form.text("hypothesis").strip(), unit_type=visit.project.default_unit_type)
    key = form.text("key").strip() or key_from_name(form.text("name"))
    command = CreateExperiment(visit.project.id, key, form.text("name"), design, visit.actor.author.name)
    try:
        made = actions.create_experiment(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return _new_page(visit, form.with_problems(refusal.problems), status=refusal.status)
    return done(
        visit, visit.href("experiments", made.key, "edit", WizardStep.AUDIENCE), said="Draft created."
    )


def _new_page(visit: Visit, form: Form, *, status: int = 200) -> HttpResponse:
    crumbs = (("Experiments", visit.href("experiments")),)
    frame = frame_of(visit, "New experiment", section="experiments", crumbs=crumbs)
    return show(visit, "wizard/new.html", NewExperimentPage(form), frame=frame, status=status)


@require_http_methods(["GET", "POST"])
@in_place
def edit(visit: Visit, key: str, step: str) -> HttpResponse:
    """One step of the draft."""
    visit.actor.require(Permission.EXPERIMENT_EDIT, visit.project.id)
    found = experiments.experiment_by_key(visit.project.id, key)
    if step not in set(WizardStep):
        raise NotFound(Problem("", "The wizard has no such step."))
    if found.iterations:
        raise Conflict(
            Problem("", f"“{found.name}” has started, so its plan is frozen. Restart to change it.")
        )
    if step == WizardStep.REVIEW:
        return _review(visit, found)
    if visit.request.method == "GET":
        return _step_page(visit, found, WizardStep(step), _stored(found, WizardStep(step)))
    return _posted_step(visit, found, WizardStep(step), posted(visit.request))


def _stored(found: Experiment, step: WizardStep) -> Form:
    return forms.texts_of(step, found.name, found.owner, found.design)


def _posted_step(visit: Visit, found: Experiment, step: WizardStep, form: Form) -> HttpResponse:
    pressed = form.text("do", "save")
    if pressed not in {"save", "leave"}:
        return _step_page(visit, found, step, _rearranged(step, form, pressed))
    design, problems = forms.read_step(step, form, found.design)
    if problems:
        return _step_page(visit, found, step, form.with_problems(problems), status=422)
    command = EditDesign(
        found.id, form.version(), form.text("name", found.name), design,
        form.text("owner", found.owner),
    )  # fmt: skip
    try:
        actions.edit_design(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        found = experiments.experiment(found.id)
        return _step_page(visit, found, step, form.with_problems(refusal.problems), status=refusal.status)
    href = visit.href("experiments", found.key)
    if pressed == "save":
        href = visit.href("experiments", found.key, "edit", forms.next_step(step))
    return done(visit, href, said="Draft saved.")


def _rearranged(step: WizardStep, form: Form, pressed: str) -> Form:
    """The form after a button that only changes its lines."""
    verb, _, place = pressed.partition("-")
    if step is WizardStep.VARIANTS and verb == "add":
        return forms.with_arm(form)
    if step is WizardStep.VARIANTS and verb == "remove" and place.isdecimal():
        return forms.without_arm(form, int(place))
    return form


def _step_page(
    visit: Visit, found: Experiment, step: WizardStep, form: Form, *, status: int = 200
) -> HttpResponse:
    page = WizardPage(
        key=found.key, name=found.name, step=step,
        links=step_links(experiments.launch_checks(found, visit.environment, visit.now)),
        form=form, version=found.version, design=found.design,
    )  # fmt: skip
    page = _with_choices(visit, page)
    frame = frame_of(visit, "Design", section="experiments", crumbs=_crumbs(visit, found))
    return show(visit, "wizard/step.html", page, frame=frame, status=status)


def _with_choices(visit: Visit, page: WizardPage) -> WizardPage:
    """The page with what its step lets people choose from."""
    project_id, form = visit.project.id, page.form
    if page.step is WizardStep.AUDIENCE:
        return replace(
            page, clause_count=clause_count(form), segments=flags.segments_of(project_id),
            ramp_count=ramp_count(form), audience=_audience(visit, page),
        )  # fmt: skip
    if page.step is WizardStep.RANDOMISATION:
        design, _ = forms.read_step(page.step, form, page.design)
        return replace(
            page, unit_types=visit.project.unit_types, advice=planning_aids.advice(visit, design),
            layers=experiments.layers_of(visit.environment.id), scheme=scheme_of(design),
            surfaces=experiments.surfaces_of(project_id), sources=sources.sources_of(project_id),
        )  # fmt: skip
    if page.step is WizardStep.VARIANTS:
        known = {flag.key: flag for flag in flags.flags_of(project_id)}
        form = forms.with_guesses(form, known, visit.environment.key)
        chosen = tuple(known[key] for key in forms.chosen_flags(form) if key in known)
        return replace(
            page, form=form, flags=tuple(known.values()), chosen=chosen, arm_count=forms.arm_count(form)
        )
    if page.step is WizardStep.METRICS:
        catalogue = metrics.metrics_of(project_id)
        return replace(
            page, metrics=catalogue, guardrail_count=forms.guardrail_count(form),
            part_count=forms.part_count(form), known=_known(visit, catalogue),
        )  # fmt: skip
    if page.step is WizardStep.PLAN:
        design, _ = forms.read_step(WizardStep.PLAN, form, page.design)
        measured = _known(visit, metrics.metrics_of(project_id))
        return replace(page, oec=_oec(visit, design), power=_power(visit, design), known=measured)
    return page


def _known(visit: Visit, catalogue: Sequence[Metric]) -> dict[str, str]:
    """What metrics were in the newest experiment that measured them."""
    by_key = {metric.key: metric for metric in catalogue}
    return known_words(by_key, analysis.known_metrics(visit.project.id))


def _audience(visit: Visit, page: WizardPage) -> AudiencePanel | None:
    """The size of the audience, once somebody asks: counting may take a while."""
    if page.form.text("do") != "estimate":
        return None
    design, _ = forms.read_step(page.step, page.form, page.design)
    return planning_aids.audience_size(visit, design)


@require_safe
@in_place
def power(visit: Visit, key: str) -> HttpResponse:
    """The power panel for what is typed now; nothing is saved."""
    found = experiments.experiment_by_key(visit.project.id, key)
    design, _ = forms.read_step(WizardStep.PLAN, asked(visit.request), found.design)
    frame = frame_of(visit, "Power", section="experiments")
    return show(visit, "wizard/power.html", _power(visit, design), frame=frame)


def _power(visit: Visit, design: Design) -> PowerPanel:
    oec = _oec(visit, design)
    if oec is None or len(design.arms) < 2:  # noqa: PLR2004  # a comparison needs two
        return PowerPanel(missing=missing_before_power(oec, design))
    if design.switchback is not None:
        return switchback_panel(
            design, analysis.switchback_power(visit.environment.id, design, oec, now=visit.now)
        )
    catalogue = {metric.key: metric for metric in metrics.metrics_of(visit.project.id)}
    question = power_question(design, oec, catalogue, analysis.known_metrics(visit.project.id))
    answer = analysis.power_plan(question)
    return power_panel(design, answer)


def _oec(visit: Visit, design: Design) -> Metric | None:
    planned = next((each for each in design.metrics if each.role is MetricRole.OEC), None)
    if planned is None:
        return None
    return next((m for m in metrics.metrics_of(visit.project.id) if m.key == planned.key), None)


def _review(visit: Visit, found: Experiment) -> HttpResponse:
    checks = experiments.launch_checks(found, visit.environment, visit.now)
    page = ReviewPage(
        key=found.key, name=found.name, environment=visit.environment.name, links=step_links(checks),
        version=found.version, design=planning_aids.planned(visit, found),
        checks=check_lines(checks), may_launch=visit.may(Permission.EXPERIMENT_LAUNCH),
        preview=planning_aids.preview(visit, found),
    )  # fmt: skip
    frame = frame_of(visit, "Review", section="experiments", crumbs=_crumbs(visit, found))
    return show(visit, "wizard/review.html", page, frame=frame)


@require_POST
@in_place
def launch(visit: Visit, key: str) -> HttpResponse:
    """Freeze the plan and start."""
    found = experiments.experiment_by_key(visit.project.id, key)
    command = Launch(found.id, visit.environment.id, posted(visit.request).version())
    try:
        actions.launch(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        back = visit.href("experiments", key, "edit", WizardStep.REVIEW)
        return not_done(visit, back if not found.iterations else visit.href("experiments", key), refusal)
    return done(visit, visit.href("experiments", key), said=f"Launched in {visit.environment.name}.")


def _crumbs(visit: Visit, found: Experiment) -> tuple[tuple[str, str], ...]:
    return (("Experiments", visit.href("experiments")), (found.name, visit.href("experiments", found.key)))
