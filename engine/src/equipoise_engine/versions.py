"""Orders versions as semver.org 2.0.0 does; a leading "v" and absent minor or patch are accepted."""

from __future__ import annotations

import re

_NUMBER = r"(0|[1-9][0-9]{0,14})"
_IDENTIFIERS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_VERSION = re.compile(
    rf"[vV]?{_NUMBER}(?:\.{_NUMBER})?(?:\.{_NUMBER})?(?:-({_IDENTIFIERS}))?(?:\+{_IDENTIFIERS})?"
)
_LONGEST = 256

Precedence = tuple[tuple[int, int, int], bool, tuple[tuple[int, int, str], ...]]


def precedence(value: object) -> Precedence | None:
    """Return a key that sorts versions by precedence (semver 2.0.0, section 11), or None."""
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    match = _VERSION.fullmatch(value)
    if match is None:
        return None
    major, minor, patch = (int(part or 0) for part in match.group(1, 2, 3))
    identifiers = match.group(4).split(".") if match.group(4) else []
    if any(part.isdecimal() and len(part) > 1 and part[0] == "0" for part in identifiers):
        return None
    return (major, minor, patch), not identifiers, tuple(map(_identifier, identifiers))


def _identifier(part: str) -> tuple[int, int, str]:
    """Numbers stand below words; longer numbers are larger, so text compares them exactly."""
    return (0, len(part), part) if part.isdecimal() else (1, 0, part)
