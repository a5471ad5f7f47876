"""The Jinja environment of all pages: a missing name is an error, never an empty text."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any

import django_htmx
from django.templatetags.static import static
from jinja2 import Environment, StrictUndefined

from equipoise_server.dashboard import charts, conditions, words
from equipoise_server.dashboard.break_glass import standing_kills
from equipoise_server.dashboard.pages.flags import override_words
from equipoise_server.dashboard.pages.jobs import size

_STATIC = (Path(__file__).parent / "static", Path(django_htmx.__file__).parent / "static")


def environment(**options: Any) -> Environment:  # Django passes its own plain options
    """Build the environment Django renders pages with."""
    options |= {"autoescape": True, "undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    made = Environment(**options)  # noqa: S701  # autoescape is on, in the options
    made.globals |= {
        "asset": asset,
        "standing_kills": standing_kills,
        "counted": words.counted,
        "age": words.age,
        "legend_mark": charts.legend_mark,
        "operators": conditions.OPERATORS,
    }
    made.filters |= {
        "whole": words.whole,
        "plain": words.plain,
        "percent": words.percent,
        "lift": words.lift,
        "measure": words.measure,
        "difference": words.difference,
        "p_value": words.p_value,
        "day": words.day,
        "short_day": words.short_day,
        "moment": words.moment,
        "size": size,
        "span": words.span,
        "one_in": words.one_in,
        "condition": conditions.sentence,
        "override_words": override_words,
    }
    return made


@functools.cache
def asset(path: str) -> str:
    """A static file's address, with its content's hash so that browsers may keep it."""
    file = next(folder / path for folder in _STATIC if (folder / path).is_file())
    return f"{static(path)}?{hashlib.sha256(file.read_bytes()).hexdigest()[:10]}"
