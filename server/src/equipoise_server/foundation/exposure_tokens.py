"""Tokens of exposures (spec/exposure-tokens.md): signs what a server assigned, judges what strangers bring.

Pure. Knows keys and places; refuses to know who evaluates and who sends.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

PREFIX = "x1."
MEMBER = "exposure_tokens"
"""Of a snapshot: what signs and judges the environment's tokens."""
LIFE_DAYS = 31
"""Pages keep the values of their last session for 30 days, and a token names the day alone."""
SECONDS_OF_A_DAY = 86_400
_MAC_BYTES = 16
_TOKEN = re.compile(r"x1\.([0-9]{1,9})\.([0-9]{1,6})\.([A-Za-z0-9_-]{22})")


class TokenRule(StrEnum):
    """What an environment makes of tokens."""

    OFF = "off"
    ISSUED = "issued"
    """Answers carry tokens; exposures count with and without."""
    REQUIRED = "required"
    """Exposures that come with a client key count with a good token alone."""


class TokenFault(StrEnum):
    """Why an exposure is not vouched for."""

    MISSING = "token_missing"
    INVALID = "token_invalid"
    EXPIRED = "token_expired"


class Claim(NamedTuple):
    """What a token vouches for: the place that the server gave a unit, by the flag that it met."""

    experiment: str
    iteration: int
    flag: str
    variant: str
    unit_type: str
    unit: str
    cluster_type: str | None = None
    cluster: str | None = None


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A key: its number, 64 hex digits, and until when it holds (epoch seconds); None: it is in use."""

    id: int
    secret: str
    until: int | None = None


@dataclass(frozen=True, slots=True)
class TokenRing:
    """The keys of one environment, the one that signs first, and whether tokens are required there."""

    project: str
    environment: str
    is_required: bool
    keys: tuple[TokenKey, ...]

    def sign(self, claim: Claim, *, now: float) -> str:
        """The token for a place; the same all day (UTC). `now` is in epoch seconds."""
        key, day = self.keys[0], int(now // SECONDS_OF_A_DAY)
        return f"{PREFIX}{key.id}.{day}.{self._mac(key, day, claim)}"

    def fault(self, token: str | None, claim: Claim, *, now: float) -> TokenFault | None:
        """Why a token does not vouch for a place; None when it does. `now` is in epoch seconds."""
        if not token:
            return TokenFault.MISSING
        found = _TOKEN.fullmatch(token)
        if found is None:
            return TokenFault.INVALID
        number, day, mac = int(found[1]), int(found[2]), found[3]
        key = next((key for key in self.keys if key.id == number), None)
        if key is None or (key.until is not None and key.until <= now):
            return TokenFault.INVALID
        if not hmac.compare_digest(mac, self._mac(key, day, claim)):
            return TokenFault.INVALID
        age = int(now // SECONDS_OF_A_DAY) - day
        if age < -1:
            return TokenFault.INVALID
        return TokenFault.EXPIRED if age > LIFE_DAYS else None

    def _mac(self, key: TokenKey, day: int, claim: Claim) -> str:
        said = [self.project, self.environment, key.id, day, *claim]
        # Texts and small integers alone, which the standard library writes canonically (spec/hashing.md).
        text = f"equipoise-exposure:{json.dumps(said, separators=(',', ':'), ensure_ascii=False)}"
        digest = hmac.digest(bytes.fromhex(key.secret), text.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest[:_MAC_BYTES]).decode().rstrip("=")


def member_of(keys: tuple[TokenKey, ...], *, is_required: bool) -> dict[str, object]:
    """The keys as a snapshot carries them, for servers alone."""
    listed = [
        {"id": key.id, "secret": key.secret} | ({} if key.until is None else {"until": key.until})
        for key in keys
    ]
    return {"required": is_required, "keys": listed}


def ring_of(document: Mapping[str, object]) -> TokenRing | None:
    """The ring that a snapshot carries; None when its environment issues no tokens."""
    held = document.get(MEMBER)
    if not isinstance(held, Mapping):
        return None
    keys = tuple(TokenKey(key["id"], key["secret"], key.get("until")) for key in held["keys"])
    project, environment = (str(document.get(name, "")) for name in ("project", "environment"))
    return TokenRing(project, environment, bool(held["required"]), keys)
