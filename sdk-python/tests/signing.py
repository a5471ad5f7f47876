"""Signs snapshots as a server with EQUIPOISE_SIGNING_KEY does."""

from __future__ import annotations

import base64
import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flag_server import Json


class Signer:
    """A key of a server."""

    def __init__(self, seed: int = 7) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        raw = self._private.public_key().public_bytes_raw()
        self.public = base64.b64encode(raw).decode()
        self.key_id = hashlib.sha256(raw).hexdigest()[:16]

    def sign(self, content: Json) -> str:
        """Return the header of a snapshot."""
        members = [str(content[name]) for name in ("project", "environment", "epoch", "revision", "hash")]
        signature = self._private.sign("\n".join(["equipoise-snapshot-v1", *members]).encode())
        return f"{self.key_id} {base64.b64encode(signature).decode()}"
