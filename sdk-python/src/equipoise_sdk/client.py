"""What an application calls: decide, expose, track. Nothing here raises for what the world does."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter_ns
from typing import Any, TypeVar, cast

from equipoise_engine import Context, Decision, ErrorCode, Step, compile_snapshot
from equipoise_sdk import events
from equipoise_sdk.connection import Connection
from equipoise_sdk.exposing import Exposer
from equipoise_sdk.keeper import Keeper, Serving, Source
from equipoise_sdk.news import Event
from equipoise_sdk.outbox import Drop, Outbox
from equipoise_sdk.previewing import asked_overrides
from equipoise_sdk.settings import Outside
from equipoise_sdk.stickiness import StickyStore, with_first_clusters
from equipoise_sdk.timing import EVERY, Evaluations, Stopwatch
from equipoise_sdk.troubles import Complaints

JsonT = TypeVar("JsonT", dict[str, Any], list[Any])  # what JSON holds is open
Anything = builtins.object  # `object` is a method here

NOT_READY = (
    compile_snapshot(
        {
            "format": 1,
            "project": "none",
            "environment": "none",
            "epoch": 0,
            "revision": 0,
            "default_unit_type": "unit",
            "unit_types": ["unit"],
            "flags": {},
        }
    )
    .evaluate("", {}, None)
    ._replace(
        error_code=ErrorCode.PROVIDER_NOT_READY,
        error_message="no snapshot has been received yet",
        metadata={},
    )
)
"""What an empty snapshot answers, and the true reason for it."""


@dataclass(frozen=True, slots=True)
class Status:
    """How the client is doing.

    Attributes:
        ready: whether any snapshot serves; without one every call gives its default.
        source: how it is kept current: stream or poll; or where it is from: disk, bootstrap, memory, none.
        revision: its revision, or None.
        epoch: its epoch, or None.
        snapshot_age_seconds: since the server last confirmed it, or None.
        queued: events that wait to be sent.
        dropped: events that were lost.
        drops: the same by cause: queue_full, invalid (what cannot be written), refused (by the server for
            what it is), closed (the client was).
        evaluations: how many there were, and how long they took.
        last_error: the last trouble that is not over, or None.
    """

    ready: bool
    source: Source
    revision: int | None
    epoch: int | None
    snapshot_age_seconds: float | None
    queued: int
    dropped: int
    drops: Mapping[Drop, int]
    evaluations: Evaluations
    last_error: str | None


class Client:
    """Decides flags from memory and reports exposures and events. Safe to share between threads.

    Made by `connect` or `in_memory`. Contexts are {"units": {type: id}, "attributes": {...}}.
    """

    def __init__(
        self,
        keeper: Keeper,
        outbox: Outbox,
        *,
        outside: Outside,
        exposure_attributes: tuple[str, ...] = (),
        connection: Connection | None = None,
        sticky_store: StickyStore | None = None,
    ) -> None:
        self._keeper = keeper
        self._outbox = outbox
        self._outside = outside
        self._connection = connection
        self._sticky_store = sticky_store
        self._stopwatch = Stopwatch()
        self._complaints = Complaints()
        self._exposer = Exposer(
            outbox,
            outside,
            attributes=exposure_attributes,
            sticky_store=sticky_store,
            complaints=self._complaints,
        )

    def boolean(self, key: str, default: bool, context: Context, *, at: datetime | None = None) -> bool:
        """Return a boolean flag's value and report the exposure. Call it where the value is used."""
        return cast("bool", self.details(key, default, context, at=at).value)

    def string(self, key: str, default: str, context: Context, *, at: datetime | None = None) -> str:
        """Return a string flag's value and report the exposure."""
        return cast("str", self.details(key, default, context, at=at).value)

    def number(self, key: str, default: float, context: Context, *, at: datetime | None = None) -> float:
        """Return a number flag's value and report the exposure."""
        return cast("float", self.details(key, default, context, at=at).value)

    def object(self, key: str, default: JsonT, context: Context, *, at: datetime | None = None) -> JsonT:
        """Return a copy of an object flag's value and report the exposure."""
        return cast("JsonT", self.details(key, default, context, at=at).value)

    def details(
        self, key: str, default: Anything, context: Context, *, at: datetime | None = None
    ) -> Decision:
        """Return value, variant, reason and metadata, and report the exposure.

        Args:
            key: the flag's key.
            default: served when nothing else can be; its type must be the flag's.
            context: the units and attributes.
            at: when the unit met the value, for imports; now unless given.
        """
        decision = self.peek(key, default, context)
        if decision.place is not None or decision.holdouts:
            self._exposer.report(decision, context.get("attributes"), differs=None, at=at)
        return decision

    def peek(self, key: str, default: Anything, context: Context) -> Decision:
        """Return the decision without reporting an exposure."""
        serving = self._keeper.serving
        snapshot = serving.snapshot
        if snapshot is None:
            return self._not_ready(key, default)
        if serving.clustered and self._sticky_store is not None:
            context = self._with_first_clusters(context, serving, self._sticky_store)
        if self._stopwatch.number() % EVERY:
            decision = snapshot.evaluate(key, context, default)
        else:
            began = perf_counter_ns()
            decision = snapshot.evaluate(key, context, default)
            self._stopwatch.note(began)
        if decision.error_code is not None:
            self._complaints.say((decision.error_code, decision.flag_key), decision.error_message)
        return decision

    def peek_all(self, context: Context) -> tuple[Decision, ...]:
        """Return the decisions of all flags without reporting exposures, such as for a page's bootstrap.

        A flag that cannot be decided has None as value. Empty while no snapshot serves.
        """
        serving = self._keeper.serving
        if serving.snapshot is None:
            return ()
        if serving.clustered and self._sticky_store is not None:
            context = self._with_first_clusters(context, serving, self._sticky_store)
        return serving.snapshot.evaluate_all(context)

    def explain(self, key: str, context: Context) -> tuple[Step, ...]:
        """Return step by step why a context gets what it gets; reports nothing, and never raises.

        The last step carries the decision for a default of None. Empty while no snapshot serves. For people
        who look into a case: it takes longer than an evaluation.
        """
        serving = self._keeper.serving
        if serving.snapshot is None:
            return ()
        if serving.clustered and self._sticky_store is not None:
            context = self._with_first_clusters(context, serving, self._sticky_store)
        return serving.snapshot.explain(key, context)

    def preview(self, token: str | None) -> dict[str, str]:
        """Return flag → variant, as a preview token asks for them; nothing for a void one.

        The application puts it into a context as "overrides". Units that get a variant by it are not exposed.

        Args:
            token: what came as query parameter or cookie `equipoise_preview`, or None.
        """
        scope = self._keeper.serving.preview
        if scope is None or not token:
            return {}
        return asked_overrides(token, scope, self._outside.now().timestamp())

    def counterfactual(self, decision: Decision) -> Mapping[str, Anything]:
        """Return arm → value of the decision's flag, in the experiment that enrolled the unit.

        Compute what each of them would show, and tell `expose` by it whether another arm `differs`, in
        every arm alike. Empty when the unit is in no running experiment.
        """
        snapshot = self._keeper.serving.snapshot
        return {} if snapshot is None else snapshot.counterfactual(decision)

    def expose(
        self,
        decision: Decision,
        *,
        differs: bool | None = None,
        attributes: Mapping[str, Anything] | None = None,
        at: datetime | None = None,
    ) -> None:
        """Report that a unit met what `peek` decided; nothing happens outside of experiments and holdouts.

        Args:
            decision: what `peek` returned.
            differs: whether another arm would have looked different here; log it alike in all arms.
            attributes: the context's attributes; only `exposure_attributes` are sent.
            at: when it happened; now unless given.
        """
        self._exposer.report(decision, attributes, differs=differs, at=at)

    def track(
        self,
        event_name: str,
        context: Context,
        *,
        value: float | None = None,
        properties: Mapping[str, Anything] | None = None,
        at: datetime | None = None,
    ) -> None:
        """Report that something happened to the units of a context.

        Args:
            event_name: such as "purchase".
            context: whose "units" it happened to; attributes are not sent.
            value: a finite number, such as an amount.
            properties: what else is worth knowing; JSON.
            at: when it happened; now unless given.
        """
        try:
            event = events.track(event_name, context, value=value, properties=properties)
            moment = self._outside.now() if at is None else at
            self._outbox.put_track(events.stamped(event, self._outside.new_id(), moment))
        except ValueError as cause:
            self._outbox.drop(Drop.INVALID)
            name = _shown(event_name)
            self._complaints.say(("track", name), f"track of {name!r} dropped: {cause}")

    def flush(self, timeout_seconds: float = 1.0) -> bool:
        """Send what is queued now; False when that took longer than the time given."""
        return self._outbox.drained(timeout_seconds)

    def close(self) -> None:
        """Send what can be sent within a second, and stop. Values are still served."""
        self._outbox.close()
        if self._connection is not None:
            self._connection.close(self._outbox)

    @property
    def default_unit_type(self) -> str | None:
        """Return the type of a unit that is given without one, such as a targeting key."""
        snapshot = self._keeper.serving.snapshot
        return None if snapshot is None else snapshot.default_unit_type

    @property
    def version(self) -> str | None:
        """Return epoch and revision of what serves, as "1.42"."""
        number = self._keeper.number
        return None if number is None else f"{number[0]}.{number[1]}"

    @property
    def unit_types(self) -> tuple[str, ...]:
        """Return the unit types of the project; none while no snapshot serves."""
        return self._keeper.serving.unit_types

    @property
    def status(self) -> Status:
        """Return how the client is doing now."""
        serving = self._keeper.serving
        snapshot, confirmed_at = serving.snapshot, serving.confirmed_at
        age = None if confirmed_at is None else (self._outside.now() - confirmed_at).total_seconds()
        return Status(
            ready=snapshot is not None,
            source=self._source(serving.source),
            revision=None if snapshot is None else snapshot.revision,
            epoch=None if snapshot is None else snapshot.epoch,
            snapshot_age_seconds=age,
            queued=self._outbox.queued,
            dropped=self._outbox.dropped,
            drops=self._outbox.drops,
            evaluations=self._stopwatch.read,
            last_error=None if self._connection is None else self._connection.last_error,
        )

    def subscribe(self, hear: Callable[[Event], None]) -> Callable[[], None]:
        """Hear of every change of what serves, in a background thread; return what ends it.

        See `Event`: flags changed, the server cannot be asked (`stale`), it answers again (`fresh`).
        """
        return self._keeper.news.subscribe(hear)

    def _not_ready(self, key: str, default: Anything) -> Decision:
        self._complaints.say((ErrorCode.PROVIDER_NOT_READY, _shown(key)), NOT_READY.error_message)
        return NOT_READY._replace(flag_key=_shown(key), value=default)

    def _with_first_clusters(self, context: Context, serving: Serving, store: StickyStore) -> Context:
        """Let the store say which cluster a unit stays with, when the engine asks."""
        return with_first_clusters(context, serving.clustered, store, complain=self._store_failed)

    def _store_failed(self, cause: Exception) -> None:
        self._complaints.say(("sticky", "sticky store"), f"clusters are followed meanwhile: {cause!r}")

    def _source(self, kept: Source) -> Source:
        is_streaming = self._connection is not None and self._connection.is_streaming
        return Source.STREAM if kept is Source.POLL and is_streaming else kept

    def _after_fork(self) -> None:
        self._keeper.after_fork()
        self._outbox.after_fork()
        self._exposer.after_fork()
        if self._connection is not None:
            self._connection.after_fork()


def _shown(key: Anything) -> str:
    """Return a key as text, whatever was passed; what is no text has no name worth showing."""
    return key if isinstance(key, str) else ""
