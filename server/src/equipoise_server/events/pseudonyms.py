"""Hides unit ids of a pseudonymised project before an inbox writes them.

Knows where an event names units: `unit`, `units` and `cluster`. Attributes and properties stay as they are.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Protocol
from uuid import UUID

import msgspec

from equipoise_server.access import reads as access
from equipoise_server.access.values import KeyMissing, ProjectKey
from equipoise_server.events.inbox import Batch
from equipoise_server.events.validation import EVENT_FORM, Refused, canonical_unit, decode_good
from equipoise_server.events.values import Event, Exposure, StorageFailed, Track


class TakesBatches(Protocol):
    """Where batches go: an inbox, or something before one."""

    def submit(self, batch: Batch) -> Future[None]:
        """Queue a batch; the future is done once it is durable."""


@dataclass(frozen=True, slots=True)
class Pseudonymising:
    """An inbox that never sees a unit id."""

    inbox: TakesBatches
    project_id: UUID

    def submit(self, batch: Batch) -> Future[None]:
        """Queue the batch with pseudonyms in place of unit ids. Raises StorageFailed without the key."""
        try:
            key = access.project_key(self.project_id)
        except KeyMissing as fault:
            raise StorageFailed(str(fault), is_full=False) from fault
        hidden = [hide(event, key) for event in decode_good(batch.good)]
        refused = tuple(replace(one, raw=_hidden_raw(one, key)) for one in batch.refused)
        return self.inbox.submit(replace(batch, good=msgspec.json.encode(hidden), refused=refused))


def hiding(inbox: TakesBatches, project_id: UUID | None) -> TakesBatches:
    """The inbox, behind the pseudonyms of a project; None: as it is."""
    return inbox if project_id is None else Pseudonymising(inbox, project_id)


def kept_ids(project_id: UUID, unit_type: str, units: AbstractSet[str]) -> frozenset[str]:
    """What events keep of these units: their ids, or their pseudonyms."""
    if not access.project(project_id).is_pseudonymised:
        return frozenset(units)
    key = access.project_key(project_id)
    return frozenset(key.pseudonym(unit_type, unit) for unit in units)


def hide(event: Event, key: ProjectKey) -> Event:
    """The event with pseudonyms; hiding it again changes nothing."""
    if isinstance(event, Exposure):
        event.unit = key.pseudonym(event.unit_type, canonical_unit(event.unit))
        if event.cluster_type is not None and event.cluster is not None:
            event.cluster = key.pseudonym(event.cluster_type, canonical_unit(event.cluster))
    else:
        event.units = {t: key.pseudonym(t, canonical_unit(unit)) for t, unit in event.units.items()}
    return event


def _hidden_raw(refused: Refused, key: ProjectKey) -> bytes | None:
    """The refused event with pseudonyms; None where it cannot be told which of its values are units."""
    if refused.raw is None or refused.form != EVENT_FORM:
        return None
    try:
        event = msgspec.json.decode(refused.raw)
    except ValueError:
        return None
    if not isinstance(event, dict) or not _MEMBERS.issuperset(event):
        return None
    return msgspec.json.encode(event) if _hides_all(event, key) else None


_MEMBERS = {*Exposure.__struct_fields__, *Track.__struct_fields__, "kind"}


def _hides_all(event: dict[str, object], key: ProjectKey) -> bool:
    """Whether every id in the event was where ids belong, and is hidden now."""
    for named, typed in (("unit", "unit_type"), ("cluster", "cluster_type")):
        if event.get(named) is not None:
            unit, unit_type = event[named], event.get(typed)
            if not isinstance(unit, str | int) or not isinstance(unit_type, str):
                return False
            event[named] = key.pseudonym(unit_type, canonical_unit(unit))
    units = event.get("units")
    if units is None:
        return True
    if not isinstance(units, dict) or not all(isinstance(unit, str | int) for unit in units.values()):
        return False
    event["units"] = {t: key.pseudonym(t, canonical_unit(unit)) for t, unit in units.items()}
    return True
