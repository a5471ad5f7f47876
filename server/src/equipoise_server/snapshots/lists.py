"""The hashed lists of units beside snapshots, checked once and kept in memory while they are asked for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from uuid import UUID

from equipoise_engine import Members
from equipoise_server.flags import reads as flags

MOST_KEPT_MEMBERS = 12_500_000
"""In all lists together: 100 MB."""

_kept: OrderedDict[str, Members] = OrderedDict()
_keeping = threading.Lock()


def lists_of(project_id: UUID, document: object) -> Mapping[str, Members]:
    """The lists that a document names, by address, as far as they can be had."""
    found = {address: _list(project_id, address) for address in flags.addresses_in(document)}
    return {address: members for address, members in found.items() if members is not None}


def _list(project_id: UUID, address: str) -> Members | None:
    with _keeping:
        if address in _kept:
            _kept.move_to_end(address)
            return _kept[address]
    content = flags.member_blob(project_id, address)
    return None if content is None else _remembered(Members(content))


def _remembered(members: Members) -> Members:
    with _keeping:
        _kept[members.address] = members
        while len(_kept) > 1 and sum(map(len, _kept.values())) > MOST_KEPT_MEMBERS:
            _kept.popitem(last=False)
    return members
