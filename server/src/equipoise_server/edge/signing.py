"""Signs snapshots with the installation's Ed25519 key (RFC 8032), so that SDKs can tell who made them.

What is signed is not the body but the statement which content holds as which revision of which environment.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

HEADER = "equipoise-signature"
KEY_ID_LENGTH = 16
_PURPOSE = "equipoise-snapshot-v1"
_SIGNED = ("project", "environment", "epoch", "revision", "hash")


class UnusableKey(Exception):
    """The signing key cannot be used; says why and what to do."""


def statement(document: Mapping[str, object]) -> bytes:
    """What is signed of a snapshot: its place, its revision and its content hash."""
    return "\n".join([_PURPOSE, *(str(document[name]) for name in _SIGNED)]).encode("ascii")


def key_id(public: Ed25519PublicKey) -> str:
    """The name of a key: the beginning of the SHA-256 of its 32 raw bytes."""
    return hashlib.sha256(raw_public_key(public)).hexdigest()[:KEY_ID_LENGTH]


def raw_public_key(public: Ed25519PublicKey) -> bytes:
    """The 32 bytes of a public key."""
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)


class SnapshotSigner:
    """Holds the private key."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.key_id = key_id(private.public_key())
        self.public_key = base64.b64encode(raw_public_key(private.public_key())).decode()
        """What SDKs are given to verify with."""

    def signature_of(self, document: Mapping[str, object]) -> str:
        """The header's value: key id and signature."""
        return f"{self.key_id} {base64.b64encode(self._private.sign(statement(document))).decode()}"


def make_key(path: Path) -> None:
    """Write a new private key, readable by its owner alone; never over another.

    Raises:
        UnusableKey: when the file exists.
    """
    form = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(form)
    except FileExistsError as cause:
        raise UnusableKey(f"{path} exists already, and is left as it is.") from cause


def load_signer(path: Path) -> SnapshotSigner:
    """Read the key from a PEM file (PKCS#8, no passphrase).

    Raises:
        UnusableKey: when there is no such key in the file.
    """
    way_out = "Make one with “equipoise-server signing-key --make”, or unset EQUIPOISE_SIGNING_KEY."
    try:
        private = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as cause:
        raise UnusableKey(f"{path} cannot be read: {cause.strerror}. {way_out}") from cause
    except (ValueError, TypeError, UnsupportedAlgorithm) as cause:
        raise UnusableKey(f"{path} holds no private key in PEM without a passphrase. {way_out}") from cause
    if not isinstance(private, Ed25519PrivateKey):
        raise UnusableKey(f"{path} holds another kind of key than Ed25519. {way_out}")
    return SnapshotSigner(private)
