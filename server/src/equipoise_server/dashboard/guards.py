"""Who may open a page, and what a page may load: strangers sign in first, and nothing foreign runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from equipoise_server.access import reads as access
from equipoise_server.dashboard.visits import SignedInRequest

SIGN_IN = "/sign-in"
_OPEN_TO_ALL = frozenset({SIGN_IN, "/theme"})
_OTHER_DOORS = ("/api/", "/v1/", "/static/")
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)


class SignedInMiddleware:
    """Sends strangers to the sign-in page and sets the policy of every page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Let signed-in people through; other doors look after themselves."""
        if request.path.startswith(_OTHER_DOORS):
            return self.get_response(request)
        actor = access.actor_of_session(request.session)
        if actor is not None:
            cast(SignedInRequest, request).actor = actor
        elif request.path not in _OPEN_TO_ALL:
            return _to_sign_in(request)
        answer = self.get_response(request)
        answer.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        return answer


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    back = urlencode({"next": request.get_full_path() if request.method == "GET" else "/"})
    if request.headers.get("HX-Request") == "true":
        return HttpResponse(status=401, headers={"HX-Redirect": f"{SIGN_IN}?{back}"})
    return HttpResponseRedirect(f"{SIGN_IN}?{back}")
