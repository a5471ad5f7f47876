"""One unit, one answer: SDK, preview and replay agree, also after restarts and without a server."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from server_process import Scene, ServerProcess

import equipoise_sdk

UNITS = 100_000
COUNTRIES = ("DE", "FR", "NL")
FLAG, CODE_DEFAULT = "checkout-button", "nothing"
CONTEXTS: list[dict[str, dict[str, str]]] = [
    {"units": {"user": f"unit-{number}"}, "attributes": {"country": COUNTRIES[number % 3]}}
    for number in range(UNITS)
]


def _asked_by_sdk(scene: Scene, cache: Path | None) -> tuple[list[object], bool]:
    """What a client that has just started answers, and whether its snapshot is an old one from disk."""
    client = equipoise_sdk.connect(scene.server.url, scene.sdk_key, cache_directory=cache)
    try:
        answers = [client.peek(FLAG, CODE_DEFAULT, context).value for context in CONTEXTS]
        return answers, client.status.source == "disk"
    finally:
        client.close()


def _asked_on_server(server: ServerProcess, at: datetime, contexts: Path) -> dict[str, list[object]]:
    answers: dict[str, list[object]] = server.run_script(
        Path(__file__).with_name("answers.py"), FLAG, at.isoformat(), str(contexts)
    )
    return answers


def test_a_hundred_thousand_units_get_the_same_variant_everywhere(
    set_scene: Callable[[str], Scene], tmp_path: Path
) -> None:
    scene = set_scene("running")
    contexts, cache = tmp_path / "contexts.json", tmp_path / "cache"
    contexts.write_text(json.dumps(CONTEXTS))
    first, is_from_disk = _asked_by_sdk(scene, cache)
    launched = datetime.now(UTC)

    assert not is_from_disk
    counts = Counter(first)
    # Two of three countries, three quarters of them, halved; all others get the default.
    assert set(counts) == {"grey", "green"}
    assert abs(counts["green"] / UNITS - 2 / 3 * 3 / 4 / 2) < 0.01
    assert _asked_on_server(scene.server, launched, contexts) == {"preview": first, "replay": first}

    scene.server.kill("serve")
    assert _asked_by_sdk(scene, cache) == (first, True)
    scene.server.serve()
    assert _asked_by_sdk(scene, None) == (first, False)
    assert _asked_on_server(scene.server, launched, contexts) == {"preview": first, "replay": first}
