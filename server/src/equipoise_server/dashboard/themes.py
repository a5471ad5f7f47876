"""Light, dark or as the system says: kept in a cookie, so the first paint is right without a script."""

from __future__ import annotations

from enum import StrEnum

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

COOKIE = "theme"
_YEAR_SECONDS = 365 * 24 * 60 * 60


class Theme(StrEnum):
    """What a person chose."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


def theme_of(request: HttpRequest) -> Theme:
    """The chosen theme; anything unreadable is the system's."""
    chosen = request.COOKIES.get(COOKIE, "")
    return Theme(chosen) if chosen in set(Theme) else Theme.SYSTEM


@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """Keep the choice and go back to the page."""
    answer = HttpResponseRedirect(safe_path(request, request.POST.get("back", "/")))
    chosen = request.POST.get("theme", "")
    if chosen in set(Theme):
        answer.set_cookie(COOKIE, chosen, max_age=_YEAR_SECONDS, samesite="Lax", secure=request.is_secure())
    return answer


def safe_path(request: HttpRequest, path: str) -> str:
    """The path when it stays on this host, else the start page."""
    stays = url_has_allowed_host_and_scheme(path, allowed_hosts={request.get_host()})
    return path if stays and path.startswith("/") else "/"
