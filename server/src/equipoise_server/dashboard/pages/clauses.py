"""The condition builder's fields: clauses to form texts and back. Used by audiences, rules and segments."""

from __future__ import annotations

import json
from collections.abc import Mapping

from equipoise_server.dashboard.conditions import BuilderRows, ClauseRow, as_json, as_rows, from_rows
from equipoise_server.dashboard.forms import Form
from equipoise_server.flags.values import Condition
from equipoise_server.foundation.refusals import Problem


def clause_texts(condition: Condition | None, prefix: str = "") -> dict[str, str]:
    """The fields of a stored condition; one nested too deep for the builder goes to the expert's field."""
    built = as_rows(condition)
    if built is None:
        return {f"{prefix}condition_json": as_json(condition)}
    texts = {f"{prefix}joined_by": built.joined_by}
    for place, row in enumerate(built.rows):
        texts[f"{prefix}clause.{place}.attribute"] = row.attribute
        texts[f"{prefix}clause.{place}.operator"] = row.operator
        texts[f"{prefix}clause.{place}.value"] = row.value
        texts[f"{prefix}clause.{place}.is"] = "not" if row.negated else "is"
    return texts


def clause_count(form: Form, prefix: str = "") -> int:
    """How many lines to show: the filled ones and an empty one."""
    return sum(1 for row in _rows(form, prefix) if row.attribute.strip()) + 1


def read_condition(form: Form, problems: list[Problem], prefix: str = "") -> Condition | None:
    """The condition that was built, or typed by an expert."""
    typed = form.text(f"{prefix}condition_json").strip()
    if typed:
        return _typed_condition(typed, problems, prefix)
    joined_by = form.text(f"{prefix}joined_by", "all")
    return from_rows(BuilderRows("any" if joined_by == "any" else "all", tuple(_rows(form, prefix))))


def _typed_condition(typed: str, problems: list[Problem], prefix: str) -> Condition | None:
    try:
        condition = json.loads(typed)
    except json.JSONDecodeError as fault:
        told = f"This is no JSON: {fault.msg} in line {fault.lineno}. Empty the field to use the lines above."
        problems.append(Problem(f"{prefix}condition_json", told))
        return None
    if not isinstance(condition, Mapping):
        told = 'A condition is an object, such as {"all": [ … ]}.'
        problems.append(Problem(f"{prefix}condition_json", told))
        return None
    return condition


def _rows(form: Form, prefix: str) -> list[ClauseRow]:
    rows = []
    place = 0
    while f"{prefix}clause.{place}.attribute" in form.values:
        at = f"{prefix}clause.{place}"
        rows.append(
            ClauseRow(
                form.text(f"{at}.attribute"),
                form.text(f"{at}.operator", "equals"),
                form.text(f"{at}.value"),
                negated=form.text(f"{at}.is") == "not",
            )
        )
        place += 1
    return rows
