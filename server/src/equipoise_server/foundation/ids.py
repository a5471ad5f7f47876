"""Ids, salts and keys: how they are made and what they look like."""

from __future__ import annotations

import re
import secrets
import uuid

KEY_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
KEY_RULE = "use 1 to 64 of a–z, 0–9, '.', '_' and '-', starting with a letter or a digit"
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


def new_id() -> uuid.UUID:
    """A fresh random id."""
    return uuid.uuid4()


def new_salt() -> str:
    """A fresh salt: 8 base32 characters (spec/hashing.md)."""
    return "".join(secrets.choice(_BASE32) for _ in range(8))


def is_key(text: str) -> bool:
    """Whether a text can be the key of a flag, experiment, metric, layer, project or environment."""
    return KEY_PATTERN.fullmatch(text) is not None


def key_fault(text: str) -> str:
    """What to tell of a text that cannot be a key."""
    return f"The key “{text}” cannot be used: {KEY_RULE}." if text else f"Give it a key: {KEY_RULE}."


def key_from_name(name: str) -> str:
    """A key suggested by a name; may be empty when the name has no usable character."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:64]
