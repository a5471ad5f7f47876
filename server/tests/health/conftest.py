"""A shop that is connected to a Prometheus of the test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from metrics_server import Metrics, a_metrics_server, connected
from scenes import Shop, a_shop


@pytest.fixture
def metrics(settings: pytest.FixtureRequest) -> Iterator[Metrics]:
    """A Prometheus that may be asked."""
    settings.SOURCE_HOSTS = ("127.0.0.1", "localhost", "metrics.example.com")
    settings.PROMETHEUS_SECONDS = 2.0
    with a_metrics_server() as server:
        yield server


@pytest.fixture
def shop(metrics: Metrics) -> Shop:
    """The shop, connected to it."""
    made = a_shop()
    connected(made, metrics)
    return made
