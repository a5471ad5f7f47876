"""Segments as pages show them: the list, and one with its members and its uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from equipoise_server.dashboard import conditions
from equipoise_server.dashboard.forms import Form
from equipoise_server.dashboard.words import counted
from equipoise_server.flags.values import Segment, SegmentUses


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """One segment in the list."""

    key: str
    name: str
    who: str
    kind: str


@dataclass(frozen=True, slots=True)
class SegmentsPage:
    """A project's segments."""

    rows: tuple[SegmentRow, ...]
    may_edit: bool


@dataclass(frozen=True, slots=True)
class NewSegmentPage:
    """The form of a new segment: a condition, or a list."""

    form: Form
    clause_count: int
    segments: Sequence[Segment]
    unit_options: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ListLine:
    """What a list holds."""

    unit_type: str
    count: str
    address: str
    names: tuple[str, ...]
    """Of a short list."""
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class SegmentPage:
    """One segment: its condition or members, and what uses it."""

    segment: Segment
    who: str
    members: ListLine | None
    uses: SegmentUses
    form: Form
    members_form: Form
    clause_count: int
    segments: Sequence[Segment]
    may_edit: bool
    looked_up: str = ""
    """A unit that was asked for."""
    is_member: bool = False

    @property
    def is_used(self) -> bool:
        """Whether anything names it."""
        return bool(self.uses.flags or self.uses.segments or self.uses.experiments)

    @property
    def is_held(self) -> bool:
        """Whether running experiments hold it still."""
        return bool(self.uses.experiments) and not self.segment.is_computed


def segments_page(segments: Sequence[Segment], *, may_edit: bool) -> SegmentsPage:
    """The list."""
    return SegmentsPage(
        tuple(SegmentRow(one.key, one.name, who_is_in(one), _kind(one)) for one in segments), may_edit
    )


def who_is_in(segment: Segment) -> str:
    """Who a segment holds, in words."""
    if segment.members is None:
        return conditions.sentence(segment.condition)
    return f"{counted(segment.members.member_count, segment.members.unit_type)} by id"


def _kind(segment: Segment) -> str:
    if segment.members is None:
        return "condition"
    return "computed list" if segment.is_computed else "list"


def list_line(segment: Segment) -> ListLine | None:
    """The members of a segment that is a list."""
    held = segment.members
    if held is None:
        return None
    members = segment.condition.get("members")
    units = members.get("units", ()) if isinstance(members, dict) else ()
    return ListLine(
        held.unit_type,
        counted(held.member_count, held.unit_type),
        held.address,
        tuple(units),
        held.changed_at,
    )
