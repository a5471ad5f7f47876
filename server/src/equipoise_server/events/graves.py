"""Recognises erased units in what arrives later, by keyed hashes of their ids; the ids are not kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from equipoise_server.access import reads as access
from equipoise_server.access.values import KeyMissing, ProjectKey
from equipoise_server.events.arrivals import Row
from equipoise_server.events.models import Tombstone

_TOKEN = 24


@dataclass(frozen=True, slots=True)
class Graves:
    """The tombstones of one environment."""

    environment_id: UUID
    key: ProjectKey
    digests: frozenset[str]

    def clear(self, row: Row) -> bool:
        """Take erased units out of an event; False when nobody is left whom it is about."""
        row.units = {t: unit for t, unit in row.units.items() if not self.holds(t, unit)}
        if (
            row.cluster_type is not None
            and row.cluster is not None
            and self.holds(row.cluster_type, row.cluster)
        ):
            row.cluster = cluster_token(self.key, self.environment_id, row.cluster_type, row.cluster)
        return bool(row.units)

    def holds(self, unit_type: str, unit: str) -> bool:
        """Whether the kept id is an erased unit's."""
        return self.key.tombstone(self.environment_id, unit_type, unit) in self.digests


def erased_among(environment_id: UUID, unit_type: str, units: Collection[str]) -> frozenset[str]:
    """Which of these kept ids were erased. Raises KeyMissing."""
    graves = graves_of((environment_id,)).get(environment_id)
    return frozenset() if graves is None else frozenset(one for one in units if graves.holds(unit_type, one))


def graves_known(environment_ids: Iterable[UUID]) -> tuple[Mapping[UUID, Graves], frozenset[UUID]]:
    """The tombstones of those environments that have some, and the environments whose key is missing."""
    asked = set(environment_ids)
    try:
        return graves_of(asked), frozenset()
    except KeyMissing:
        pass
    known: dict[UUID, Graves] = {}
    unknown: set[UUID] = set()
    for environment_id in asked:
        try:
            known |= graves_of((environment_id,))
        except KeyMissing:
            unknown.add(environment_id)
    return known, frozenset(unknown)


def graves_of(environment_ids: Iterable[UUID]) -> Mapping[UUID, Graves]:
    """The tombstones of those environments that have some. Raises KeyMissing."""
    digests: dict[UUID, set[str]] = {}
    rows = Tombstone.objects.filter(environment_id__in=set(environment_ids))
    for environment_id, digest in rows.values_list("environment_id", "digest"):
        digests.setdefault(environment_id, set()).add(digest)
    return {
        environment_id: Graves(
            environment_id, access.project_key(access.environment(environment_id).project_id), frozenset(held)
        )
        for environment_id, held in digests.items()
    }


def cluster_token(key: ProjectKey, environment_id: UUID, unit_type: str, unit: str) -> str:
    """What stands in place of an erased cluster, so that its members still belong together."""
    return f"erased-{key.tombstone(environment_id, unit_type, unit)[:_TOKEN]}"
