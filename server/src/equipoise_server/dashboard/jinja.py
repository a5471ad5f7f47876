"""The Jinja environment of all pages: a missing name is an error, never an empty text."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, StrictUndefined


def environment(**options: Any) -> Environment:  # Django passes its own plain options
    """Build the environment Django renders pages with."""
    options |= {"autoescape": True, "undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    return Environment(**options)  # noqa: S701  # autoescape is on, in the options
