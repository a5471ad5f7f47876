"""Turns decisions into exposures: which are news, and what they carry."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime
from typing import cast

from equipoise_engine import Decision, Enrolment
from equipoise_sdk import events
from equipoise_sdk.outbox import Drop, Outbox
from equipoise_sdk.settings import Outside
from equipoise_sdk.stickiness import StickyStore, keep_cluster
from equipoise_sdk.troubles import Complaints

REMEMBERED_EXPOSURES = 50_000

ExposureKey = tuple[object, ...]


class Exposed:
    """Remembers the exposures that were sent, up to a number, and when the earliest was."""

    def __init__(self, size: int = REMEMBERED_EXPOSURES) -> None:
        self._size = size
        self._earliest: OrderedDict[ExposureKey, float] = OrderedDict()
        self._lock = threading.Lock()

    def is_known(self, key: ExposureKey) -> bool:
        """Tell whether an exposure was sent; needs no lock, being one operation of the interpreter."""
        try:
            self._earliest.move_to_end(key)
        except KeyError:
            return False
        return True

    def is_news(self, key: ExposureKey, at: float, *, is_live: bool = False) -> bool:
        """Tell whether an exposure is to be sent, and remember it: first or earlier than known.

        Live ones come in the order of their calls, whatever their threads' clocks say.
        """
        with self._lock:
            known = self._earliest.get(key)
            if known is not None and (is_live or known <= at):
                self._earliest.move_to_end(key)
                return False
            self._earliest[key] = at
            self._earliest.move_to_end(key)
            if len(self._earliest) > self._size:
                self._earliest.popitem(last=False)
            return True

    def forget(self, key: ExposureKey) -> None:
        """Let an exposure be sent again, because it was dropped."""
        with self._lock:
            self._earliest.pop(key, None)

    def after_fork(self) -> None:
        """Replace the lock, which another thread of the parent may have held."""
        self._lock = threading.Lock()


class Exposer:
    """Reports each place of a unit once: its experiment's, and those in holdouts."""

    def __init__(
        self,
        outbox: Outbox,
        outside: Outside,
        *,
        attributes: tuple[str, ...],
        sticky_store: StickyStore | None,
        complaints: Complaints,
    ) -> None:
        self._outbox = outbox
        self._outside = outside
        self._attributes = attributes
        self._sticky_store = sticky_store
        self._complaints = complaints
        self._exposed = Exposed()

    def report(
        self, decision: Decision, attributes: object, *, differs: bool | None, at: datetime | None
    ) -> None:
        """Report every place of a decision that is news.

        Args:
            decision: what a unit met.
            attributes: the context's; only the named ones are sent.
            differs: the counterfactual mark; it is the experiment's, and no holdout's.
            at: when it happened; now unless given.
        """
        for held in decision.holdouts:
            if at is not None or not self._exposed.is_known(held):
                self._report_one(held, decision, attributes, key=held, differs=None, at=at)
        if decision.place is None:
            return
        # The flag is no part of it: an experiment on several flags is met once. The arm and the cluster
        # are, so that units which cross over are counted; the mark is, since it may come later.
        key = (decision.place, decision.unit, differs)
        is_known = at is None and self._exposed.is_known(key)
        if is_known and self._sticky_store is None:
            return
        enrolment = cast("Enrolment", decision.enrolment)  # who has a place has one
        if not is_known:
            self._report_one(enrolment, decision, attributes, key=key, differs=differs, at=at)
        self._keep_cluster(enrolment)

    def after_fork(self) -> None:
        """Go on in the child: what the parent reported need not be reported again."""
        self._exposed.after_fork()

    def _report_one(
        self,
        place: Enrolment,
        decision: Decision,
        attributes: object,
        *,
        key: ExposureKey,
        differs: bool | None,
        at: datetime | None,
    ) -> None:
        try:
            moment = self._outside.now() if at is None else events.aware(at)
            if not self._exposed.is_news(key, moment.timestamp(), is_live=at is None):
                return
            revision = decision.metadata.get("revision")
            chosen = events.chosen_attributes(attributes, self._attributes)
            event = events.exposure(
                place, flag=decision.flag_key, revision=revision, differs=differs, attributes=chosen
            )
            if not self._outbox.put_exposure(events.stamped(event, self._outside.new_id(), moment)):
                self._exposed.forget(key)
        except ValueError as cause:
            self._outbox.drop(Drop.INVALID)
            told = f"exposure of {place.experiment!r} dropped: {cause}"
            self._complaints.say(("exposure", place.experiment), told)

    def _keep_cluster(self, enrolment: Enrolment) -> None:
        if self._sticky_store is None or enrolment.cluster is None:
            return
        try:
            keep_cluster(enrolment, self._sticky_store)
        except Exception as cause:  # noqa: BLE001 - a store that fails must not fail a request
            self._complaints.say(("sticky", "sticky store"), f"a first cluster was not kept: {cause!r}")
