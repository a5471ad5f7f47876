"""Signed snapshots: who holds the public key can tell that the installation made them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from asking import Answer, ask
from click.testing import CliRunner
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from people import NOW

from equipoise_engine import canonical_json, content_hash
from equipoise_server.access.secrets import digest
from equipoise_server.access.values import KeyKind, SdkKey, WorkingKey
from equipoise_server.commands.main import main
from equipoise_server.edge.app import build
from equipoise_server.edge.signing import SnapshotSigner, UnusableKey, load_signer, statement
from equipoise_server.edge.state import EdgeState, View, servable
from equipoise_server.foundation.revisions import Revision
from equipoise_server.snapshots.values import KeptSnapshot

SHOP = UUID(int=1)
SECRET = "eq_server_aa_1"
# The first key pair of RFC 8032, section 7.1.
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")


def a_signer() -> SnapshotSigner:
    """The signer with the key of the RFC."""
    return SnapshotSigner(Ed25519PrivateKey.from_private_bytes(SEED))


def an_answer(path: str, signer: SnapshotSigner | None, **headers: str) -> Answer:
    """What a door with this signer says to the shop's server key."""
    document: dict[str, object] = {
        "format": 1, "project": "shop", "environment": "production", "epoch": 3, "revision": 7,
        "default_unit_type": "user", "unit_types": ["user"], "flags": {},
    }  # fmt: skip
    document["hash"] = content_hash(document)
    state = EdgeState(signer=signer, signing_key_id="" if signer is None else signer.key_id)
    key = SdkKey(uuid4(), SHOP, KeyKind.SERVER, "tests", "eq_server_aa", NOW, None, None)
    kept = KeptSnapshot(SHOP, Revision(3, 7), NOW, str(document["hash"]), canonical_json(document))
    shown = servable(kept, signer=signer)
    state.swap(View({"eq_server_aa": WorkingKey(key, digest(SECRET))}, {SHOP: shown}, state.clock()))
    sent = {"authorization": f"Bearer {SECRET}"} | {k.replace("_", "-"): v for k, v in headers.items()}
    return ask(build(state), "GET", path, headers=sent)


def test_a_snapshot_carries_a_signature_over_its_place_revision_and_content() -> None:
    answer = an_answer("/v1/snapshot", a_signer())
    key_id, _, signature = answer.headers["equipoise-signature"].partition(" ")
    content = json.loads(answer.body)
    signed = f"equipoise-snapshot-v1\nshop\nproduction\n3\n7\n{content['hash']}".encode("ascii")
    assert signed == statement(content)
    Ed25519PublicKey.from_public_bytes(PUBLIC).verify(base64.b64decode(signature), signed)
    # printf d75a98…511a | xxd -r -p | sha256sum
    assert key_id == "21fe31dfa154a261"
    for altered in (signed.replace(b"\n7\n", b"\n8\n"), signed.replace(b"production", b"staging")):
        with pytest.raises(InvalidSignature):
            Ed25519PublicKey.from_public_bytes(PUBLIC).verify(base64.b64decode(signature), altered)


def test_an_unchanged_snapshot_is_signed_as_well() -> None:
    whole = an_answer("/v1/snapshot", a_signer())
    unchanged = an_answer("/v1/snapshot", a_signer(), if_none_match=whole.headers["etag"])
    assert unchanged.status == 304
    assert unchanged.headers["equipoise-signature"] == whole.headers["equipoise-signature"]


def test_health_names_the_key_and_without_one_nothing_is_signed() -> None:
    assert an_answer("/v1/health", a_signer()).json()["signing_key_id"] == "21fe31dfa154a261"
    assert "signing_key_id" not in an_answer("/v1/health", None).json()
    assert "equipoise-signature" not in an_answer("/v1/snapshot", None).headers


def _pem(private: object, path: Path, protection: KeySerializationEncryption | None = None) -> Path:
    form = PrivateFormat.PKCS8
    path.write_bytes(private.private_bytes(Encoding.PEM, form, protection or NoEncryption()))  # type: ignore[attr-defined]  # two kinds of keys
    return path


def test_a_key_comes_from_a_pem_file(tmp_path: Path) -> None:
    private = Ed25519PrivateKey.from_private_bytes(SEED)
    signer = load_signer(_pem(private, tmp_path / "key.pem"))
    assert (signer.key_id, base64.b64decode(signer.public_key)) == (a_signer().key_id, PUBLIC)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: path, "cannot be read"),
        (lambda path: _written(path, b"nonsense"), "holds no private key"),
        (lambda path: _pem(generate_private_key(SECP256R1()), path), "another kind of key"),
        (
            lambda path: _pem(Ed25519PrivateKey.generate(), path, BestAvailableEncryption(b"secret")),
            "without a passphrase",
        ),
    ],
    ids=["absent", "nonsense", "another kind", "locked"],
)
def test_an_unusable_key_stops_the_server_with_the_way_out(tmp_path: Path, make: object, told: str) -> None:
    assert callable(make)
    with pytest.raises(UnusableKey, match=told) as refusal:
        load_signer(make(tmp_path / "key.pem"))
    assert "signing-key --make" in str(refusal.value)


def test_the_command_makes_a_key_once_and_prints_what_sdks_verify_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, path = CliRunner(), tmp_path / "signing.pem"
    monkeypatch.delenv("EQUIPOISE_SIGNING_KEY", raising=False)
    assert "Set EQUIPOISE_SIGNING_KEY" in run.invoke(main, ["signing-key"]).output
    monkeypatch.setenv("EQUIPOISE_SIGNING_KEY", str(path))
    assert "cannot be read" in run.invoke(main, ["signing-key"]).output
    made = run.invoke(main, ["signing-key", "--make"])
    signer = load_signer(path)
    assert made.output == f"key id {signer.key_id}, public key {signer.public_key}\n"
    assert path.stat().st_mode & 0o077 == 0
    assert "exists already" in run.invoke(main, ["signing-key", "--make"]).output
    assert run.invoke(main, ["signing-key"]).output == made.output


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
