"""Which texts a database and every client can keep."""

from __future__ import annotations

UNSTORABLE = "Remove the characters that are no text (NUL or half a character)."


def is_storable(text: str) -> bool:
    """Whether a text has no NUL, which PostgreSQL refuses, and no half of a surrogate pair."""
    return not any(character == "\x00" or "\ud800" <= character <= "\udfff" for character in text)
