"""What an application calls: decide, expose, track. Nothing here raises for what the world does."""

from __future__ import annotations

import builtins
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast

from equipoise_engine import Context, Decision, ErrorCode, Reason
from equipoise_sdk import events
from equipoise_sdk.connection import Connection
from equipoise_sdk.keeper import Keeper, Source
from equipoise_sdk.outbox import Exposed, Outbox, Recorder
from equipoise_sdk.settings import Outside

LOG = logging.getLogger("equipoise")
LARGEST_COUNT_OF_KINDS = 1_000

JsonT = TypeVar("JsonT", dict[str, Any], list[Any])  # what JSON holds is open
Anything = builtins.object  # `object` is a method here


@dataclass(frozen=True, slots=True)
class Status:
    """How the client is doing.

    Attributes:
        ready: whether any snapshot serves; without one every call gives its default.
        source: how it is kept current: stream or poll; or where it is from: disk, memory or none.
        revision: its revision, or None.
        epoch: its epoch, or None.
        snapshot_age_seconds: since the server last confirmed it, or None.
        queued: events that wait to be sent.
        dropped: events that were lost: queue full, refused by the server, or not writable.
        last_error: the last trouble that is not over, or None.
    """

    ready: bool
    source: Source
    revision: int | None
    epoch: int | None
    snapshot_age_seconds: float | None
    queued: int
    dropped: int
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
    ) -> None:
        self._keeper = keeper
        self._outbox = outbox
        self._outside = outside
        self._exposure_attributes = exposure_attributes
        self._connection = connection
        self._exposed = Exposed()
        self._said: set[tuple[object, ...]] = set()

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
        if decision.enrolment is not None:
            attributes = context.get("attributes") if self._exposure_attributes else None
            self._report(decision, differs=None, attributes=attributes, at=at)
        return decision

    def peek(self, key: str, default: Anything, context: Context) -> Decision:
        """Return the decision without reporting an exposure."""
        snapshot = self._keeper.serving.snapshot
        if snapshot is None:
            message = "no snapshot has been received yet"
            code = ErrorCode.PROVIDER_NOT_READY
            decision = Decision(_shown(key), default, None, Reason.ERROR, code, message, {}, None)
        else:
            decision = snapshot.evaluate(key, context, default)
        if decision.error_code is not None:
            self._say((decision.error_code, decision.flag_key), decision.error_message)
        return decision

    def expose(
        self,
        decision: Decision,
        *,
        differs: bool | None = None,
        attributes: Mapping[str, Anything] | None = None,
        at: datetime | None = None,
    ) -> None:
        """Report that a unit met what `peek` decided; nothing happens outside of experiments.

        Args:
            decision: what `peek` returned.
            differs: whether another arm would have looked different here; log it alike in all arms.
            attributes: the context's attributes; only `exposure_attributes` are sent.
            at: when it happened; now unless given.
        """
        self._report(decision, differs=differs, attributes=attributes, at=at)

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
            self._outbox.put_track(self._stamped(event, at))
        except ValueError as cause:
            self._lose(("track", _shown(event_name)), cause)

    def flush(self, timeout_seconds: float = 1.0) -> bool:
        """Send what is queued now; False when that took longer than the time given."""
        return self._outbox.drained(timeout_seconds)

    def close(self) -> None:
        """Send what can be sent within a second, and stop. Values are still served."""
        self._outbox.close()
        if self._connection is not None:
            self._connection.close(self._outbox)

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
            last_error=None if self._connection is None else self._connection.last_error,
        )

    def _source(self, kept: Source) -> Source:
        is_streaming = self._connection is not None and self._connection.is_streaming
        return Source.STREAM if kept is Source.POLL and is_streaming else kept

    def _after_fork(self) -> None:
        self._keeper.after_fork()
        self._outbox.after_fork()
        self._exposed.after_fork()
        if self._connection is not None:
            self._connection.after_fork()

    def _report(
        self,
        decision: Decision,
        *,
        differs: bool | None,
        attributes: Anything,
        at: datetime | None,
    ) -> None:
        enrolment = decision.enrolment
        if enrolment is None:
            return
        key = (*enrolment, differs)
        try:
            moment = self._outside.now() if at is None else events.aware(at)
            if not self._exposed.is_news(key, moment.timestamp(), is_live=at is None):
                return
            event = events.exposure(
                enrolment,
                flag=decision.flag_key,
                revision=decision.metadata.get("revision"),
                differs=differs,
                attributes=events.chosen_attributes(attributes, self._exposure_attributes),
            )
            if not self._outbox.put_exposure(self._stamped(event, moment)):
                self._exposed.forget(key)
        except ValueError as cause:
            self._lose(("exposure", enrolment.experiment), cause)

    def _stamped(self, event: dict[str, Anything], at: datetime | None) -> bytes:
        moment = events.rfc_3339(self._outside.now() if at is None else at)
        return events.encoded({"kind": event["kind"], "id": self._outside.new_id(), "at": moment} | event)

    def _lose(self, kind: tuple[Anything, ...], cause: ValueError) -> None:
        self._outbox.drop()
        self._say(kind, f"{kind[0]} of {kind[1]!r} dropped: {cause}")

    def _say(self, kind: tuple[Anything, ...], text: str | None) -> None:
        """Log a trouble of the application's own once per kind."""
        if kind not in self._said and len(self._said) < LARGEST_COUNT_OF_KINDS:
            self._said.add(kind)
            LOG.warning("%s: %s", kind[1], text)


def _shown(key: Anything) -> str:
    """Return a key as text, whatever was passed; what is no text has no name worth showing."""
    return key if isinstance(key, str) else ""


class InMemoryClient(Client):
    """A client for tests: serves one document, sends nothing, remembers what it would have sent."""

    def __init__(self, keeper: Keeper, recorder: Recorder, *, outside: Outside) -> None:
        super().__init__(keeper, recorder, outside=outside)
        self._recorder = recorder

    @property
    def recorded(self) -> tuple[dict[str, Anything], ...]:
        """Return the events in the order of their calls, as the server would receive them."""
        return tuple(self._recorder.recorded)
