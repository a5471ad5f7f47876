"""A visit: who opened which project and environment, and how a page is put into its frame."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Concatenate, ParamSpec, cast
from urllib.parse import quote

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.utils import timezone

from equipoise_server.access import reads as access
from equipoise_server.access.values import Actor, Environment, Permission, Project
from equipoise_server.dashboard.themes import Theme, theme_of
from equipoise_server.dashboard.worker_watch import WorkerTrouble, worker_trouble
from equipoise_server.foundation.refusals import NotFound, Problem, Refusal

_Keys = ParamSpec("_Keys")


class SignedInRequest(HttpRequest):
    """A request that the guard let through."""

    actor: Actor


@dataclass(frozen=True, slots=True)
class Crumb:
    """One step of the way to a page."""

    label: str
    href: str


@dataclass(frozen=True, slots=True)
class Visit:
    """One signed-in person in one project and environment, at one time."""

    request: HttpRequest
    actor: Actor
    project: Project
    environment: Environment
    projects: tuple[Project, ...]
    now: datetime

    def may(self, permission: Permission) -> bool:
        """Whether the person holds this permission here."""
        return self.actor.may(permission, self.project.id)

    def href(self, *parts: str) -> str:
        """The address of a page in this project and environment."""
        return place_href(self.project.key, self.environment.key, *parts)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that just happened, said once."""

    text: str
    tone: str


@dataclass(frozen=True, slots=True)
class Frame:
    """Everything around a page: who, where, navigation and notices."""

    title: str
    section: str
    crumbs: tuple[Crumb, ...]
    person: str
    project: Project | None
    environment: Environment | None
    projects: tuple[Project, ...]
    permissions: frozenset[str]
    notices: tuple[Notice, ...]
    theme: Theme
    path: str
    now: datetime
    worker: WorkerTrouble | None = None
    """Why nothing that falls due is done, where pages show what it makes."""

    def may(self, permission: str) -> bool:
        """Whether the person holds a permission, by its name."""
        return permission in self.permissions

    def href(self, *parts: str) -> str:
        """The address of a page in the project and environment of the frame."""
        if self.project is None or self.environment is None:
            return "/"
        return place_href(self.project.key, self.environment.key, *parts)


def place_href(project: str, environment: str, *parts: str) -> str:
    """The address of a page in a project and environment."""
    return "/" + "/".join(quote(part) for part in ("p", project, environment, *parts))


def in_place(
    view: Callable[Concatenate[Visit, _Keys], HttpResponse],
) -> Callable[..., HttpResponse]:
    """Make a view of a project's page: whoever may not see the project finds nothing there."""

    @functools.wraps(view)
    def door(
        request: HttpRequest, /, project: str, environment: str, *args: _Keys.args, **keys: _Keys.kwargs
    ) -> HttpResponse:
        try:
            visit = arrive(request, project, environment)
        except Refusal as refusal:
            return refused(request, refusal)
        try:
            return view(visit, *args, **keys)
        except Refusal as refusal:
            return _refused_here(visit, refusal)

    return door


def arrive(request: HttpRequest, project_key: str, environment_key: str) -> Visit:
    """The visit of a signed-in request, or NotFound."""
    actor = actor_of(request)
    projects = access.projects_of(actor)
    project = next((each for each in projects if each.key == project_key), None)
    if project is None:
        raise NotFound(Problem("project", f"There is no project “{project_key}” that you can see."))
    environment = project.environment(environment_key)
    if environment is None:
        raise NotFound(Problem("environment", f"{project.name} has no environment “{environment_key}”."))
    return Visit(request, actor, project, environment, projects, timezone.now())


def actor_of(request: HttpRequest) -> Actor:
    """Whom the guard let through."""
    return cast(SignedInRequest, request).actor


def show(visit: Visit, template: str, page: object, *, frame: Frame, status: int = 200) -> HttpResponse:
    """Render a page in its frame."""
    return rendered(visit.request, template, page, frame=frame, status=status)


def rendered(
    request: HttpRequest, template: str, page: object, *, frame: Frame, status: int = 200
) -> HttpResponse:
    """Render a template with its page and frame; nothing else is handed to it."""
    html = render_to_string(f"dashboard/{template}", {"page": page, "frame": frame}, request=request)
    answer = HttpResponse(html, status=status)
    answer["Cache-Control"] = "no-store"
    return answer


def frame_of(visit: Visit, title: str, *, section: str, crumbs: Iterable[tuple[str, str]] = ()) -> Frame:
    """The frame of a project's page. Crumbs are (label, href) between the project and the page."""
    held = visit.actor.permissions.get(visit.project.id, frozenset())
    return Frame(
        title=title,
        section=section,
        crumbs=tuple(Crumb(label, href) for label, href in crumbs),
        person=visit.actor.author.name,
        project=visit.project,
        environment=visit.environment,
        projects=visit.projects,
        permissions=frozenset(str(permission) for permission in held),
        notices=_notices(visit.request),
        theme=theme_of(visit.request),
        path=visit.request.path,
        now=visit.now,
        worker=worker_trouble(section, visit.now),
    )


def bare_frame(request: HttpRequest, title: str) -> Frame:
    """The frame of a page outside any project."""
    actor: Actor | None = getattr(request, "actor", None)
    return Frame(
        title=title, section="", crumbs=(), person="" if actor is None else actor.author.name,
        project=None, environment=None, projects=() if actor is None else access.projects_of(actor),
        permissions=frozenset(), notices=_notices(request), theme=theme_of(request), path=request.path,
        now=timezone.now(),
    )  # fmt: skip


def refused(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """A refusal that no form could show, as a page of its own."""
    frame = bare_frame(request, refusal.title)
    return rendered(request, "refusal.html", refusal, frame=frame, status=refusal.status)


def _refused_here(visit: Visit, refusal: Refusal) -> HttpResponse:
    """A refusal inside a project: the way to everything else stays."""
    section = visit.request.path.removeprefix(visit.href()).strip("/").partition("/")[0]
    frame = frame_of(visit, refusal.title, section=section)
    return show(visit, "refusal.html", refusal, frame=frame, status=refusal.status)


def done(visit: Visit, href: str, *, said: str) -> HttpResponse:
    """After a successful post: go there, and say once what happened."""
    messages.success(visit.request, said)
    return HttpResponseRedirect(href)


def not_done(visit: Visit, href: str, refusal: Refusal) -> HttpResponse:
    """After a refused button press: go back, and say why and what to do."""
    for problem in refusal.problems:
        messages.error(visit.request, problem.message)
    return HttpResponseRedirect(href)


def _notices(request: HttpRequest) -> tuple[Notice, ...]:
    tones = {messages.ERROR: "bad", messages.SUCCESS: "good", messages.WARNING: "warn"}
    return tuple(
        Notice(str(message), tones.get(message.level, "active")) for message in messages.get_messages(request)
    )
