"""A fact as one line of text, as people type steps, answers, clicks and views."""

from __future__ import annotations

from equipoise_server.dashboard.pages.attributes import attribute_lines, read_attributes
from equipoise_server.metrics.values import Fact

SOURCE_MARK = "source:"
"""How a line names a source instead of an event: `source:orders | status = paid`."""


def fact_line(fact: Fact, *, after_name: str = "") -> str:
    """An event, and its filter behind a bar: `paid | kind = card; total = 3`."""
    wanted = attribute_lines(fact.where).replace("\n", "; ")
    name = f"{SOURCE_MARK}{fact.source}" if fact.source else fact.event
    return f"{name}{after_name} | {wanted}" if wanted else f"{name}{after_name}"


def read_fact(line: str) -> Fact:
    """The fact of a line."""
    event, _, wanted = line.partition("|")
    where, name = read_attributes(wanted.replace(";", "\n")) or None, event.strip()
    if name.startswith(SOURCE_MARK):
        return Fact("", where=where, source=name.removeprefix(SOURCE_MARK).strip())
    return Fact(name, where=where)
