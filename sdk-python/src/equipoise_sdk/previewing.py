"""Reads preview tokens (spec/preview-links.md): who signed one vouches for what it asks to see. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from typing import NamedTuple

LONGEST_TOKEN = 4_096
MOST_OVERRIDES = 50
LONGEST_LIFE_SECONDS = 30 * 86_400
_KEY = re.compile(r"[0-9a-f]{64}")
_TEXT = re.compile(r"[A-Za-z0-9_-]+")
_MEMBERS = {"environment", "expires", "overrides", "project"}


class PreviewScope(NamedTuple):
    """Whose tokens hold: those of one environment, signed with its key (64 hex digits)."""

    project: str
    environment: str
    key: str


def asked_overrides(token: object, scope: PreviewScope, now: float) -> dict[str, str]:
    """Return flag → variant, as a token asks for them at a time; nothing for a void one. Never raises.

    Args:
        token: what came as parameter, cookie or header.
        scope: the environment and its key.
        now: epoch seconds.
    """
    text = _signed_text(token, scope)
    payload = None if text is None else _payload(text)
    if payload is None or (payload["project"], payload["environment"]) != scope[:2]:
        return {}
    expires, overrides = payload["expires"], payload["overrides"]
    if isinstance(expires, bool) or not isinstance(expires, int):
        return {}
    if not now < expires <= now + LONGEST_LIFE_SECONDS:
        return {}
    return _overrides(overrides)


def _signed_text(token: object, scope: PreviewScope) -> str | None:
    """Return the middle part of a token whose signature holds."""
    if not isinstance(token, str) or len(token) > LONGEST_TOKEN or not _KEY.fullmatch(scope.key):
        return None
    parts = token.split(".")
    if len(parts) != 3 or parts[0] != "p1" or not all(map(_TEXT.fullmatch, parts)):  # noqa: PLR2004 - form
        return None
    _, text, signature = parts
    signed = f"equipoise-preview:{scope.project}/{scope.environment}:{text}"
    digest = hmac.digest(bytes.fromhex(scope.key), signed.encode(), hashlib.sha256)
    wanted = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return text if hmac.compare_digest(signature, wanted) else None


def _payload(text: str) -> dict[str, object] | None:
    try:
        payload = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, RecursionError):
        return None
    return payload if isinstance(payload, dict) and set(payload) == _MEMBERS else None


def _overrides(node: object) -> dict[str, str]:
    if not isinstance(node, dict) or len(node) > MOST_OVERRIDES:
        return {}
    return node if all(isinstance(variant, str) for variant in node.values()) else {}
