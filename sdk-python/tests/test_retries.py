"""How long a client waits before it tries again: longer and longer, and as long as the server asks."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from flag_server import FlagServer

from equipoise_sdk import Outside
from equipoise_sdk.retries import BackOff
from equipoise_sdk.settings import Settings
from equipoise_sdk.transport import HttpTransport

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_back_off_doubles_to_a_minute_and_honours_the_server() -> None:
    back_off = BackOff(lambda: 1.0)
    waits = [back_off.failed(None) for _ in range(8)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert back_off.failed(7.0) == 67
    back_off.succeeded()
    assert back_off.failed(None) == 1


@pytest.mark.parametrize(
    ("header", "patience"),
    [
        ("3", 3),
        ("Sun, 01 Mar 2026 12:00:05 GMT", 5),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("soon", None),
        ("9" * 30, 600),
    ],
)
def test_retry_after_is_read_as_seconds_or_date(
    server: FlagServer, header: str, patience: float | None
) -> None:
    outside = Outside(now=lambda: NOON)
    transport = HttpTransport(Settings(server.url, "k", 1, 1, 1, None, (), 1, outside))
    server.fault = lambda handler: handler.answer(503, Retry_After=header)
    assert transport.snapshot(None).retry_after_seconds == patience
    transport.close()
