"""Keys and tokens: `eq_<kind>_<public id>_<256-bit secret>`, stored as a prefix and a SHA-256."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FreshSecret:
    """A new secret: the whole text for its owner, prefix and digest for the database."""

    text: str
    prefix: str
    sha256: str


def fresh(kind: str) -> FreshSecret:
    """Make a new secret of a kind (`server`, `client`, `api`)."""
    prefix = f"eq_{kind}_{secrets.token_hex(6)}"
    text = f"{prefix}_{secrets.token_hex(32)}"
    return FreshSecret(text, prefix, digest(text))


def digest(text: str) -> str:
    """The SHA-256 that is stored. The secret is random, so a slow hash would add nothing."""
    return hashlib.sha256(text.encode()).hexdigest()


def prefix_of(text: str) -> str:
    """The public part of a presented secret; "" when it has none."""
    return text.rpartition("_")[0]


def matches(text: str, sha256: str) -> bool:
    """Whether a presented secret is the stored one, in constant time."""
    return hmac.compare_digest(digest(text), sha256)
