"""With verify_keys nothing serves that none of them signed: from the network, from disk, or by whom."""

from __future__ import annotations

import base64
import sys
from pathlib import Path

import pytest
from connecting import Connect
from flag_server import FlagServer, Json, document
from signing import Signer

import equipoise_sdk
from equipoise_sdk import Source

OURS, THEIRS = Signer(), Signer(seed=8)


def test_a_signed_snapshot_serves(server: FlagServer, connect: Connect) -> None:
    server.sign = OURS.sign
    client = connect(verify_keys=(THEIRS.public, OURS.public))
    assert client.string("colour", "code", {}) == "grey"


def _of_another(signer: Signer, **members: object) -> str:
    return signer.sign({**document(), **members})


WRONG: dict[str, str | None] = {
    "nothing": None,
    "an empty header": "",
    "another key's": THEIRS.sign(document()),
    "another key's under our name": f"{OURS.key_id} {THEIRS.sign(document()).partition(' ')[2]}",
    "our key without a signature": OURS.key_id,
    "no base64": f"{OURS.key_id} !!",
    "too short": f"{OURS.key_id} {base64.b64encode(b'x').decode()}",
    "of another project": _of_another(OURS, project="other"),
    "of another environment": _of_another(OURS, environment="production"),
    "of another epoch": _of_another(OURS, epoch=2),
    "of another revision": _of_another(OURS, revision=2),
    "of other content": _of_another(OURS, hash="0" * 64),
}


@pytest.mark.parametrize("signature", WRONG.values(), ids=WRONG)
def test_a_snapshot_with_a_wrong_signature_never_serves(
    server: FlagServer, connect: Connect, tmp_path: Path, signature: str | None
) -> None:
    server.sign = None if signature is None else lambda _content: signature
    client = connect(verify_keys=(OURS.public,), cache_directory=tmp_path)
    assert not client.status.ready
    assert "cannot be trusted" in (client.status.last_error or "")
    assert list(tmp_path.iterdir()) == []


def test_the_signature_is_kept_and_checked_on_disk(
    server: FlagServer, connect: Connect, tmp_path: Path
) -> None:
    server.sign = OURS.sign
    connect(verify_keys=(OURS.public,), cache_directory=tmp_path).close()
    server.fault = lambda handler: handler.answer(503)
    trusting = connect(verify_keys=(OURS.public,), cache_directory=tmp_path)
    assert trusting.status.source is Source.DISK
    doubting = connect(verify_keys=(THEIRS.public,), cache_directory=tmp_path)
    assert not doubting.status.ready


def test_an_unsigned_snapshot_of_before_is_not_taken_from_disk(
    server: FlagServer, connect: Connect, tmp_path: Path
) -> None:
    connect(cache_directory=tmp_path).close()
    server.fault = lambda handler: handler.answer(503)
    assert not connect(verify_keys=(OURS.public,), cache_directory=tmp_path).status.ready


def test_a_later_snapshot_by_another_leaves_what_serves(server: FlagServer, connect: Connect) -> None:
    server.sign = OURS.sign
    client = connect(verify_keys=(OURS.public,))
    server.sign, server.content = THEIRS.sign, document(revision=2, value="evil")
    server.wait_for(3)
    assert client.string("colour", "code", {}) == "grey"


@pytest.mark.parametrize("key", ["", "short", "!!", base64.b64encode(b"x" * 31).decode(), 7])
def test_what_is_no_key_is_refused_at_once(key: object) -> None:
    with pytest.raises(ValueError, match="verify_keys must be public keys of 32 bytes"):
        equipoise_sdk.connect("http://127.0.0.1:1", "k", verify_keys=(key,))  # type: ignore[arg-type]


def test_a_missing_library_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None)
    with pytest.raises(ValueError, match=r"pip install 'equipoise-sdk\[signatures\]'"):
        equipoise_sdk.connect("http://127.0.0.1:1", "k", verify_keys=(OURS.public,))


def test_a_client_that_verifies_nothing_needs_no_library(
    server: FlagServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None)
    content: Json = document()
    server.content = content
    assert connect().status.ready
