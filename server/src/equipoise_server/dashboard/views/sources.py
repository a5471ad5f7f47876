"""Sources and connections: the list, one source with its preview, a new one, a revision."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from equipoise_server.access.values import Permission
from equipoise_server.audit import reads as audit
from equipoise_server.dashboard.forms import Form, choice, posted
from equipoise_server.dashboard.pages import sources as pages
from equipoise_server.dashboard.pages.activity import activity_lines
from equipoise_server.dashboard.pages.sources import SourceFormPage, SourcePage, SourcesPage
from equipoise_server.dashboard.views.home import environment_names
from equipoise_server.dashboard.visits import Visit, done, frame_of, in_place, show
from equipoise_server.foundation.ids import key_from_name
from equipoise_server.foundation.refusals import Invalid, Problem, Refusal
from equipoise_server.metrics import reads as metrics
from equipoise_server.sources import actions
from equipoise_server.sources import reads as sources
from equipoise_server.sources.actions import CreateConnection, CreateSource, ReviseSource
from equipoise_server.sources.values import TABULAR, ConnectionKind, Estimate, Preview, Source


@require_safe
@in_place
def listing(visit: Visit) -> HttpResponse:
    """Sources, and the connections that they read over."""
    return _list_page(visit, Form())


@require_POST
@in_place
def connect(visit: Visit) -> HttpResponse:
    """A new connection."""
    form = posted(visit.request)
    command = CreateConnection(
        visit.project.id, form.text("key").strip(),
        choice(ConnectionKind, form.text("kind"), ConnectionKind.FILES),
        form.text("location").strip(), form.text("password_from").strip(),
    )  # fmt: skip
    try:
        made = actions.create_connection(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return _list_page(visit, form.with_problems(refusal.problems), status=refusal.status)
    next_step = "Describe a source over it." if made.kind in TABULAR else "Add health checks to flags."
    return done(visit, visit.href("sources"), said=f"“{made.key}” is connected. {next_step}")


@require_safe
@in_place
def one(visit: Visit, key: str) -> HttpResponse:
    """One source; with `look` an estimate, or a preview, for those who may edit metrics."""
    source = sources.source_by_key(visit.project.id, key)
    may_edit = visit.may(Permission.METRIC_EDIT)
    look = visit.request.GET.get("look", "") if may_edit else ""
    page = _looked(visit, source, look)
    crumbs = (("Metrics", visit.href("metrics")), ("Sources", visit.href("sources")))
    frame = frame_of(visit, source.name, section="metrics", crumbs=crumbs)
    return show(visit, "sources/page.html", page, frame=frame)


@require_http_methods(["GET", "POST"])
@in_place
def new(visit: Visit) -> HttpResponse:
    """A new source."""
    visit.actor.require(Permission.METRIC_EDIT, visit.project.id)
    if visit.request.method == "GET":
        connections = [one for one in sources.connections_of(visit.project.id) if one.kind in TABULAR]
        form = pages.new_source_form(connections, visit.project.default_unit_type, visit.actor.author.name)
        return _form_page(visit, form, None)
    form = posted(visit.request)
    key = form.text("key").strip() or key_from_name(form.text("name"))
    problems: list[Problem] = []
    command = CreateSource(
        visit.project.id, key, form.text("name"), pages.read_shape(form, problems),
        form.text("description"), form.text("owner"),
    )  # fmt: skip
    try:
        if problems:
            raise Invalid(*problems)
        made = actions.create_source(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return _form_page(visit, _shown(form, refusal), None, status=refusal.status)
    return done(visit, visit.href("sources", made.key), said="Source saved. Metrics can read it now.")


@require_http_methods(["GET", "POST"])
@in_place
def edit(visit: Visit, key: str) -> HttpResponse:
    """A revision; another shape is another version."""
    visit.actor.require(Permission.METRIC_EDIT, visit.project.id)
    source = sources.source_by_key(visit.project.id, key)
    if visit.request.method == "GET":
        return _form_page(visit, pages.source_form(source), source)
    form = posted(visit.request)
    problems: list[Problem] = []
    command = ReviseSource(
        source.id, form.version("edition"), form.text("name"), pages.read_shape(form, problems),
        form.text("description"), form.text("owner"),
    )  # fmt: skip
    try:
        if problems:
            raise Invalid(*problems)
        actions.revise_source(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return _form_page(visit, _shown(form, refusal), source, status=refusal.status)
    return done(visit, visit.href("sources", key), said="Source saved.")


@require_POST
@in_place
def archive(visit: Visit, key: str) -> HttpResponse:
    """Take a source out of the catalogue."""
    source = sources.source_by_key(visit.project.id, key)
    actions.archive_source(visit.actor, source.id, now=visit.now)
    return done(visit, visit.href("sources"), said=f"“{source.name}” is archived.")


def _looked(visit: Visit, source: Source, look: str) -> SourcePage:
    preview: Preview | None = None
    estimate: Estimate | None = None
    faults: tuple[Problem, ...] = ()
    try:
        if look == "estimate":
            estimate = sources.estimate_source(source, now=visit.now)
        elif look == "run":
            preview = sources.preview_source(source, now=visit.now)
    except Refusal as fault:
        faults = fault.problems
    return SourcePage(
        source=source,
        read_by=pages.readers(source, metrics.metrics_of(visit.project.id)),
        versions=sources.versions_of(source.id),
        history=activity_lines(audit.of_subject("source", source.id, limit=20), environment_names(visit)),
        may_edit=visit.may(Permission.METRIC_EDIT),
        look=look,
        preview=preview,
        estimate=estimate,
        faults=faults,
    )


def _shown(form: Form, refusal: Refusal) -> Form:
    return form.with_problems(pages.shown_problems(refusal.problems))


def _list_page(visit: Visit, form: Form, *, status: int = 200) -> HttpResponse:
    page = SourcesPage(
        sources=sources.sources_of(visit.project.id),
        connections=sources.connections_of(visit.project.id),
        kinds=pages.KIND_WORDS,
        form=form,
        may_edit=visit.may(Permission.METRIC_EDIT),
        may_connect=visit.may(Permission.PROJECT_EDIT),
    )
    crumbs = (("Metrics", visit.href("metrics")),)
    frame = frame_of(visit, "Sources", section="metrics", crumbs=crumbs)
    return show(visit, "sources/list.html", page, frame=frame, status=status)


def _form_page(visit: Visit, form: Form, source: Source | None, *, status: int = 200) -> HttpResponse:
    crumbs = [("Metrics", visit.href("metrics")), ("Sources", visit.href("sources"))]
    if source is not None:
        crumbs.append((source.name, visit.href("sources", source.key)))
    title = "Revise" if source else "New source"
    connections = tuple(
        (one.key, f"{one.key} ({pages.KIND_WORDS[one.kind]})")
        for one in sources.connections_of(visit.project.id)
        if one.kind in TABULAR
    )
    frame = frame_of(visit, title, section="metrics", crumbs=crumbs)
    page = SourceFormPage(form, source, connections)
    return show(visit, "sources/form.html", page, frame=frame, status=status)
