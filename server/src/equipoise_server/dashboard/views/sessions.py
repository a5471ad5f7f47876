"""Signing in and out, the start page, and new projects."""

from __future__ import annotations

import math
from datetime import timedelta

from django.contrib.auth import authenticate, login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from equipoise_server.access import actions, reads
from equipoise_server.access.actions import CreateProject
from equipoise_server.dashboard.forms import Form, filled, posted
from equipoise_server.dashboard.pages.places import SignInPage, StartPage
from equipoise_server.dashboard.themes import safe_path
from equipoise_server.dashboard.visits import (
    Visit,
    actor_of,
    bare_frame,
    in_place,
    place_href,
    refused,
    rendered,
)
from equipoise_server.foundation.ids import key_from_name
from equipoise_server.foundation.refusals import Forbidden, NotFound, Problem, Refusal


@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Ask for e-mail and password, and start a session."""
    if request.method == "GET":
        return _sign_in_page(request, Form(), request.GET.get("next", "/"))
    form, now = posted(request), timezone.now()
    email, address = form.text("email"), str(request.META.get("REMOTE_ADDR", ""))
    wait = reads.sign_in_wait(email, address, now=now)
    if wait is not None:
        return _too_often(request, form, wait)
    user = authenticate(request, email=email, password=form.text("password"))
    if user is None:
        actions.note_failed_sign_in(email, address, now=now)
        told = Problem("", "This e-mail address and password do not belong together.")
        return _sign_in_page(request, form.with_problems([told]), form.text("next", "/"), status=422)
    login(request, user)
    return HttpResponseRedirect(safe_path(request, form.text("next", "/")))


def _too_often(request: HttpRequest, form: Form, wait: timedelta) -> HttpResponse:
    """Too many wrong passwords: the right one is not even looked at."""
    seconds = math.ceil(wait.total_seconds())
    told = Problem("", f"Too many wrong passwords. Try again in {seconds} seconds.")
    answer = _sign_in_page(request, form.with_problems([told]), form.text("next", "/"), status=429)
    answer["Retry-After"] = str(seconds)
    return answer


def _sign_in_page(request: HttpRequest, form: Form, back: str, *, status: int = 200) -> HttpResponse:
    page = SignInPage(form, safe_path(request, back))
    return rendered(request, "sign_in.html", page, frame=bare_frame(request, "Sign in"), status=status)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    request.session.flush()
    return HttpResponseRedirect("/sign-in")


@require_safe
def start(request: HttpRequest) -> HttpResponse:
    """Go to the person's first project, or help them to one."""
    projects = reads.projects_of(actor_of(request))
    if not projects:
        return _start_page(request, filled({"unit_types": "user"}))
    return HttpResponseRedirect(place_href(projects[0].key, projects[0].environments[-1].key))


@require_http_methods(["GET", "POST"])
def new_project(request: HttpRequest) -> HttpResponse:
    """Create a project and go there."""
    if request.method == "GET":
        return _start_page(request, filled({"unit_types": "user"}))
    form = posted(request)
    unit_types = tuple(part.strip() for part in form.text("unit_types").split(",") if part.strip())
    key = form.text("key").strip() or key_from_name(form.text("name"))
    usual = unit_types[0] if unit_types else ""
    hides = bool(form.all("is_pseudonymised"))
    command = CreateProject(key, form.text("name"), unit_types, usual, is_pseudonymised=hides)
    try:
        project = actions.create_project(actor_of(request), command, now=timezone.now())
    except Refusal as refusal:
        return _start_page(request, form.with_problems(refusal.problems), status=refusal.status)
    return HttpResponseRedirect(place_href(project.key, project.environments[-1].key))


@require_safe
def unknown(request: HttpRequest, rest: str) -> HttpResponse:
    """An address that means nothing; inside a project, the way to everything else stays."""
    match rest.split("/"):
        case ["p", project, environment, *_]:
            return _unknown_here(request, project=project, environment=environment, rest=rest)
        case _:
            return refused(request, NotFound(Problem("", f"There is no page “/{rest}”.")))


@in_place
def _unknown_here(visit: Visit, rest: str) -> HttpResponse:
    raise NotFound(Problem("", f"{visit.project.name} has no page “/{rest}”."))


def without_token(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without its page's token: older than the sign-in, or sent by an address that is not ours."""
    told = [Problem("", "This form is from before you signed in, or from elsewhere. Nothing was changed.")]
    told.append(Problem("", "Go back, load the page again, and send it once more."))
    if reason.startswith(("Origin", "Referer")):
        told.append(Problem("", "If it happens again, the operator names this address in EQUIPOISE_ORIGINS."))
    return refused(request, Forbidden(*told))


def broken(request: HttpRequest) -> HttpResponse:
    """Something failed on our side: said without any other question to the server."""
    html = render_to_string("dashboard/broken.html", {"path": request.path})
    return HttpResponse(html, status=500)


def _start_page(request: HttpRequest, form: Form, *, status: int = 200) -> HttpResponse:
    page = StartPage(form, actor_of(request).may_create_projects)
    return rendered(request, "start.html", page, frame=bare_frame(request, "Welcome"), status=status)
