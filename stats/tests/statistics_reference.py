"""Writes docs/reference/statistics.md from the library: `python stats/tests/statistics_reference.py`."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import get_args

import equipoise_stats

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "statistics.md"
HEAD = """# Statistics library (`equipoise_stats`)

Everything public, by what it is about; written by `stats/tests/statistics_reference.py`.
`help(equipoise_stats.analyse)` tells shapes, units, errors and the source of each.
[The README](../../stats/README.md) begins with an example; [`statistics/`](../statistics) has a page for
each family of methods: its formulas, when not to use it, and code that is executed. `analyse` judges a whole
experiment as the server does; all others are its parts.
"""


def reference() -> str:
    """The page."""
    return HEAD + "".join(_section(*section) for section in _modules())


def _modules() -> Iterator[tuple[str, list[str]]]:
    """(what it is about, its public names), as the library's own index has them."""
    index = ast.parse(Path(equipoise_stats.__file__).read_text())
    for line in index.body:
        if isinstance(line, ast.ImportFrom) and line.module is not None:
            yield inspect.getdoc(import_module(line.module)) or "", [alias.name for alias in line.names]


def _section(about: str, names: list[str]) -> str:
    lines = [f"\n## {_first(about).rstrip('.')}\n", "| name | what it is |", "|---|---|"]
    actions = [name for name in names if inspect.isfunction(getattr(equipoise_stats, name))]
    ordered = (*actions, *[name for name in names if name not in actions])
    return "\n".join([*lines, *(f"| `{_called(name)}` | {_told(name)} |" for name in ordered)]) + "\n"


def _told(name: str) -> str:
    held = getattr(equipoise_stats, name)
    if inspect.isclass(held) or inspect.isfunction(held):
        return _first(inspect.getdoc(held) or "").replace("|", "\\|")
    types = [one.__name__ for one in get_args(held) if inspect.isclass(one)]
    return f"`{'` or `'.join(types)}`" if types else "A type of values."


def _first(text: str) -> str:
    """The first paragraph on one line."""
    return " ".join(text.partition("\n\n")[0].split())


def _called(name: str) -> str:
    """A function with its parameters; what has a default may be left out."""
    held = getattr(equipoise_stats, name)
    if not inspect.isfunction(held):
        return name
    parts, is_named = [], False
    for one in inspect.signature(held).parameters.values():
        if one.kind is one.KEYWORD_ONLY and not is_named:
            parts, is_named = [*parts, "*"], True
        parts.append(one.name if one.default is one.empty else f"{one.name}=…")
    return f"{name}({', '.join(parts)})"


if __name__ == "__main__":
    PAGE.write_text(reference())
