"""Experiments: the list, the page with its tabs, the moves and the decision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from equipoise_server.access.values import Permission
from equipoise_server.analysis import reads as analysis
from equipoise_server.analysis.actions import SIGNATURES, SignFalseAlarm, sign_false_alarm
from equipoise_server.audit import reads as audit
from equipoise_server.dashboard.forms import Form, Reader, choice, posted, small_number
from equipoise_server.dashboard.pages import experiment as pages
from equipoise_server.dashboard.pages.activity import activity_lines
from equipoise_server.dashboard.pages.course import RampPanel, ramp_panel
from equipoise_server.dashboard.pages.experiment import (
    ArmToShip,
    DecidePage,
    ExperimentHead,
    ExperimentPage,
    Shown,
    Tab,
)
from equipoise_server.dashboard.pages.experiments import Show, experiments_page
from equipoise_server.dashboard.pages.false_alarms import FalseAlarmPanel, false_alarm_panel
from equipoise_server.dashboard.pages.freshness import FreshnessPanel, freshness_panel
from equipoise_server.dashboard.pages.health import health_tab
from equipoise_server.dashboard.pages.health_checks import CheckLine
from equipoise_server.dashboard.pages.results import results_tab
from equipoise_server.dashboard.views.health_checks import lines_of
from equipoise_server.dashboard.views.home import environment_names
from equipoise_server.dashboard.visits import Visit, done, frame_of, in_place, not_done, show
from equipoise_server.experiments import actions
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.actions import Archive, Decide, PauseRamp, Restart, ResumeRamp, Stop, Widen
from equipoise_server.experiments.values import DecisionKind, Experiment, Status
from equipoise_server.flags import reads as flags
from equipoise_server.foundation.refusals import Conflict, Invalid, NotFound, Problem, Refusal
from equipoise_server.metrics import reads as metrics


@require_safe
@in_place
def listing(visit: Visit) -> HttpResponse:
    """The list under a filter and a search text."""
    page = experiments_page(
        experiments.experiments_of(visit.project.id),
        show=choice(Show, visit.request.GET.get("show", ""), Show.CURRENT),
        search=visit.request.GET.get("search", ""),
        now=visit.now,
    )
    return show(
        visit, "experiment/list.html", page, frame=frame_of(visit, "Experiments", section="experiments")
    )


@require_safe
@in_place
def one(visit: Visit, key: str, tab: str = Tab.RESULTS) -> HttpResponse:
    """One experiment with one tab open."""
    if tab not in set(Tab):
        raise NotFound(Problem("", "There is no such tab."))
    found = experiments.experiment_by_key(visit.project.id, key)
    shown = _shown(found, run=small_number(visit.request.GET.get("run", "")))
    page = _opened(visit, Tab(tab), shown)
    crumbs = (("Experiments", visit.href("experiments")),)
    frame = frame_of(visit, found.name, section="experiments", crumbs=crumbs)
    return show(visit, f"experiment/{tab}.html", page, frame=frame)


def _shown(found: Experiment, *, run: int | None = None) -> Shown:
    iteration = pages.iteration_shown(found, run)
    report = analysis.report_of(iteration.id) if iteration else None
    reading = analysis.last_reading(iteration) if iteration else None
    return Shown(found, iteration, report, experiments.kills_over(found), reading)


def _head(visit: Visit, shown: Shown) -> ExperimentHead:
    held = visit.actor.permissions.get(visit.project.id, frozenset())
    return pages.experiment_head(shown, project=visit.project, permissions=held, now=visit.now)


def _opened(visit: Visit, tab: Tab, shown: Shown) -> ExperimentPage:
    """The page with what the open tab needs, and nothing else read."""
    head, iteration = _head(visit, shown), shown.iteration
    match tab:
        case Tab.RESULTS:
            results = results_tab(shown.report, shown.arms, has_started=iteration is not None)
            return ExperimentPage(
                head, tab, results=results, freshness=_freshness(visit, shown),
                false_alarm=_false_alarm(visit, shown),
            )  # fmt: skip
        case Tab.HEALTH:
            is_running = iteration is not None and iteration.stopped_at is None
            return ExperimentPage(
                head, tab, health=health_tab(shown.report, shown.arms),
                checks=_checks(visit, shown) if is_running else (),
            )  # fmt: skip
        case Tab.DESIGN:
            catalogue = metrics.metrics_of(visit.project.id, archived=True)
            is_newest = iteration == shown.experiment.iteration
            design = replace(
                pages.design_tab(shown.experiment, iteration, catalogue),
                ramp=_ramp(visit, shown),
                takes_metrics=head.key if head.powers.measure and is_newest else "",
            )
            return ExperimentPage(head, tab, design=design)
        case Tab.ACTIVITY:
            entries = audit.of_subject("experiment", shown.experiment.id)
            lines = activity_lines(entries, environment_names(visit))
            return ExperimentPage(head, tab, activity=lines)


def _freshness(visit: Visit, shown: Shown) -> FreshnessPanel | None:
    if shown.iteration is None or shown.iteration != shown.experiment.iteration:
        return None
    computed_at = None if shown.report is None else shown.report.computed_at
    found = analysis.freshness_of(shown.iteration.id, computed_at=computed_at, now=visit.now)
    return freshness_panel(shown.report, found, may_refresh=visit.may(Permission.JOB_MANAGE))


def _false_alarm(visit: Visit, shown: Shown) -> FalseAlarmPanel | None:
    run, report = shown.iteration, shown.report
    if run is None or run != shown.experiment.iteration or report is None:
        return None
    found = analysis.false_alarm_of(run, report.srm, person_id=visit.actor.author.id)
    return false_alarm_panel(found, may_decide=visit.may(Permission.EXPERIMENT_DECIDE))


def _ramp(visit: Visit, shown: Shown) -> RampPanel | None:
    design = shown.iteration.design if shown.iteration else shown.experiment.design
    return ramp_panel(
        design, shown.iteration, now=visit.now, may_pause=visit.may(Permission.EXPERIMENT_STOP),
        may_resume=visit.may(Permission.EXPERIMENT_LAUNCH), checks=_checks(visit, shown),
    )  # fmt: skip


def _checks(visit: Visit, shown: Shown) -> tuple[CheckLine, ...]:
    """The health checks of the flags that it sets: its ramp waits for them, and some roll back or kill."""
    if shown.iteration is None:
        return ()
    environment_id = shown.iteration.environment_id
    keys = dict.fromkeys(key for arm in shown.iteration.design.arms for key in arm.values)
    found = [flags.flag_by_key(visit.project.id, key) for key in keys]
    return tuple(line for flag in found for line in lines_of(flag, environment_id, now=visit.now))


def _moved(visit: Visit, key: str, move: Callable[[Experiment, Form], str]) -> HttpResponse:
    """Make a move and go back to the experiment, saying what happened or why not."""
    found = experiments.experiment_by_key(visit.project.id, key)
    href = visit.href("experiments", key)
    try:
        return done(visit, href, said=move(found, posted(visit.request)))
    except Refusal as refusal:
        return not_done(visit, href, refusal)


@require_POST
@in_place
def stop(visit: Visit, key: str) -> HttpResponse:
    """Stop a running experiment."""

    def move(found: Experiment, form: Form) -> str:
        actions.stop(visit.actor, Stop(found.id, form.text("reason")), now=visit.now)
        return "Stopped. Everybody gets the control until you decide."

    return _moved(visit, key, move)


@require_POST
@in_place
def sign(visit: Visit, key: str) -> HttpResponse:
    """Sign that the lock of the split is a false alarm."""

    def move(found: Experiment, form: Form) -> str:
        signed = sign_false_alarm(visit.actor, SignFalseAlarm(found.id, form.text("reason")), now=visit.now)
        if len(signed) < SIGNATURES:
            return "Signed. Somebody else has to sign, too; then the lock ends."
        return "Two people have signed: the lock has ended, and results are being computed."

    return _moved(visit, key, move)


@require_POST
@in_place
def restart(visit: Visit, key: str) -> HttpResponse:
    """Start a new run with fresh units."""

    def move(found: Experiment, form: Form) -> str:
        command = Restart(found.id, form.version(), form.text("reason"))
        actions.restart(visit.actor, command, now=visit.now)
        return "Restarted: a new run with fresh units has begun."

    return _moved(visit, key, move)


@require_POST
@in_place
def widen(visit: Visit, key: str) -> HttpResponse:
    """Let more units take part."""

    def move(found: Experiment, form: Form) -> str:
        reader = Reader(form)
        share = reader.percent("share", "The share")
        if share is None:
            raise Invalid(*reader.problems or [Problem("share", "Say how large the audience shall be.")])
        command = Widen(found.id, form.version(), round(share * 1_000_000), form.text("reason"))
        actions.widen(visit.actor, command, now=visit.now)
        return f"The audience is now {share * 100:g} %."

    return _moved(visit, key, move)


@require_POST
@in_place
def pause_ramp(visit: Visit, key: str) -> HttpResponse:
    """Take no further step of the ramp for now."""

    def move(found: Experiment, form: Form) -> str:
        actions.pause_ramp(visit.actor, PauseRamp(found.id, form.text("reason")), now=visit.now)
        return "The ramp is paused; the share stays as it is."

    return _moved(visit, key, move)


@require_POST
@in_place
def resume_ramp(visit: Visit, key: str) -> HttpResponse:
    """Go on with the ramp."""

    def move(found: Experiment, form: Form) -> str:
        actions.resume_ramp(visit.actor, ResumeRamp(found.id, form.text("reason")), now=visit.now)
        return "The ramp goes on; its steps moved back by the length of the pause."

    return _moved(visit, key, move)


@require_POST
@in_place
def archive(visit: Visit, key: str) -> HttpResponse:
    """Put an experiment away."""

    def move(found: Experiment, form: Form) -> str:
        actions.archive(visit.actor, Archive(found.id, form.text("reason")), now=visit.now)
        return "Archived."

    return _moved(visit, key, move)


@require_http_methods(["GET", "POST"])
@in_place
def decide(visit: Visit, key: str) -> HttpResponse:
    """Choose what to ship, or not to, and say why."""
    found = experiments.experiment_by_key(visit.project.id, key)
    if found.status is not Status.STOPPED:
        told = Problem("", f"“{found.name}” is {found.status}; only what is stopped can be decided.")
        return not_done(visit, visit.href("experiments", key), Conflict(told))
    if visit.request.method == "GET":
        return _decide_page(visit, found, Form())
    form = posted(visit.request)
    choice = form.text("choice")
    if not choice:
        asked = Problem("kind", "Choose what to ship, or not to ship.")
        return _decide_page(visit, found, form.with_problems([asked]), status=422)
    kind = DecisionKind.SHIP if choice.startswith("ship:") else DecisionKind.DO_NOT_SHIP
    command = Decide(found.id, kind, choice.removeprefix("ship:") if kind is DecisionKind.SHIP else "",
                     form.text("reason"))  # fmt: skip
    try:
        actions.decide(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return _decide_page(visit, found, form.with_problems(refusal.problems), status=refusal.status)
    said = (
        "Shipped. Raise the share on the flag's page."
        if kind is DecisionKind.SHIP
        else "Decided: not shipped."
    )
    return done(visit, visit.href("experiments", key), said=said)


def _decide_page(visit: Visit, found: Experiment, form: Form, *, status: int = 200) -> HttpResponse:
    shown = _shown(found)
    design = shown.iteration.design if shown.iteration else found.design
    arms = tuple(
        ArmToShip(arm, experiments.decision_checks(found, arm.key), index)
        for index, arm in enumerate(design.arms)
        if arm.key != design.control
    )
    crumbs = (("Experiments", visit.href("experiments")), (found.name, visit.href("experiments", found.key)))
    page = DecidePage(_head(visit, shown), arms, form)
    frame = frame_of(visit, "Decide", section="experiments", crumbs=crumbs)
    return show(visit, "experiment/decide.html", page, frame=frame, status=status)
