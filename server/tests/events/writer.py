"""A process that takes events until it is killed: prints each id only after its batch is durable.

Arguments: the inbox directory, and a file of bodies that were sent before and are sent again.
"""

from __future__ import annotations

import json
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from equipoise_server.events.inbox import Batch, Inbox, claim
from equipoise_server.events.validation import judge

SHOP = UUID("00000000-0000-4000-8000-000000000001")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
_printing = threading.Lock()


def send(inbox: Inbox, events: list[dict[str, object]]) -> None:
    """Post one batch and say so when it is durable."""
    judged = judge(json.dumps({"sent_at": NOON.isoformat(), "events": events}).encode())
    batch = Batch(SHOP, NOON, NOON, False, judged.good, judged.good_count, judged.refused)
    inbox.submit(batch).result()
    with _printing:
        sys.stdout.write(json.dumps(events) + "\n")
        sys.stdout.flush()


def send_for_ever(inbox: Inbox, name: str) -> None:
    """Post batches of five until the end."""
    while True:
        send(inbox, [an_event(name) for _ in range(5)])


def an_event(name: str) -> dict[str, object]:
    """One event with a fresh id."""
    return {
        "kind": "track", "id": str(uuid4()), "at": NOON.isoformat(), "name": name, "units": {"user": "u1"}
    }  # fmt: skip


def main() -> None:
    """Take over the inbox, send again what the file says, then send for ever from four threads."""
    inbox = claim(Path(sys.argv[1]), new_name=lambda: uuid4().hex)
    inbox.start()
    for line in Path(sys.argv[2]).read_text().splitlines():
        send(inbox, json.loads(line))
    threads = [threading.Thread(target=send_for_ever, args=(inbox, f"t{n}")) for n in range(4)]
    for thread in threads:
        thread.start()


if __name__ == "__main__":
    main()
