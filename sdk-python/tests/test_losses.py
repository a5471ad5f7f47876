"""What an SDK drops is told to the server, once per batch that arrived, however often it was sent."""

from __future__ import annotations

from collections import Counter

from connecting import Connect
from flag_server import FlagServer, Handler
from hypothesis import given
from hypothesis import strategies as st

from equipoise_sdk import Drop
from equipoise_sdk.outbox import Outbox

USER = {"units": {"user": "u1"}}


def test_what_was_dropped_comes_with_the_next_batch_and_once(server: FlagServer, connect: Connect) -> None:
    client = connect(poll_interval_seconds=60)
    client.track("", USER)
    for _ in range(2):
        client.track("x", USER)
        assert client.flush(5)
    first, second = server.batches
    assert first["dropped"] == {"invalid": 1}
    assert "dropped" not in second
    assert "batch" not in second


def test_a_batch_that_is_sent_again_tells_the_same_under_the_same_id(
    server: FlagServer, connect: Connect
) -> None:
    client = connect(poll_interval_seconds=60)
    client.track("", USER)
    server.fault = lambda handler: handler.answer(503)
    client.track("x", USER)
    server.wait_for(2, "POST")
    client.track("", USER)
    server.fault = None
    assert client.flush(5)
    client.track("x", USER)
    assert client.flush(5)
    told = {batch["batch"]: batch["dropped"] for batch in server.batches if "dropped" in batch}
    assert list(told.values()) == [{"invalid": 1}, {"invalid": 1}]


def test_a_refused_batch_is_told_with_the_next(server: FlagServer, connect: Connect) -> None:
    client = connect(poll_interval_seconds=60)
    server.fault = lambda handler: handler.answer(400)
    client.track("x", USER)
    assert client.flush(5)
    server.fault = None
    client.track("x", USER)
    assert client.flush(5)
    assert server.batches[-1]["dropped"] == {"refused": 1}


def test_what_was_lost_last_is_told_at_the_end(server: FlagServer, connect: Connect) -> None:
    client = connect(poll_interval_seconds=60)
    client.track("", USER)
    client.close()
    (last,) = server.batches
    assert (last["events"], last["dropped"]) == ([], {"invalid": 1})


def test_a_server_that_fails_at_the_end_delays_nothing(server: FlagServer, connect: Connect) -> None:
    client = connect(poll_interval_seconds=60)
    server.fault = Handler.cut
    client.track("", USER)
    client.close()
    assert client.status.drops == {Drop.INVALID: 1}


@given(st.lists(st.sampled_from([*Drop, "ask", "arrive"]), max_size=40))
def test_whatever_happens_each_loss_arrives_once(steps: list[object]) -> None:
    outbox = Outbox(1)
    ids = iter(map(str, range(100)))
    arrived: dict[str, Counter[str]] = {}
    for step in [*steps, "ask", "arrive", "ask", "arrive"]:
        if isinstance(step, Drop):
            outbox.drop(step)
        elif (losses := outbox.losses(lambda: next(ids))) is not None:
            arrived[losses.batch] = Counter(losses.counts)
            if step == "arrive":
                outbox.note_told()
    assert sum(arrived.values(), Counter()) == Counter(outbox.drops)
