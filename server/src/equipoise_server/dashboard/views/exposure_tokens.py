"""Exposure tokens on the settings page: the rule, and the key that signs them."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_POST

from equipoise_server.access import actions
from equipoise_server.access.actions import RotateTokenKey, SetExposureTokens
from equipoise_server.dashboard.forms import choice, posted
from equipoise_server.dashboard.visits import Visit, done, in_place, not_done
from equipoise_server.foundation.exposure_tokens import TokenRule
from equipoise_server.foundation.refusals import Refusal

_SAID = {
    TokenRule.OFF: "Answers carry no tokens, and exposures need none.",
    TokenRule.ISSUED: "Answers carry tokens from now on; exposures count with and without.",
    TokenRule.REQUIRED: "Exposures from client keys count with a token alone.",
}


@require_POST
@in_place
def set_rule(visit: Visit) -> HttpResponse:
    """Set what exposures from client keys need."""
    form = posted(visit.request)
    rule = choice(TokenRule, form.text("rule"), visit.environment.exposure_tokens)
    command = SetExposureTokens(visit.environment.id, rule, form.text("reason"))
    try:
        actions.set_exposure_tokens(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return not_done(visit, visit.href("settings"), refusal)
    return done(visit, visit.href("settings"), said=_SAID[rule])


@require_POST
@in_place
def rotate(visit: Visit) -> HttpResponse:
    """Sign with a new key."""
    form = posted(visit.request)
    has_leaked = form.text("has_leaked") == "yes"
    command = RotateTokenKey(visit.environment.id, has_leaked, form.text("reason"))
    try:
        actions.rotate_token_key(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return not_done(visit, visit.href("settings"), refusal)
    left = "no token made before is good" if has_leaked else "earlier tokens are good until they expire"
    return done(visit, visit.href("settings"), said=f"Tokens have a new key; {left}.")
