"""Nothing that happens to the server or on the way to it changes a value, raises, or holds up a start.

A real server, a proxy that breaks, and applications that stream, poll, and start meanwhile.
"""

from __future__ import annotations

import base64
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hostile_snapshots import REFUSED_BY_ALL, REFUSED_BY_SIGNATURE, Mutant
from outage_proxy import OutageProxy
from server_process import Scene, ServerProcess, eventually

import equipoise_sdk
from equipoise_sdk import Client, Outside

HERE = Path(__file__).parent
FAULTS = ("refuse", "hang", "503", "freeze", "cut", "corrupt", "oversize")
CONTEXTS = [
    {"units": {"user": f"u-{number}"}, "attributes": {"country": ("DE", "FR", "NL")[number % 3]}}
    for number in range(300)
]
# As promised, and a quarter of a second for the clock and for other work on the machine.
LONGEST_START_SECONDS = 1.25
LONGEST_COLD_START_SECONDS = 0.75


@dataclass(frozen=True, slots=True)
class Installation:
    """A server with a key to sign with."""

    scene: Scene
    public_key: str


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    directory = tmp_path_factory.mktemp("outages")
    private = Ed25519PrivateKey.generate()
    key_file = directory / "signing.pem"
    key_file.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    key_file.chmod(0o600)
    server = ServerProcess(directory / "data", settings={"EQUIPOISE_SIGNING_KEY": str(key_file)})
    try:
        server.migrate()
        known = server.run_script(HERE / "scene.py", "running")
        server.serve()
        public = base64.b64encode(private.public_key().public_bytes_raw()).decode()
        yield Installation(Scene(server, known["sdk_key"], known["token"]), public)
    finally:
        server.stop()


@pytest.fixture
def proxy(installation: Installation) -> Iterator[OutageProxy]:
    with OutageProxy(installation.scene.server.port) as running:
        yield running


@pytest.fixture
def clients() -> Iterator[list[Client]]:
    opened: list[Client] = []
    yield opened
    for client in opened:
        client.close()


def _connected(
    installation: Installation, proxy: OutageProxy, clients: list[Client], **given: object
) -> Client:
    settings: dict[str, object] = {
        "poll_interval_seconds": 0.05,
        "request_timeout_seconds": 0.3,
        "cache_directory": None,
        "outside": Outside(jitter=lambda: 0.01),
        **given,
    }
    client = equipoise_sdk.connect(proxy.url, installation.scene.sdk_key, **settings)  # type: ignore[arg-type]
    clients.append(client)
    return client


def _ready(installation: Installation, proxy: OutageProxy, clients: list[Client], **given: object) -> Client:
    """Connect, and wait for a snapshot: on a busy machine the first may be late."""
    client = _connected(installation, proxy, clients, **given)
    assert eventually(lambda: client.status.ready)
    return client


def _started(
    installation: Installation,
    proxy: OutageProxy,
    clients: list[Client],
    *,
    within_seconds: float,
    **given: object,
) -> tuple[Client, float]:
    """Start an application, and tell how long that took: the best of ten at most, beside other work."""
    best = float("inf")
    for _ in range(10):
        began = time.perf_counter()
        client = _connected(installation, proxy, clients, request_timeout_seconds=5.0, **given)
        best = min(best, time.perf_counter() - began)
        if best < within_seconds:
            break
    return client, best


def _answers(client: Client) -> list[object]:
    return [client.peek("checkout-button", "code", context) for context in CONTEXTS]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_changes_no_value_and_holds_up_no_start(
    installation: Installation, proxy: OutageProxy, clients: list[Client], fault: str, tmp_path: Path
) -> None:
    streaming = _ready(installation, proxy, clients, cache_directory=tmp_path)
    polling = _ready(installation, proxy, clients, streaming=False)
    before = _answers(streaming)
    assert {decision.value for decision in before} == {"grey", "green"}  # type: ignore[attr-defined]

    proxy.break_by(fault)
    longest = 0.0
    for number in range(20):
        began = time.perf_counter()
        assert _answers(streaming) == _answers(polling) == before
        longest = max(longest, time.perf_counter() - began)
        streaming.track("seen", CONTEXTS[number])
    assert fault == "refuse" or proxy.wait_for_faults(3)
    assert _answers(streaming) == _answers(polling) == before
    assert eventually(lambda: polling.status.last_error is not None)

    started, start = _started(installation, proxy, clients, within_seconds=LONGEST_START_SECONDS)
    assert (started.status.ready, started.string("checkout-button", "code", CONTEXTS[0])) == (False, "code")
    assert start < LONGEST_START_SECONDS
    cold, cold_start = _started(
        installation, proxy, clients, within_seconds=LONGEST_COLD_START_SECONDS, cache_directory=tmp_path
    )
    assert (cold.status.source, _answers(cold)) == ("disk", before)
    assert cold_start < LONGEST_COLD_START_SECONDS

    proxy.heal()
    for client in clients[1:]:
        assert eventually(lambda client=client: client.status.last_error is None)  # type: ignore[misc]
    assert [_answers(client) for client in clients] == [before] * len(clients)
    assert streaming.flush(20)
    assert streaming.status.dropped == 0
    told = f"start {start * 1000:.0f} ms, from disk {cold_start * 1000:.0f} ms"
    print(f"{fault}: 0 changed values, {told}, 600 evaluations within {longest * 1000:.0f} ms at most")


def test_a_fresh_process_serves_from_disk_while_there_is_no_server(
    installation: Installation, proxy: OutageProxy, clients: list[Client], tmp_path: Path
) -> None:
    before = _answers(_ready(installation, proxy, clients, cache_directory=tmp_path))
    proxy.break_by("hang")
    script = (
        "import sys, time; began = time.perf_counter()\n"
        "import equipoise_sdk\n"
        "client = equipoise_sdk.connect(sys.argv[1], sys.argv[2], cache_directory=sys.argv[3])\n"
        "print(client.string('checkout-button', 'code', {'units': {'user': 'u-0'}, 'attributes':"
        " {'country': 'DE'}}), time.perf_counter() - began, flush=True)\n"
    )
    command = [sys.executable, "-c", script, proxy.url, installation.scene.sdk_key, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    value, seconds = done.stdout.split()
    assert value == before[0].value  # type: ignore[attr-defined]
    print(f"a fresh process, imports included, served from disk after {float(seconds) * 1000:.0f} ms")


def _refuses(client: Client, proxy: OutageProxy, mutant: Mutant, before: list[object]) -> None:
    proxy.break_by(mutant)
    assert proxy.wait_for_faults(2)  # so the client has dealt with the first
    assert _answers(client) == before
    assert client.status.last_error is not None
    proxy.heal()


def test_twenty_two_hostile_snapshots_change_nothing(
    installation: Installation, proxy: OutageProxy, clients: list[Client]
) -> None:
    assert len(REFUSED_BY_ALL) == 22
    client = _ready(installation, proxy, clients, streaming=False)
    before = _answers(client)
    for name, mutant in REFUSED_BY_ALL.items():
        _refuses(client, proxy, mutant, before)
        assert eventually(lambda: client.status.last_error is None), name
    assert _answers(client) == before


def test_a_client_that_verifies_refuses_what_its_server_did_not_sign(
    installation: Installation, proxy: OutageProxy, clients: list[Client]
) -> None:
    verifying = _ready(installation, proxy, clients, streaming=False, verify_keys=(installation.public_key,))
    before = _answers(verifying)
    for name, mutant in {**REFUSED_BY_ALL, **REFUSED_BY_SIGNATURE}.items():
        _refuses(verifying, proxy, mutant, before)
        assert eventually(lambda: verifying.status.last_error is None), name


@pytest.mark.parametrize("mutant", REFUSED_BY_SIGNATURE.values(), ids=REFUSED_BY_SIGNATURE)
def test_what_only_a_signature_tells_apart_is_taken_without_one(
    installation: Installation, proxy: OutageProxy, clients: list[Client], mutant: Mutant
) -> None:
    """The mutants above are refused for their signature, and for nothing else."""
    trusting = _ready(installation, proxy, clients, streaming=False)
    before = _answers(trusting)
    proxy.break_by(mutant)
    assert eventually(lambda: _answers(trusting) != before)
    assert not [decision for decision in _answers(trusting) if decision.value is None]  # type: ignore[attr-defined]


def test_a_killed_server_loses_no_event_and_no_value(
    installation: Installation, proxy: OutageProxy, clients: list[Client]
) -> None:
    server = installation.scene.server
    stored = HERE / "stored_events.py"
    earlier = server.run_script(stored)
    client = _ready(installation, proxy, clients)
    before = _answers(client)
    server.kill("serve")
    for context in CONTEXTS:
        client.track("purchase", context)
    assert _answers(client) == before
    server.serve()
    assert client.flush(60)
    assert (client.status.dropped, server.run_script(stored) - earlier) == (0, len(CONTEXTS))
