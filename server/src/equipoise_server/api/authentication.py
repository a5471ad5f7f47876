"""Who asks: the bearer of a management token, or a person signed in with a browser. Known before parsing."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from ninja.security import APIKeyCookie, HttpBearer
from ninja.utils import check_csrf

from equipoise_server.access import reads as access
from equipoise_server.access.values import Actor
from equipoise_server.foundation.refusals import Forbidden, Problem


class ManagementToken(HttpBearer):
    """`Authorization: Bearer eq_api_…`"""

    def authenticate(self, request: HttpRequest, token: str) -> Actor | None:  # noqa: ARG002  # ninja calls it so
        """The person behind the token."""
        return access.actor_of_token(token.strip(), now=timezone.now())


class SignedInPerson(APIKeyCookie):
    """The browser's session; what changes something needs the CSRF token as well."""

    param_name = settings.SESSION_COOKIE_NAME

    def __call__(self, request: HttpRequest) -> Actor | None:
        """The person of the session."""
        if "Authorization" in request.headers:
            return None
        actor = access.actor_of_session(request.session)
        if actor is not None and check_csrf(request) is not None:
            told = "Send the CSRF token of the page in X-CSRFToken, or use a management token."
            raise Forbidden(Problem("", told))
        return actor

    def authenticate(self, request: HttpRequest, key: str | None) -> Actor | None:
        """Not called: the session itself says who it is."""
        raise NotImplementedError


def actor_of(request: HttpRequest) -> Actor:
    """Who asks, in an operation."""
    actor = getattr(request, "auth", None)
    assert isinstance(actor, Actor), "operations run after authentication"
    return actor


AUTHENTICATION = [ManagementToken(), SignedInPerson()]


def recognised(request: HttpRequest) -> Actor | None:
    """Who asks, before the operation has run; None when nobody can be recognised."""
    for recognise in AUTHENTICATION:
        actor = recognise(request)
        if actor is not None:
            assert isinstance(actor, Actor)
            return actor
    return None
