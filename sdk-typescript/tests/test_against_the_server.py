"""The TypeScript SDK and the OpenFeature clients of npm, against a real server."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from in_node import PACKAGE, build, run_suite
from server_process import ServerProcess

SUITES = sorted(path.name.removesuffix(".test.ts") for path in PACKAGE.glob("tests/real/*.test.ts"))
IN_A_BROWSER = {"pages"}

pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running server with flags of every type: where it is and what opens it, as JSON."""
    folder = tmp_path_factory.mktemp("server")
    private = Ed25519PrivateKey.generate()
    key_file = folder / "signing.pem"
    key_file.touch(0o600)
    key_file.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    server = ServerProcess(folder / "data", settings={"EQUIPOISE_SIGNING_KEY": str(key_file)})
    server.migrate()
    known = server.run_script(Path(__file__).with_name("scene.py"))
    server.serve()
    verify_key = base64.b64encode(private.public_key().public_bytes_raw()).decode()
    yield json.dumps({"url": server.url, "verify_key": verify_key, **known})
    server.stop()


@pytest.mark.parametrize(
    "suite",
    [pytest.param(name, marks=[pytest.mark.browser] if name in IN_A_BROWSER else []) for name in SUITES],
)
def test_real_clients_get_the_right_answers(scene: str, suite: str) -> None:
    build()
    run_suite(f"real/{suite}", {"EQUIPOISE_SCENE": scene})
