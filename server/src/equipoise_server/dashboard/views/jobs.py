"""Jobs: the page, and the buttons that cancel one, try one again, or refresh an experiment now."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpResponse
from django.views.decorators.http import require_POST, require_safe

from equipoise_server.access.values import Permission
from equipoise_server.analysis.actions import AskRefresh, ask_refresh
from equipoise_server.dashboard.forms import posted, small_number
from equipoise_server.dashboard.pages.jobs import jobs_page
from equipoise_server.dashboard.visits import Visit, done, frame_of, in_place, not_done, show
from equipoise_server.experiments import reads as experiments
from equipoise_server.foundation.refusals import Refusal
from equipoise_server.jobs import actions
from equipoise_server.jobs import reads as jobs
from equipoise_server.jobs.actions import CancelJob, RetryJob
from equipoise_server.jobs.values import Job


@require_safe
@in_place
def page(visit: Visit) -> HttpResponse:
    """What runs, waits, failed and was done."""
    found = jobs.jobs_of(visit.project.id, now=visit.now)
    made = jobs_page(found, jobs.workers(visit.now), may_manage=lambda job: _may_manage(visit, job))
    crumbs = (("Settings", visit.href("settings")),)
    return show(
        visit, "settings/jobs.html", made, frame=frame_of(visit, "Jobs", section="settings", crumbs=crumbs)
    )


def _may_manage(visit: Visit, job: Job) -> bool:
    if job.project_id is None:
        return visit.actor.may_create_projects
    return visit.may(Permission.JOB_MANAGE)


def _acted(visit: Visit, act: Callable[[], str]) -> HttpResponse:
    href = visit.href("settings", "jobs")
    try:
        return done(visit, href, said=act())
    except Refusal as refusal:
        return not_done(visit, href, refusal)


@require_POST
@in_place
def cancel(visit: Visit, job: str) -> HttpResponse:
    """Stop a job at its next step."""

    def act() -> str:
        command = CancelJob(small_number(job) or 0, visit.project.id, posted(visit.request).text("reason"))
        found = actions.cancel(visit.actor, command, now=visit.now)
        return f"“{found.title}” stops at its next step." if found.is_stopping else "The job is cancelled."

    return _acted(visit, act)


@require_POST
@in_place
def retry(visit: Visit, job: str) -> HttpResponse:
    """Try a failed job again now."""

    def act() -> str:
        command = RetryJob(small_number(job) or 0, visit.project.id, posted(visit.request).text("reason"))
        return f"“{actions.retry(visit.actor, command, now=visit.now).title}” is tried again now."

    return _acted(visit, act)


@require_POST
@in_place
def refresh(visit: Visit, key: str) -> HttpResponse:
    """Make an experiment's report again as soon as a worker is free."""
    found = experiments.experiment_by_key(visit.project.id, key)
    href = visit.href("experiments", key)
    try:
        ask_refresh(visit.actor, AskRefresh(found.id), now=visit.now)
    except Refusal as refusal:
        return not_done(visit, href, refusal)
    return done(visit, href, said="The refresh is asked for. Decision numbers change at planned looks alone.")
