"""Home and activity: pages that only read."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from equipoise_server.access import reads as access
from equipoise_server.audit import reads as audit
from equipoise_server.dashboard.forms import small_number
from equipoise_server.dashboard.pages.activity import ActivityLine, ActivityPage, activity_lines
from equipoise_server.dashboard.pages.home import (
    HomePage,
    first_steps,
    killed_in,
    needs_of,
    overdue_holdouts,
    running_of,
)
from equipoise_server.dashboard.visits import Visit, frame_of, in_place, show
from equipoise_server.experiments import reads as experiments
from equipoise_server.flags import reads as flags
from equipoise_server.metrics import reads as metrics

_RECENT, _LOOK_BACK = 6, 60
_PAGE = 50


@require_safe
@in_place
def home(visit: Visit) -> HttpResponse:
    """What needs me, what runs, what happened."""
    found = experiments.experiments_of(visit.project.id)
    all_flags = flags.flags_of(visit.project.id)
    page = HomePage(
        needs=needs_of(found, visit.now),
        running=running_of(found, visit.now),
        killed_groups=tuple(
            group.name for group in flags.groups_of(visit.project.id) if visit.environment.id in group.killed
        ),
        killed_flags=killed_in(all_flags, visit.environment.key),
        environment_killed_at=flags.environment_kill(visit.environment.id),
        recent=_recent(visit),
        overdue_holdouts=overdue_holdouts(experiments.holdouts_of(visit.project.id), visit.now),
        first_steps=first_steps(
            flags=len(all_flags),
            metrics=len(metrics.metrics_of(visit.project.id)),
            keys=len(access.sdk_keys(visit.project.id)),
            experiments=found,
        ),
    )
    return show(visit, "home.html", page, frame=frame_of(visit, "Home", section=""))


def _recent(visit: Visit) -> tuple[ActivityLine, ...]:
    """What happened last, without the verdicts that analysis writes all day."""
    entries = audit.of_project(visit.project.id, limit=_LOOK_BACK)
    told = [entry for entry in entries if entry.action != "experiment.verdict"]
    return activity_lines(told[:_RECENT], environment_names(visit))


@require_safe
@in_place
def activity(visit: Visit) -> HttpResponse:
    """The audit trail, a page at a time."""
    asked = visit.request.GET.get("before", "")
    before = small_number(asked)
    lines = project_activity(visit, limit=_PAGE + 1, before=before)
    older = lines[_PAGE - 1].number if len(lines) > _PAGE else None
    page = ActivityPage(lines[:_PAGE], older, is_first=before is None)
    return show(visit, "activity.html", page, frame=frame_of(visit, "Activity", section="activity"))


def project_activity(visit: Visit, *, limit: int, before: int | None = None) -> tuple[ActivityLine, ...]:
    """The project's newest records as lines."""
    entries = audit.of_project(visit.project.id, before=before, limit=limit)
    return activity_lines(entries, environment_names(visit))


def environment_names(visit: Visit) -> dict[str, str]:
    """The project's environments by id."""
    return {str(each.id): each.name for each in visit.project.environments}
