"""A client for tests of an application: serves one document, sends nothing, remembers what it would send."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from equipoise_engine import compile_snapshot
from equipoise_sdk.client import Client
from equipoise_sdk.keeper import Keeper, Serving, Source, read_offer, serving_of
from equipoise_sdk.outbox import Recorder
from equipoise_sdk.settings import Outside
from equipoise_sdk.stickiness import StickyStore

_NOTHING: Mapping[str, object] = {}


class InMemoryClient(Client):
    """A client without a server; made by `in_memory`."""

    def __init__(
        self,
        document: Mapping[str, object],
        *,
        sticky_store: StickyStore | None,
        outside: Outside,
    ) -> None:
        recorder, keeper = Recorder(), Keeper(_serving(document, outside))
        super().__init__(keeper, recorder, outside=outside, sticky_store=sticky_store)
        self._document = document
        self._recorder = recorder

    @property
    def recorded(self) -> tuple[dict[str, object], ...]:
        """Return the events in the order of their calls, as the server would receive them."""
        return tuple(self._recorder.recorded)

    @contextmanager
    def forced(self, variants: Mapping[str, str]) -> Iterator[None]:
        """Serve these variants to every unit within a `with` block, whatever the document says.

        Nothing that is forced is exposed. Blocks nest; other threads see it too.

        Args:
            variants: flag key → variant key.

        Raises:
            ValueError: for flags and variants that the document does not have, all at once.
        """
        before, before_document = self._keeper.serving, self._document
        self._document = _forced(before_document, variants)
        self._keeper.serving = _serving(self._document, self._outside)
        try:
            yield
        finally:
            self._keeper.serving, self._document = before, before_document


def _serving(document: Mapping[str, object], outside: Outside) -> Serving:
    # compile_snapshot first: its refusal lists every fault of the document.
    compile_snapshot(document)
    offer = read_offer(json.dumps(document).encode())
    return serving_of(offer, offer.snapshot, Source.MEMORY, outside.now())


def _forced(document: Mapping[str, object], variants: Mapping[str, str]) -> Mapping[str, object]:
    """Return a document whose flags serve these variants and know no rule."""
    flags = document.get("flags")
    table = dict(flags) if isinstance(flags, Mapping) else {}
    problems = [problem for flag, variant in variants.items() for problem in _problems(table, flag, variant)]
    if problems:
        raise ValueError("; ".join(problems))
    for flag, variant in variants.items():
        kept = {member: table[flag][member] for member in ("type", "variants")}
        table[flag] = {**kept, "off": variant, "default": variant}
    return {**document, "flags": table}


def _problems(table: Mapping[str, object], flag: str, variant: str) -> Iterator[str]:
    definition = table.get(flag)
    if not isinstance(definition, Mapping):
        yield f"there is no flag {flag!r}; there are: {', '.join(sorted(table)) or 'none'}"
        return
    known = definition.get("variants", _NOTHING)
    if not isinstance(known, Mapping) or variant not in known:
        yield f"the flag {flag!r} has no variant {variant!r}; it has: {', '.join(known)}"
