"""The shop's command line: `equipoise-shop backfill` and `equipoise-shop live`."""

from __future__ import annotations

import argparse
import signal
import sys
from datetime import UTC, datetime
from threading import Event

import equipoise_sdk
from equipoise_shop.traffic import NotDelivered, Past, backfill, live
from equipoise_shop.visitors import ATTRIBUTES

BACKFILL = {"Equipoise-Backfill": "1"}
DEFAULT_SEED = 2024


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the answer is the process's exit code."""
    given = _parser().parse_args(arguments)
    if given.command == "backfill":
        return _backfill(given)
    return _live(given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="equipoise-shop", description="A simulated shop that uses Equipoise."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    past = commands.add_parser(
        "backfill", help="send the visits of past days, as fast as the server takes them"
    )
    past.add_argument("--days", type=int, default=14)
    past.add_argument("--visitors-per-day", type=int, default=1000)
    past.add_argument("--until", type=_instant, default=None, help="RFC 3339; now when left out")
    now = commands.add_parser("live", help="send visits that happen now, until stopped")
    now.add_argument("--rate", type=float, default=5.0, help="visitors a second")
    for command in (past, now):
        command.add_argument(
            "--server", required=True, help="where Equipoise is, for example http://127.0.0.1:8000"
        )
        command.add_argument("--key", required=True, help="a server key of the environment")
        command.add_argument("--seed", type=int, default=DEFAULT_SEED)
    return parser


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise argparse.ArgumentTypeError(f"“{text}” has no time zone; add Z or an offset")
    return instant.astimezone(UTC)


def _backfill(given: argparse.Namespace) -> int:
    until = given.until or datetime.now(UTC)
    past = Past(given.days, given.visitors_per_day, until, given.seed)
    client = equipoise_sdk.connect(given.server, given.key, headers=BACKFILL, exposure_attributes=ATTRIBUTES)
    try:
        backfill(client, past, report=_say)
    except NotDelivered as undelivered:
        sys.stderr.write(f"{undelivered}\n")
        return 1
    finally:
        client.close()
    return 0


def _live(given: argparse.Namespace) -> int:
    stop = Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    client = equipoise_sdk.connect(given.server, given.key, exposure_attributes=ATTRIBUTES)
    try:
        live(client, visitors_per_second=given.rate, seed=given.seed, clock=_now, stop=stop)
    finally:
        client.close()
    return 0


def _now() -> datetime:
    return datetime.now(UTC)


def _say(line: str) -> None:
    sys.stdout.write(f"    {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
