"""Writers that post batches of events all the time, and remember which ids they sent and which were taken."""

from __future__ import annotations

import http.client
import json
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

PAUSE_SECONDS = 0.1
BREATH_SECONDS = 0.01
TAKEN = 200
SENT_TWICE = 0.05
"""The share of acknowledged batches that are sent once more, as if their answer had been lost."""


@dataclass(slots=True)
class Ledger:
    """What was sent, what was acknowledged, and how the server answered."""

    sent: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    answers: Counter[str] = field(default_factory=Counter)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def note(self, ids: list[str], answer: str) -> None:
        """One batch was answered, or was not."""
        with self._changed:
            self.answers[answer] += 1
            if answer == str(TAKEN):
                self.acknowledged.update(ids)
            self._changed.notify_all()

    def wait_for(self, answer: str, *, more: int, within_seconds: float = 60.0) -> None:
        """Until that many more batches were answered like that."""
        with self._changed:
            wanted = self.answers[answer] + more
            assert self._changed.wait_for(lambda: self.answers[answer] >= wanted, within_seconds), (
                self.answers
            )


@dataclass(slots=True)
class Writer:
    """One writer. What was not acknowledged it sends again with the same ids, and sometimes what was."""

    port: int
    key: str
    ledger: Ledger
    dice: random.Random
    batch: int = 20
    _again: list[bytes] = field(default_factory=list)
    _link: http.client.HTTPConnection | None = None

    def run(self, stop: threading.Event) -> None:
        """Post until told to stop."""
        while not stop.is_set():
            body = self._next()
            answer = self._post(body)
            self.ledger.note([event["id"] for event in json.loads(body)["events"]], answer)
            if answer != str(TAKEN) or self.dice.random() < SENT_TWICE:
                self._again.append(body)
            stop.wait(BREATH_SECONDS if answer == str(TAKEN) else PAUSE_SECONDS)
        self._hang_up()

    def _next(self) -> bytes:
        if self._again:
            return self._again.pop(0)
        now = datetime.now(UTC).isoformat()
        ids = [str(UUID(int=self.dice.getrandbits(128), version=4)) for _ in range(self.batch)]
        self.ledger.sent.update(ids)
        events = [
            {"kind": "track", "id": one, "at": now, "name": "beat", "units": {"user": f"u-{number}"}}
            for number, one in enumerate(ids)
        ]
        return json.dumps({"sent_at": now, "events": events}).encode()

    def _post(self, body: bytes) -> str:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        try:
            if self._link is None:
                self._link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            self._link.request("POST", "/v1/events", body, headers)
            answer = self._link.getresponse()
            told = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            self._hang_up()
            return "none"
        if answer.status == TAKEN:
            assert told["accepted"] == len(json.loads(body)["events"]), told
        return str(answer.status)

    def _hang_up(self) -> None:
        if self._link is not None:
            self._link.close()
        self._link = None


@contextmanager
def writing(ports: list[int], key: str, *, writers: int = 8, seed: int = 8) -> Iterator[Ledger]:
    """Writers at work during the block, in turns at several doors; every one has ended after it."""
    ledger, stop = Ledger(), threading.Event()
    threads = [
        threading.Thread(
            target=Writer(ports[number % len(ports)], key, ledger, random.Random(seed * 1000 + number)).run,
            args=(stop,),
        )
        for number in range(writers)
    ]
    for thread in threads:
        thread.start()
    try:
        yield ledger
    finally:
        stop.set()
        for thread in threads:
            thread.join()
