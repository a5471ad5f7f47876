"""The fields of a rollout's rings: to values and back, and the stages that most rollouts go through."""

from __future__ import annotations

import re

from equipoise_server.dashboard.forms import Form, Reader
from equipoise_server.dashboard.pages.clauses import clause_count, clause_texts, read_condition
from equipoise_server.flags.values import Condition, Ring

# Who is asked first; the audiences' values are for people to fill in, and an empty one lets nobody in.
USUAL_RINGS: tuple[tuple[str, str, str], ...] = (
    ("team", "team", "100"),
    ("organisation", "organisation", "50"),
    ("region", "region", "10"),
    ("global", "", "1"),
)


def ring_texts(rings: tuple[Ring, ...], at: str) -> dict[str, str]:
    """The fields of a rule's rings; `at` is the rule's prefix."""
    texts: dict[str, str] = {}
    for place, ring in enumerate(rings):
        own = f"{at}ring.{place}."
        texts |= {f"{own}name": ring.id, f"{own}share": f"{ring.parts_per_million / 10_000:g}"}
        texts |= clause_texts(ring.eligibility, own)
    return texts


def ring_places(form: Form, at: str) -> tuple[int, ...]:
    """The numbers of a rule's rings in the form."""
    pattern = re.compile(rf"{re.escape(at)}ring\.(\d+)\.name")
    found = (pattern.fullmatch(name) for name in form.values)
    return tuple(sorted(int(match[1]) for match in found if match))


def ring_clauses(form: Form, at: str) -> dict[int, int]:
    """How many condition lines each ring shows."""
    return {place: clause_count(form, f"{at}ring.{place}.") for place in ring_places(form, at)}


def read_rings(reader: Reader, at: str) -> tuple[Ring, ...]:
    """The rings of a rule, in their order."""
    return tuple(_read_ring(reader, f"{at}ring.{place}.") for place in ring_places(reader.form, at))


def _read_ring(reader: Reader, own: str) -> Ring:
    share = reader.percent(f"{own}share", "The share")
    eligibility = read_condition(reader.form, reader.problems, own)
    return Ring(reader.form.text(f"{own}name").strip(), round((share or 0.0) * 1_000_000), eligibility)


def with_usual_rings(form: Form, at: str) -> Form:
    """The form with the usual stages in place of the rule's one share."""
    texts: dict[str, str] = {f"{at}share": ""}
    for place, (name, attribute, share) in enumerate(USUAL_RINGS):
        own = f"{at}ring.{place}."
        condition: Condition | None = None
        if attribute:
            condition = {"attribute": attribute, "operator": "in", "values": []}
        texts |= {f"{own}name": name, f"{own}share": share, **clause_texts(condition, own)}
    return Form({**form.values, **{name: (text,) for name, text in texts.items()}}, form.problems)


def with_ring(form: Form, at: str) -> Form:
    """The form with one more ring at the end of a rule."""
    place = max(ring_places(form, at), default=-1) + 1
    fresh = {f"{at}ring.{place}.name": ("",), f"{at}ring.{place}.share": ("",)}
    return Form({**form.values, **fresh}, form.problems)


def without_ring(form: Form, at: str, gone: int) -> Form:
    """The form without one ring of a rule."""
    own = f"{at}ring.{gone}."
    kept = {name: typed for name, typed in form.values.items() if not name.startswith(own)}
    return Form(kept, form.problems)
