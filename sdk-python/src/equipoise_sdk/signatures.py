"""Checks who signed a snapshot (Ed25519). Needs the extra "signatures"; knows no private key."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping

from equipoise_engine import Snapshot

Verify = Callable[[bytes, bytes], None]
KEY_BYTES = 32
STATEMENT = "equipoise-snapshot-v1"


class Verifier:
    """Public keys, of which one has to have signed whatever serves.

    Args:
        verify_keys: raw public keys of 32 bytes in base64.

    Raises:
        ValueError: for what is no key, or when the extra is not installed.
    """

    def __init__(self, verify_keys: tuple[str, ...]) -> None:
        self._verify: Mapping[str, Verify] = dict(map(_verification, verify_keys))

    def fault(self, signature: str | None, snapshot: Snapshot) -> str | None:
        """Return what is wrong with a snapshot's signature; None when it holds.

        Args:
            signature: the header `Equipoise-Signature`: key id and signature in base64, or None.
            snapshot: what was signed; its hash has been checked.
        """
        key_id, _, encoded = (signature or "").partition(" ")
        verify = self._verify.get(key_id)
        if verify is None:
            return f"it is signed with another key ({key_id[:16]})" if signature else "it is not signed"
        try:
            verify(base64.b64decode(encoded, validate=True), statement(snapshot))
        except Exception:  # noqa: BLE001 - whatever the library says, the signature does not hold
            return "its signature does not hold"
        return None


def statement(snapshot: Snapshot) -> bytes:
    """Return what the server signs (docs/reference/snapshot-delivery.md)."""
    parts = (snapshot.project, snapshot.environment, snapshot.epoch, snapshot.revision, snapshot.hash)
    return "\n".join((STATEMENT, *map(str, parts))).encode()


def _verification(key: str) -> tuple[str, Verify]:
    try:
        # Optional, and too heavy to load for those who do not verify.
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
            Ed25519PublicKey,
        )
    except ImportError as cause:
        raise ValueError("verify_keys needs a library: pip install 'equipoise-sdk[signatures]'") from cause
    raw = _raw(key)
    public = Ed25519PublicKey.from_public_bytes(raw)
    return hashlib.sha256(raw).hexdigest()[:16], public.verify


def _raw(key: object) -> bytes:
    try:
        raw = base64.b64decode(key, validate=True) if isinstance(key, str) else b""
    except ValueError:
        raw = b""
    if len(raw) != KEY_BYTES:
        raise ValueError("verify_keys must be public keys of 32 bytes in base64")
    return raw
