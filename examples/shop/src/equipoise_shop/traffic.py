"""Traffic: many visits, either of past days as fast as the server takes them, or live at a given rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event

from equipoise_sdk import Client
from equipoise_shop.visitors import arrivals, visitor
from equipoise_shop.visits import LONGEST_VISIT, Visit

FLUSH_EVERY_VISITS = 500
REPORT_EVERY_DAYS = 7
FLUSH_TIMEOUT_SECONDS = 60.0


class NotDelivered(Exception):
    """The server did not take what the shop sent; the past would have holes."""


@dataclass(frozen=True, slots=True)
class Past:
    """Which past days to fill: `days` times 24 hours that end at `until`."""

    days: int
    visitors_per_day: int
    until: datetime
    seed: int

    @property
    def since(self) -> datetime:
        """When the first of the days begins."""
        return self.until - timedelta(days=self.days)


def backfill(client: Client, past: Past, *, report: Callable[[str], None]) -> None:
    """Let the visitors of past days walk through the shop, with the times they would have had."""
    for day in range(past.days):
        begins = past.since + timedelta(days=day)
        for number, arrived_at in enumerate(arrivals(begins, count=past.visitors_per_day)):
            name = f"{begins:%y%m%d}-{number:05d}"
            # Nobody is still in the shop when the past ends.
            Visit(
                client, visitor(past.seed, name), arrived_at=min(arrived_at, past.until - LONGEST_VISIT)
            ).walk()
            if number % FLUSH_EVERY_VISITS == FLUSH_EVERY_VISITS - 1:
                _deliver(client)
        _deliver(client)
        if (day + 1) % REPORT_EVERY_DAYS == 0 or day + 1 == past.days:
            report(f"{(day + 1) * past.visitors_per_day:,} visitors, {day + 1} of {past.days} days")


def _deliver(client: Client) -> None:
    client.flush(timeout_seconds=FLUSH_TIMEOUT_SECONDS)
    status = client.status
    if status.queued or status.dropped:
        lost = status.queued + status.dropped
        raise NotDelivered(f"{lost:,} events were not delivered: {status.last_error or 'no answer in time'}")


def live(
    client: Client, *, visitors_per_second: float, seed: int, clock: Callable[[], datetime], stop: Event
) -> int:
    """Let visitors walk through until `stop` is set; each visit has just ended. Answers how many came."""
    number, opened = 0, clock()
    while not stop.wait(1 / visitors_per_second):
        name = f"{opened:%y%m%d%H%M%S}-{number:06d}"
        Visit(client, visitor(seed, name), arrived_at=clock() - LONGEST_VISIT).walk()
        number += 1
    return number
