"""The fields of prerequisites: to values and back."""

from __future__ import annotations

import re

from equipoise_server.dashboard.forms import Form
from equipoise_server.flags.values import Prerequisite


def need_texts(needs: tuple[Prerequisite, ...]) -> dict[str, str]:
    """The fields of stored prerequisites."""
    texts: dict[str, str] = {}
    for place, need in enumerate(needs):
        texts |= {f"need.{place}.flag": need.flag, f"need.{place}.variants": ", ".join(need.variants)}
    return texts


def need_count(form: Form) -> int:
    """How many lines to show: the filled ones and an empty one."""
    return len(read_needs(form)) + 1


def read_needs(form: Form) -> tuple[Prerequisite, ...]:
    """The filled lines."""
    places = [name for name in form.values if re.fullmatch(r"need\.\d+\.flag", name)]
    found = []
    for name in sorted(places, key=lambda name: int(name.split(".")[1])):
        flag = form.text(name)
        typed = form.text(name.replace(".flag", ".variants"))
        if flag:
            variants = tuple(dict.fromkeys(part for part in re.split(r"[\s,]+", typed) if part))
            found.append(Prerequisite(flag, variants))
    return tuple(found)
