"""The lists of members that snapshots name: from memory, disk or server, checked by their address."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from contextlib import suppress

from equipoise_engine import Members
from equipoise_sdk.disk import DiskCache
from equipoise_sdk.transport import OK, HttpTransport, Unreachable
from equipoise_sdk.troubles import Troubles

LARGEST_BLOB_BYTES = 40_000_000
LARGEST_TOTAL_BYTES = 200_000_000
LONGEST_FETCH_SECONDS = 10.0
_ADDRESS = re.compile(r"[0-9a-f]{64}")
_BYTES_EACH = 8

Addresses = frozenset[str]


class Shelf:
    """The lists in use. Written by the poller alone; `members` is replaced whole, for any reader."""

    def __init__(self, transport: HttpTransport, disk: DiskCache) -> None:
        self._transport = transport
        self._disk = disk
        self.members: Mapping[str, Members] = {}
        self.troubles = Troubles()

    def load(self, addresses: Addresses) -> None:
        """Take what the disk has."""
        for address in sorted(addresses - self.members.keys()):
            data = self._disk.load_members(address)
            if data is not None:
                self._take(address, data)

    def fetch(self, addresses: Addresses) -> bool:
        """Ask the server for what is missing; tell whether anything came."""
        deadline, came = time.monotonic() + LONGEST_FETCH_SECONDS, False
        for address in sorted(addresses - self.members.keys()):
            trouble = self._fetch_one(address, deadline)
            if trouble is not None:
                self.troubles.note("members", f"a list of members is missing: {trouble}")
            came = came or trouble is None
        if addresses <= self.members.keys():
            self.troubles.over("members")
        return came

    def retain(self, addresses: Addresses) -> None:
        """Forget all others."""
        self.members = {address: found for address, found in self.members.items() if address in addresses}
        self._disk.retain_members(addresses)

    def _fetch_one(self, address: str, deadline: float) -> str | None:
        if self._held_bytes() >= LARGEST_TOTAL_BYTES:
            return f"all together have more than {LARGEST_TOTAL_BYTES:,} bytes"
        if time.monotonic() >= deadline:
            return f"they took more than {LONGEST_FETCH_SECONDS:g} seconds"
        room = min(LARGEST_BLOB_BYTES, LARGEST_TOTAL_BYTES - self._held_bytes())
        try:
            answer = self._transport.members(address, largest=room, deadline=deadline)
        except Unreachable as cause:
            return str(cause)
        if answer.status != OK:
            return f"the server answered {answer.status}"
        if not self._take(address, answer.body):
            return "what came is another list, or none"
        with suppress(OSError):  # it is in memory; the next start asks for it again
            self._disk.store_members(address, answer.body)
        return None

    def _take(self, address: str, data: bytes) -> bool:
        if len(data) > LARGEST_BLOB_BYTES:
            return False
        try:
            found = Members(data)
        except ValueError:
            return False
        if found.address != address:
            return False
        self.members = {**self.members, address: found}
        return True

    def _held_bytes(self) -> int:
        return sum(len(found) for found in self.members.values()) * _BYTES_EACH


def named_addresses(document: Mapping[str, object], body: bytes) -> Addresses:
    """Return the addresses of the lists that a snapshot names anywhere."""
    if b'"blob"' not in body:
        return frozenset()
    found, waiting = set(), list[object]([document])
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            address = node.get("blob")
            if isinstance(address, str) and _ADDRESS.fullmatch(address):
                found.add(address)
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
    return frozenset(found)
