"""What an environment asks of an event beyond its form: unit types that exist, and tokens from client keys.

Pure. Knows what a snapshot says; refuses to know where that came from or where the event goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from equipoise_server.events.values import Event, Exposure, Track
from equipoise_server.foundation.exposure_tokens import Claim, TokenFault, TokenRing

NO_SUCH_TYPE = "the project has no such unit type"
_TOLD = {
    TokenFault.MISSING: "exposures from client keys need the token of the answer here",
    TokenFault.INVALID: "the server did not give this unit this place, or its key is over",
    TokenFault.EXPIRED: "the answer is too old: ask for another",
}
_UNREADABLE = "an exposure that cannot be read has no good token"


@dataclass(frozen=True, slots=True)
class Terms:
    """The unit types of the project (None: unknown, so not asked), and who judges tokens at which time.

    ring: None where no token is needed. now: when the event arrived, in epoch seconds.
    """

    unit_types: frozenset[str] | None = None
    ring: TokenRing | None = None
    now: float = 0.0

    def hold_for(self, events: Iterable[Event]) -> bool:
        """Whether no event breaks them: the question for whole batches, so it is asked without sentences."""
        known, is_asked = self.unit_types, self.ring is not None
        for event in events:
            if isinstance(event, Track):
                if known is not None and not known.issuperset(event.units):
                    return False
                continue
            is_plain = event.cluster_type is None and (known is None or event.unit_type in known)
            if (is_asked or not is_plain) and next(self.problems(event), None) is not None:
                return False
        return True

    def problems(self, event: Event) -> Iterator[str]:
        """What of the terms an event breaks, one sentence each."""
        if self.unit_types is not None:
            yield from self._unknown_types(event, self.unit_types)
        if self.ring is not None and isinstance(event, Exposure):
            fault = self.ring.fault(event.token, _claim(event), now=self.now)
            if fault is not None:
                yield f"token: {fault}: {_TOLD[fault]}"

    def problems_of_unreadable(self, raw: bytes) -> Iterator[str]:
        """So that nothing but a track gets around its token by being repaired first."""
        if self.ring is not None and _kind(raw) != "track":
            yield f"token: {TokenFault.INVALID}: {_UNREADABLE}"

    def _unknown_types(self, event: Event, known: frozenset[str]) -> Iterator[str]:
        if isinstance(event, Exposure):
            if event.unit_type not in known:
                yield f"unit_type: {NO_SUCH_TYPE}"
            if event.cluster_type is not None and event.cluster_type not in known:
                yield f"cluster_type: {NO_SUCH_TYPE}"
        elif not event.units.keys() <= known:
            yield from (f"units.{name}: {NO_SUCH_TYPE}" for name in event.units if name not in known)


NO_TERMS = Terms()


def needed_a_token(problems: Iterable[str]) -> bool:
    """Whether an event was refused by terms that asked for its token."""
    return any(problem.startswith("token: token_") for problem in problems)


def _claim(event: Exposure) -> Claim:
    cluster = None if event.cluster is None else str(event.cluster)
    return Claim(
        event.experiment, event.iteration, event.flag, event.variant, event.unit_type, str(event.unit),
        event.cluster_type, cluster,
    )  # fmt: skip


def _kind(raw: bytes) -> object:
    try:
        return msgspec.json.decode(raw, type=dict[str, object]).get("kind")
    except (ValueError, RecursionError):
        return None
