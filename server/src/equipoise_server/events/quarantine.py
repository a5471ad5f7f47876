"""Refused events as the inbox files hold them: by reason, one by one, and as they came. Never writes.

What a replay has taken out of quarantine is passed over, though its file may not have forgotten it yet.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from equipoise_server.events import inbox
from equipoise_server.events.arrivals import instant
from equipoise_server.events.repairs import KeptEvent
from equipoise_server.events.values import Fault, QuarantinedDetail, Sender

MOST_GROUPS = 500
Taken = Mapping[str, Sequence[int]]
"""By inbox file: the places that replays hold."""

_VIEW = """
CREATE TEMP VIEW refused AS SELECT quarantine.id, quarantine.environment_id, quarantine.received_at,
  quarantine.problems, quarantine.event, {further} FROM quarantine
"""
_FURTHER = (
    "quarantine.sender_key, quarantine.program, quarantine.sent_at, quarantine.is_trusted,"
    " quarantine.form, quarantine.raw"
)
_FURTHER_OF_EARLIER_FILES = (
    "'' AS sender_key, '' AS program, NULL AS sent_at, 0 AS is_trusted, 'event' AS form, NULL AS raw"
)
_HERE = "refused.environment_id = :environment AND refused.id NOT IN (SELECT value FROM json_each(:taken))"
_GROUPS = """
SELECT refused.problems, refused.sender_key, refused.program, COUNT(*),
  COUNT(*) FILTER (WHERE refused.raw IS NOT NULL), MIN(refused.received_at), MAX(refused.received_at),
  MAX(refused.id)
FROM refused WHERE $here
GROUP BY refused.problems, refused.sender_key, refused.program ORDER BY COUNT(*) DESC LIMIT :most
""".replace("$here", _HERE)
_ONE = "SELECT refused.* FROM refused WHERE refused.id = :place AND refused.environment_id = :environment"
_PLACES = """
SELECT refused.id, refused.problems, refused.sender_key, refused.program FROM refused
WHERE $here ORDER BY refused.id DESC
""".replace("$here", _HERE)


@dataclass(frozen=True, slots=True)
class Sieve:
    """Which refused events: of one reason, of one sender; None where it does not matter."""

    fault: str | None = None
    sender: Sender | None = None


def fault_key(problems: Sequence[str]) -> str:
    """A short name for a list of faults, the same for all events that have just these."""
    return hashlib.sha256(json.dumps(list(problems)).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Quarantine:
    """One environment's refused events in the files of a directory."""

    directory: Path
    environment_id: UUID
    taken: Taken

    def faults(self, sieve: Sieve) -> tuple[Fault, ...]:
        """The reasons, the most frequent first."""
        found: dict[str, Fault] = {}
        for path, database in self._files():
            for row in database.execute(_GROUPS, self._given(path, most=MOST_GROUPS)):
                fault = self._fault(database, path, row)
                if _passes(sieve, fault.key, fault.senders[0]):
                    known = found.get(fault.key)
                    found[fault.key] = fault if known is None else joined(known, fault)
        return tuple(sorted(found.values(), key=lambda fault: (-fault.events, fault.key)))

    def newest(self, sieve: Sieve, *, most: int) -> tuple[QuarantinedDetail, ...]:
        """The events that pass, the newest first."""
        found: list[QuarantinedDetail] = []
        for path, database in self._files():
            for place in list(self._passing(path, database, sieve, most)):
                found += self._detail(path, database, place)
        return tuple(sorted(found, key=lambda event: event.received_at, reverse=True)[:most])

    def one(self, inbox_name: str, place: int) -> QuarantinedDetail | None:
        """One event by its place; None when it is gone."""
        for path, database in self._files():
            if path.stem == inbox_name:
                return next(iter(self._detail(path, database, place)), None)
        return None

    def places(self, sieve: Sieve, *, most: int) -> tuple[tuple[str, int], ...]:
        """Where the events that pass lie; of each file the newest first."""
        found: list[tuple[str, int]] = []
        for path, database in self._files():
            room = most - len(found)
            found += [(path.stem, place) for place in self._passing(path, database, sieve, room)]
        return tuple(found)

    def kept(self, places: Iterable[tuple[str, int]]) -> Iterator[KeptEvent]:
        """Those of the events that were kept as they came, one at a time."""
        asked: dict[str, list[int]] = {}
        for inbox_name, place in places:
            asked.setdefault(inbox_name, []).append(place)
        for path, database in self._files():
            for place in asked.get(path.stem, ()):
                given = {"place": place, "environment": self.environment_id.hex}
                for row in database.execute(_ONE, given):
                    if row["raw"] is not None:
                        yield _kept(path, row)

    def _files(self) -> Iterator[tuple[Path, sqlite3.Connection]]:
        for path in inbox.files(self.directory):
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as database:
                database.row_factory = sqlite3.Row
                columns = inbox.columns_of(database, "quarantine")
                if not columns:  # a process that has just claimed the file has not made its tables yet
                    continue
                further = _FURTHER if "raw" in columns else _FURTHER_OF_EARLIER_FILES
                database.execute(_VIEW.format(further=further))
                database.execute("BEGIN")  # one state of the file, whatever its writer deletes meanwhile
                yield path, database

    def _given(self, path: Path, **more: object) -> dict[str, object]:
        taken = json.dumps(list(self.taken.get(path.stem, ())))
        return {"environment": self.environment_id.hex, "taken": taken, **more}

    def _fault(self, database: sqlite3.Connection, path: Path, row: sqlite3.Row) -> Fault:
        problems, key, program, events, kept, first, last, newest = row
        (example,) = self._detail(path, database, newest)
        told = tuple(json.loads(problems))
        return Fault(
            fault_key(told), told, events, kept, instant(first), instant(last), (Sender(key, program),),
            example.event,
        )  # fmt: skip

    def _passing(self, path: Path, database: sqlite3.Connection, sieve: Sieve, most: int) -> Iterator[int]:
        wanted: dict[str, bool] = {}
        found = 0
        for place, problems, key, program in database.execute(_PLACES, self._given(path)):
            if found >= most:
                return
            if problems not in wanted:
                wanted[problems] = _passes(sieve, fault_key(json.loads(problems)), None)
            if wanted[problems] and sieve.sender in (None, Sender(key, program)):
                found += 1
                yield place

    def _detail(self, path: Path, database: sqlite3.Connection, place: int) -> Iterator[QuarantinedDetail]:
        for row in database.execute(_ONE, {"place": place, "environment": self.environment_id.hex}):
            yield QuarantinedDetail(
                key=f"{path.stem}.{place}",
                received_at=instant(row["received_at"]),
                sent_at=None if row["sent_at"] is None else instant(row["sent_at"]),
                sender=Sender(row["sender_key"], row["program"]),
                problems=tuple(json.loads(row["problems"])),
                event=row["event"],
                is_kept=row["raw"] is not None,
                is_taken=place in self.taken.get(path.stem, ()),
            )


def joined(one: Fault, other: Fault) -> Fault:
    """The same reason seen in two places."""
    newer = max(one, other, key=lambda fault: fault.last_at)
    return replace(
        newer,
        events=one.events + other.events,
        kept=one.kept + other.kept,
        first_at=min(one.first_at, other.first_at),
        senders=tuple(dict.fromkeys(one.senders + other.senders)),
    )


def _passes(sieve: Sieve, fault: str, sender: Sender | None) -> bool:
    is_other_sender = sender is not None and sieve.sender not in (None, sender)
    return sieve.fault in (None, fault) and not is_other_sender


def _kept(path: Path, row: sqlite3.Row) -> KeptEvent:
    return KeptEvent(
        path.stem, row["id"], instant(row["received_at"]), instant(row["sent_at"]),
        bool(row["is_trusted"]), Sender(row["sender_key"], row["program"]), row["form"], row["raw"],
        tuple(json.loads(row["problems"])),
    )  # fmt: skip
