"""Segments that are lists of units: making them, and changing who is in them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q, Sum

from equipoise_server.access import reads as access
from equipoise_server.access.values import Actor, Permission
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Subject
from equipoise_server.flags import models, reads
from equipoise_server.flags.checks import all_problems, naming_problems
from equipoise_server.flags.editing import MEANWHILE
from equipoise_server.flags.member_hashes import (
    Membership,
    changed,
    to_bytes,
)
from equipoise_server.flags.pins import refuse_if_segment_pinned
from equipoise_server.flags.rows import found_segment, membership_of
from equipoise_server.flags.values import How, Segment
from equipoise_server.foundation.clashes import refused_if_taken
from equipoise_server.foundation.due_work import schedule
from equipoise_server.foundation.ids import new_id, new_salt
from equipoise_server.foundation.refusals import Conflict, Invalid, Problem, refuse_all

MOST_BYTES_A_PROJECT = 200_000_000
"""What SDKs load at most of lists beside a snapshot."""
BYTES_EACH = 8
KEPT_FOR_REPLAY = timedelta(days=35)
"""How long the hashes of a list that has changed can still be replayed."""


@dataclass(frozen=True, slots=True)
class CreateList:
    """A new list of units, empty at first. The membership of a computed one moves by design."""

    project_id: UUID
    key: str
    name: str
    unit_type: str
    is_computed: bool = False


@dataclass(frozen=True, slots=True)
class ChangeMembers:
    """Replace a list's members, add some, or take some out. The units come beside the command."""

    segment_id: UUID
    how: How
    reason: str = ""
    confirms_growth: bool = False


def create_list(actor: Actor, command: CreateList, *, now: datetime) -> Segment:
    """Create an empty list."""
    actor.require(Permission.FLAG_EDIT, command.project_id)
    project = access.project(command.project_id)
    problems = all_problems(naming_problems(command.key, command.name))
    if command.unit_type not in project.unit_types:
        told = f"The project has no unit type “{command.unit_type}”; it has: {', '.join(project.unit_types)}."
        problems.append(Problem("unit_type", told))
    if models.Segment.objects.filter(project_id=project.id, key=command.key).exists():
        problems.append(Problem("key", _key_taken(command.key)))
    refuse_all(Invalid, problems)
    segment_id = new_id()
    subject = Subject("segment", segment_id, command.key, project.id)
    taken = Problem("key", _key_taken(command.key))
    with refused_if_taken(taken), change(actor.author, "segment.create", subject, now=now) as entry:
        row = models.Segment.objects.create(
            id=segment_id, project_id=project.id, key=command.key, name=command.name,
            condition={"members": {"unit_type": command.unit_type, "units": []}},
            is_computed=command.is_computed,
        )  # fmt: skip
        models.MemberList.objects.create(
            segment=row, unit_type=command.unit_type, salt=new_salt(), changed_at=now
        )
        entry.after = {"name": command.name, "list_of": command.unit_type}
        for environment in project.environments:
            entry.touches(environment.id)
    return reads.segment(segment_id)


def _key_taken(key: str) -> str:
    return f"There is a segment “{key}” in this project already; choose another key."


def change_members(actor: Actor, command: ChangeMembers, units: Iterable[str], *, now: datetime) -> Segment:
    """Change who is in a list. Refused while a running experiment uses it, unless it is computed."""
    row = found_segment(command.segment_id)
    actor.require(Permission.FLAG_EDIT, row.project_id)
    held = models.MemberList.objects.filter(segment=row).first()
    if held is None:
        raise Conflict(Problem("", f"The segment “{row.key}” is a condition, not a list of units."))
    if not row.is_computed:
        refuse_if_segment_pinned(row)
    after = changed(membership_of(row, held), command.how, units, held.salt)
    _refuse_too_much(row, after)
    subject = Subject("segment", row.pk, row.key, row.project_id)
    with change(
        actor.author, f"segment.{command.how}_members", subject, now=now, reason=command.reason
    ) as entry:
        entry.before = {"members": held.member_count, "list": held.address}
        address = keep_members(row, held, after, now)
        entry.after = {"members": after.count, "list": address}
        for environment in access.project(row.project_id).environments:
            entry.touches(environment.id)
        if command.confirms_growth:
            entry.confirms_growth()
    return reads.segment(row.pk)


def _refuse_too_much(row: models.Segment, after: Membership) -> None:
    others = models.MemberList.objects.filter(segment__project_id=row.project_id).exclude(address="")
    taken = others.exclude(segment=row).aggregate(Sum("member_count"))["member_count__sum"] or 0
    if after.hashes is not None and (taken + after.count) * BYTES_EACH > MOST_BYTES_A_PROJECT:
        most = MOST_BYTES_A_PROJECT // BYTES_EACH
        told = f"All lists of a project together have at most {most:,} units; the others have {taken:,}."
        raise Invalid(Problem("file", told))


def keep_members(row: models.Segment, held: models.MemberList, after: Membership, now: datetime) -> str:
    """Write the list; two changes at once do not mix. Its address, "" while it is kept by name."""
    if after.hashes is None:
        assert after.names is not None
        address, members = "", {"unit_type": held.unit_type, "units": sorted(after.names)}
    else:
        content = to_bytes(after.hashes)
        address = hashlib.sha256(content).hexdigest()
        members = {"unit_type": held.unit_type, "blob": address, "salt": held.salt}
        models.MemberBlob.objects.get_or_create(
            address=address,
            defaults={"project_id": row.project_id, "content": content, "created_at": now},
        )
    mine = models.Segment.objects.filter(pk=row.pk, version=row.version)
    if not mine.update(condition={"members": members}, version=row.version + 1):
        raise Conflict(Problem("", MEANWHILE))
    models.MemberList.objects.filter(segment=row).update(
        member_count=after.count, address=address, changed_at=now
    )
    if held.address != address:
        forget_later(held.address, now)
    return address


def forget_later(address: str, now: datetime) -> None:
    """Let the hashes that a list has left be deleted, unless one has them then or has left them since."""
    if address:
        models.MemberBlob.objects.filter(pk=address).update(left_at=now)
        key = f"{address}:{now.isoformat()}"  # of its own: an earlier leave is not the last
        schedule("flag.forget_list", key, due_at=now + KEPT_FOR_REPLAY, payload={"address": address})


def forget_list(address: str, *, now: datetime) -> None:
    """Delete hashes that no list has had for long. An erasure of storage: it leaves no audit record."""
    left_long_ago = Q(left_at=None) | Q(left_at__lte=now - KEPT_FOR_REPLAY)
    if not models.MemberList.objects.filter(address=address).exists():
        models.MemberBlob.objects.filter(left_long_ago, pk=address).delete()
