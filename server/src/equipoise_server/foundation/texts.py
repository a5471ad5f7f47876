"""Which texts can be kept: by every database, and by short columns; and faults in short."""

from __future__ import annotations

import re
from collections.abc import Iterator
from unicodedata import category

from equipoise_server.foundation.refusals import Problem

LONGEST_NAME = 200
UNSTORABLE = "Remove the characters that are no text (NUL or half a character)."
ONE_LINE = "Write it in one line, without control characters."
_BREAKING = frozenset({"Cc", "Zl", "Zp"})


def is_storable(text: str) -> bool:
    """Whether a text has a UTF-8 form without NUL, which PostgreSQL cannot keep."""
    return not any(character == "\x00" or "\ud800" <= character <= "\udfff" for character in text)


def storable(text: str) -> str:
    """The text without the characters that cannot be kept."""
    return text if is_storable(text) else text.replace("\x00", "").encode(errors="replace").decode()


def text_problems(longest: int | None = None, /, **texts: str) -> Iterator[Problem]:
    """What is wrong with texts, by field; short ones have a limit, and names are one line."""
    for field, text in texts.items():
        if not is_storable(text):
            yield Problem(field, UNSTORABLE)
        elif longest == LONGEST_NAME and any(category(character) in _BREAKING for character in text):
            yield Problem(field, ONE_LINE)
        if longest is not None and len(text) > longest:
            yield Problem(field, f"Use at most {longest} characters.")


_FOLDERS = re.compile(r"(?<![\w.:/])(?:/[^\s\"'/]+)+/")
_LONGEST = 300


def in_short(fault: Exception) -> str:
    """The first line of a fault's words; where things lie on this machine is for the log alone."""
    line = str(fault).strip().partition("\n")[0]
    return _FOLDERS.sub("…/", line)[:_LONGEST].rstrip(".")
