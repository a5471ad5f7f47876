"""Tokens of preview links (spec/preview-links.md): signing them, and reading what a stranger brings.

A token that is void in any way asks for nothing: reading one never fails.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from equipoise_engine import canonical_json

PREFIX = "p1."
LONGEST_TOKEN = 4_096
MOST_OVERRIDES = 50
LONGEST_LIFE_SECONDS = 30 * 86_400
NOTHING: Mapping[str, str] = {}
_KEY = re.compile("[0-9a-f]{64}")
_MEMBERS = {"environment", "expires", "overrides", "project"}


@dataclass(frozen=True, slots=True)
class PreviewScope:
    """Where tokens hold, and the environment's key as 64 hex digits; "" while it has none."""

    project: str
    environment: str
    key: str


def sign(scope: PreviewScope, overrides: Mapping[str, str], *, expires: int) -> str:
    """The token that shows these variants until an instant in epoch seconds."""
    payload = _encoded(
        canonical_json(
            {
                "environment": scope.environment,
                "expires": expires,
                "overrides": dict(overrides),
                "project": scope.project,
            }
        )
    )
    return f"{PREFIX}{payload}.{_signature(scope, payload)}"


def overrides_of(token: str, scope: PreviewScope, *, now: float) -> Mapping[str, str]:
    """Flag key → variant key that a token asks for; empty when it is void. `now` is in epoch seconds."""
    if not _KEY.fullmatch(scope.key) or len(token) > LONGEST_TOKEN or not token.isascii():
        return NOTHING
    if not token.startswith(PREFIX):
        return NOTHING
    payload, _, signature = token.removeprefix(PREFIX).partition(".")
    if not hmac.compare_digest(signature, _signature(scope, payload)):
        return NOTHING
    return _overrides(_decoded(payload), scope, now)


def _overrides(content: object, scope: PreviewScope, now: float) -> Mapping[str, str]:
    if not isinstance(content, dict) or content.keys() != _MEMBERS:
        return NOTHING
    if (content["project"], content["environment"]) != (scope.project, scope.environment):
        return NOTHING
    expires, overrides = content["expires"], content["overrides"]
    if not isinstance(expires, int) or isinstance(expires, bool):
        return NOTHING
    if not now < expires <= now + LONGEST_LIFE_SECONDS:
        return NOTHING
    if not isinstance(overrides, dict) or len(overrides) > MOST_OVERRIDES:
        return NOTHING
    return overrides if all(isinstance(variant, str) for variant in overrides.values()) else NOTHING


def _signature(scope: PreviewScope, payload: str) -> str:
    text = f"equipoise-preview:{scope.project}/{scope.environment}:{payload}"
    return _encoded(hmac.digest(bytes.fromhex(scope.key), text.encode(), hashlib.sha256))


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _decoded(payload: str) -> object:
    try:
        content = base64.b64decode(payload + "=" * (-len(payload) % 4), altchars=b"-_", validate=True)
        return json.loads(content)
    except (binascii.Error, ValueError, RecursionError):
        return None
