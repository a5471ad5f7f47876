"""Headers of the application's own travel with every request and never replace the client's."""

from __future__ import annotations

import pytest
from connecting import Connect
from flag_server import FlagServer

import equipoise_sdk


def test_every_request_carries_the_applications_headers(server: FlagServer, connect: Connect) -> None:
    client = connect(headers={"Proxy-Hint": "blue", "Authorization": "somebody else"})
    client.track("purchase", {"units": {"user": "u1"}})
    assert client.flush(timeout_seconds=10)
    sent = {method: headers for method, _, headers, _ in server.requests}
    assert {headers["Proxy-Hint"] for headers in sent.values()} == {"blue"}
    assert set(sent) == {"GET", "POST"}
    assert {headers["Authorization"] for headers in sent.values()} == {"Bearer eq_test"}


def test_headers_that_are_no_texts_are_refused_with_the_other_faults() -> None:
    with pytest.raises(ValueError, match=r"server_url.*headers must be texts by name"):
        equipoise_sdk.connect("nowhere", "key", headers={"Retries": 3})  # type: ignore[dict-item]  # the fault
