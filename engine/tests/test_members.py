"""Lists of units: how they are written, and what is refused."""

from __future__ import annotations

import hashlib
import sys

import pytest
from authoring import segments

import equipoise_engine.members
from equipoise_engine import Members, members_blob, validate_snapshot


def test_a_list_is_written_as_the_spec_says() -> None:
    units = [*segments.LISTED, "u1", 17, None, "", 1.5]
    assert members_blob(segments.SALT, units) == segments.blob(segments.LISTED)


def test_a_list_tells_its_address_and_its_length() -> None:
    data = segments.blob(["u1", "u2"])
    members = Members(data)
    assert (len(members), members.address) == (2, hashlib.sha256(data).hexdigest())


def test_a_list_reads_the_same_on_machines_of_either_byte_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "byteorder", "big")  # then the numbers of this machine are taken as they are
    data = members_blob(segments.SALT, ["u1"])
    assert data == segments.blob(["u1"])[::-1]
    assert len(Members(data)) == 1


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"1234567", "not 7 bytes"),
        (b"\x00" * 16, "must ascend"),
        (segments.blob(["u1", "u2"])[8:] + segments.blob(["u1", "u2"])[:8], "must ascend"),
    ],
)
def test_bytes_that_are_no_list_are_refused(data: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Members(data)


def test_a_list_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equipoise_engine.members, "LARGEST_MEMBER_COUNT", 1)
    with pytest.raises(ValueError, match="at most 1 members"):
        Members(segments.blob(["u1", "u2"]))


def test_a_snapshot_may_be_published_with_its_lists_alone() -> None:
    data = segments.blob(["u1"])
    document = segments.ruled(segments.hashed(data))
    assert validate_snapshot(document, {segments.address(data): Members(data)}) == ()
    (problem,) = validate_snapshot(document)
    assert problem.path == "/flags/switch/rules/0/eligibility/members/blob"
