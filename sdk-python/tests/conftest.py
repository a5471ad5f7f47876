"""A real server on this machine whose faults can be chosen, and clients of it that end with the test."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from connecting import Connect
from flag_server import FlagServer

import equipoise_sdk


@pytest.fixture
def server() -> Iterator[FlagServer]:
    with FlagServer() as running:
        yield running


@pytest.fixture
def connect(server: FlagServer) -> Iterator[Connect]:
    """Connect quickly and keep nothing on disk, unless told otherwise."""
    clients = []

    def opened(**settings: Any) -> equipoise_sdk.Client:
        quick: dict[str, Any] = {
            "server_url": server.url,
            "key": "eq_test",
            "poll_interval_seconds": 0.02,
            "request_timeout_seconds": 0.3,
            "cache_directory": None,
            "streaming": False,
            "outside": equipoise_sdk.Outside(jitter=lambda: 0.01),
        }
        client = equipoise_sdk.connect(**{**quick, **settings})
        clients.append(client)
        return client

    yield opened
    for client in clients:
        client.close()


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="equipoise")
