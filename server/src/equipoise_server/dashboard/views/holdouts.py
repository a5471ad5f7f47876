"""Holdouts: the list, a new one, one with its seasons, and the look-up of a unit."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from equipoise_engine import Snapshot
from equipoise_server.access import reads as access
from equipoise_server.access.values import Permission
from equipoise_server.analysis import reads as analysis
from equipoise_server.dashboard.forms import Form, Reader, asked, filled, posted
from equipoise_server.dashboard.pages import holdouts as pages
from equipoise_server.dashboard.pages.attributes import read_attributes
from equipoise_server.dashboard.pages.holdouts import HoldoutPage, LookedUpFlag, LookUp, NewHoldoutPage
from equipoise_server.dashboard.pages.impact import impact_card
from equipoise_server.dashboard.visits import Visit, done, frame_of, in_place, not_done, show
from equipoise_server.experiments import actions
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.actions import CloseHoldout, CreateHoldout, OpenSeason, ReleaseUnit
from equipoise_server.experiments.values import Holdout, HoldoutScope
from equipoise_server.flags import reads as flags
from equipoise_server.foundation.ids import key_from_name
from equipoise_server.foundation.refusals import Invalid, Problem, Refusal
from equipoise_server.snapshots import reads as snapshots

CRUMB = "Holdouts"


@require_safe
@in_place
def listing(visit: Visit) -> HttpResponse:
    """The holdouts that may cover the project."""
    page = pages.holdouts_page(
        experiments.holdouts_of(visit.project.id),
        may_create=visit.may(Permission.PROJECT_EDIT),
        now=visit.now,
    )
    return show(visit, "holdouts/list.html", page, frame=frame_of(visit, CRUMB, section="holdouts"))


@require_http_methods(["GET", "POST"])
@in_place
def new(visit: Visit) -> HttpResponse:
    """A new holdout."""
    visit.actor.require(Permission.PROJECT_EDIT, visit.project.id)
    if visit.request.method == "GET":
        return _new_page(visit, filled({"share": "2", "months": "6", "environments": ("production",)}))
    form = posted(visit.request)
    try:
        made = actions.create_holdout(visit.actor, _command(visit, form), now=visit.now)
    except Refusal as refusal:
        return _new_page(visit, form.with_problems(refusal.problems), status=refusal.status)
    said = "Opened. It covers what starts from now on."
    return done(visit, visit.href("holdouts", made.key), said=said)


def _command(visit: Visit, form: Form) -> CreateHoldout:
    reader = Reader(form)
    share, months = reader.percent("share", "The share"), reader.whole("months", "The length")
    if reader.problems:
        raise Invalid(*reader.problems)
    named = form.text("flags").replace(",", "\n").splitlines()
    scope = HoldoutScope(
        () if form.text("scope") == "all" else (visit.project.id,),
        form.all("environments"),
        tuple(line.strip() for line in named if line.strip()),
    )
    return CreateHoldout(
        key=form.text("key").strip() or key_from_name(form.text("name")), name=form.text("name"),
        unit_type=form.text("unit_type", visit.project.default_unit_type),
        parts_per_million=round((share or 0) * 1_000_000), scope=scope, months=months or 0,
        description=form.text("description"),
    )  # fmt: skip


def _new_page(visit: Visit, form: Form, *, status: int = 200) -> HttpResponse:
    page = NewHoldoutPage(
        form, visit.project.unit_types, visit.project.environments, may_cover_all=_administers_all(visit)
    )
    crumbs = ((CRUMB, visit.href("holdouts")),)
    frame = frame_of(visit, "New holdout", section="holdouts", crumbs=crumbs)
    return show(visit, "holdouts/new.html", page, frame=frame, status=status)


def _administers_all(visit: Visit) -> bool:
    known = {environment.project_id for environment in access.all_environments()}
    return all(visit.actor.may(Permission.PROJECT_EDIT, project_id) for project_id in known)


@require_safe
@in_place
def one(visit: Visit, key: str) -> HttpResponse:
    """One holdout, and the look-up of a unit."""
    holdout = experiments.holdout(visit.project.id, key)
    question = asked(visit.request)
    page = HoldoutPage(
        row=pages.holdout_row(holdout, visit.now),
        description=holdout.description,
        covered=pages.covered_lines(holdout, visit.project),
        seasons=pages.season_lines(holdout),
        flags=holdout.scope.flags,
        environments=holdout.scope.environments,
        question=question,
        found=_looked_up(visit, holdout, question) if question.text("unit") else None,
        version=holdout.version,
        may_manage=holdout.is_open and visit.may(Permission.PROJECT_EDIT),
        may_release=holdout.is_open and visit.may(Permission.FLAG_EDIT),
        impact=impact_card(analysis.holdout_impact(holdout, visit.environment.id)),
    )
    crumbs = ((CRUMB, visit.href("holdouts")),)
    frame = frame_of(visit, holdout.name, section="holdouts", crumbs=crumbs)
    return show(visit, "holdouts/page.html", page, frame=frame)


def _looked_up(visit: Visit, holdout: Holdout, question: Form) -> LookUp:
    """Evaluates what clients get now, and the same without the holdout."""
    now = snapshots.preview(visit.environment.id)
    without = snapshots.without_holdout(visit.environment.id, holdout.key)
    unit = question.text("unit").strip()
    context = {
        "units": {holdout.unit_type: unit},
        "attributes": read_attributes(question.text("attributes")),
        "now": visit.now.isoformat(),
    }
    keys = [one.flag_key for one in holdout.covered if one.environment_id == visit.environment.id]
    found = tuple(_looked_up_flag(visit.project.id, key, (now, without), context) for key in keys)
    return LookUp(unit, any(one.is_held for one in found), found)


def _looked_up_flag(
    project_id: UUID, key: str, snapshots_: tuple[Snapshot, Snapshot], context: dict[str, object]
) -> LookedUpFlag:
    decision, free = (snapshot.evaluate(key, context, None) for snapshot in snapshots_)
    return LookedUpFlag(
        flag_key=key,
        is_held=decision.metadata.get("step") == "holdout",
        gets=decision.variant or "",
        step=str(decision.metadata.get("step", "")),
        without=free.variant or "",
        variants=tuple(variant.key for variant in flags.flag_by_key(project_id, key).variants),
    )


@require_POST
@in_place
def season(visit: Visit, key: str) -> HttpResponse:
    """Open the next season."""
    holdout = experiments.holdout(visit.project.id, key)
    form, href = posted(visit.request), visit.href("holdouts", key)
    reader = Reader(form)
    months = reader.whole("months", "The length")
    command = OpenSeason(holdout.id, form.version(), months or 0, form.text("reason"))
    try:
        actions.open_season(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return not_done(visit, href, refusal)
    return done(visit, href, said="A new season is open: other units are held, and nothing is covered yet.")


@require_POST
@in_place
def close(visit: Visit, key: str) -> HttpResponse:
    """Hold nobody any more."""
    holdout = experiments.holdout(visit.project.id, key)
    href = visit.href("holdouts", key)
    try:
        command = CloseHoldout(holdout.id, posted(visit.request).text("reason"))
        actions.close_holdout(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return not_done(visit, href, refusal)
    return done(visit, href, said="Closed. Its units get everything that was kept from them.")


@require_POST
@in_place
def release(visit: Visit, key: str) -> HttpResponse:
    """Let one unit have what is kept from it."""
    holdout = experiments.holdout(visit.project.id, key)
    form, href = posted(visit.request), visit.href("holdouts", key)
    chosen = {
        name.removeprefix("variant."): form.text(name)
        for name in form.values
        if name.startswith("variant.") and form.text(name)
    }
    try:
        if not chosen:
            raise Invalid(Problem("variants", "Choose a variant of at least one flag."))
        command = ReleaseUnit(
            holdout.id, visit.environment.id, form.text("unit").strip(), chosen, form.text("reason")
        )
        actions.release_unit(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return not_done(visit, href, refusal)
    return done(visit, href, said=f"{command.unit} is released and left out of every analysis.")
