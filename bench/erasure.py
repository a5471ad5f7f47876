"""Erases units of a large store and looks for what is left of them.

    python bench/erasure.py [--units 1000000] [--erase 100]

Makes a store of one exposure and one or two further events for each unit, through inbox and compaction; a
rollup state; an override; refused events. Then it erases some units, with the clock moved on instead of
waiting for readers, and searches every byte of every file, columns unpacked. Everything lies in a directory
of its own, which is deleted at the end.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid5

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)
_IDS = UUID("3f0c2b54-7c1e-4a0e-9a52-0f6f2f1f9d11")
_GONE = re.compile(rb"forget-me-\d{6}")


def main() -> int:
    """Run it; 1 when something of an erased unit is left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--units", type=int, default=1_000_000)
    parser.add_argument("--erase", type=int, default=100)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="equipoise-erasure-") as directory:
        _set_up(Path(directory))
        return run(Path(directory), asked.units, asked.erase)


def _set_up(directory: Path) -> None:
    os.environ |= {
        "EQUIPOISE_DATA": str(directory),
        "DJANGO_SETTINGS_MODULE": "equipoise_server.foundation.settings",
    }
    os.environ.pop("DATABASE_URL", None)
    sys.path.append(str(Path(__file__).parents[1] / "server" / "tests"))
    import django  # noqa: PLC0415  # settings come from the environment above
    from django.core.management import call_command  # noqa: PLC0415  # as above

    django.setup()
    call_command("migrate", verbosity=0)


def run(directory: Path, units: int, erased: int) -> int:
    """Fill, erase, search."""
    from scenes import a_button_flag, a_design, a_running_experiment, a_shop, updated  # noqa: PLC0415

    from equipoise_server.analysis.actions import refresh  # noqa: PLC0415
    from equipoise_server.events import actions  # noqa: PLC0415
    from equipoise_server.flags.actions import update_flag_settings  # noqa: PLC0415
    from equipoise_server.flags.values import Override  # noqa: PLC0415

    shop = a_shop()
    flag = a_button_flag(shop)
    named = Override("green", "user", tuple(f"forget-me-{number:06}" for number in range(10)))
    update_flag_settings(shop.owner, replace(updated(flag, "production"), overrides=(named,)), now=START)
    iteration = a_running_experiment(shop, design=a_design(looks=None)).iteration
    assert iteration is not None
    with timed(f"store {units:,} units"):
        actions.record(iteration.environment_id, events_of(units, erased), now=START + 3 * DAY)
        actions.compact(now=START + 3 * DAY)
    _send_refused(iteration.environment_id)
    with timed("first refresh"):
        before = refresh(iteration.id, START + 3 * DAY)
    for name in ("events", "rollups"):
        print(f"  {name} on disk: {size_of(directory / name):,.0f} MB")
    print(f"  places that name one of {erased} units: {len(list(places(directory)))}")
    now = erase(shop, erased)
    with timed("refresh after the erasure"):
        after = refresh(iteration.id, now)
    print("  exposed before and after:", [[a.exposed for a in one.arms] for one in (before, after)])
    left = list(places(directory))
    print(f"  places that still name one: {len(left)} {left}")
    print(f"  most memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")
    return 1 if left else 0


def erase(shop: object, erased: int) -> datetime:
    """Ask for it and do the worker's rounds; when it was done by the moved clock."""
    from equipoise_server.events import actions  # noqa: PLC0415
    from equipoise_server.events.erasing import work_off  # noqa: PLC0415
    from equipoise_server.events.models import Erasure  # noqa: PLC0415

    now = START + 4 * DAY
    gone = tuple(f"forget-me-{number:06}" for number in range(erased))
    actions.ask_erasure(shop.owner, actions.EraseUnits(shop.project.id, "user", gone), now=now)  # type: ignore[attr-defined]  # a scene's shop
    steps: list[tuple[str, float]] = []
    began = time.monotonic()
    with timed("erase, without waiting for readers"):
        while work_off(now=now, passed=lambda step: steps.append((str(step), time.monotonic()))):
            now += timedelta(minutes=5)
    for (step, at), start in zip(steps, [began, *(at for _, at in steps)], strict=False):
        print(f"    {step}: {at - start:.2f} s")
    minutes = (now - START - 4 * DAY) / timedelta(minutes=1)
    print(f"  done {minutes:.0f} minutes after it was asked, by the moved clock")
    print(f"  taken out: {Erasure.objects.get().removed}")
    return now


def events_of(units: int, erased: int) -> Iterator[object]:
    """An exposure for each unit, a page for each, a purchase for a third."""
    from equipoise_server.events.values import Exposure, Track  # noqa: PLC0415

    every = units // erased
    for number in range(units):
        which, place = divmod(number, every)
        is_gone = place == which % 2 and which < erased  # of both arms
        unit = f"forget-me-{which:06}" if is_gone else f"u{number}"
        at = START + number * (2 * DAY / units)
        yield Exposure(
            id=uuid5(_IDS, f"e{number}"), at=at, experiment="checkout-button", iteration=1,
            flag="checkout-button", variant=("control", "treatment")[number % 2], unit_type="user", unit=unit,
        )  # fmt: skip
        yield Track(id=uuid5(_IDS, f"p{number}"), at=at, name="page", units={"user": unit}, value=1.0)
        if number % 3 == 0:
            yield Track(id=uuid5(_IDS, f"b{number}"), at=at + DAY / 24, name="purchase", units={"user": unit})


def _send_refused(environment_id: UUID) -> None:
    from wire import a_body, a_track  # noqa: PLC0415

    from equipoise_server.events import actions  # noqa: PLC0415

    inbox = actions.open_inbox()
    bad = [{**a_track(f"forget-me-{number:06}"), "value": "much"} for number in range(20)]
    at = START + 3 * DAY
    actions.accept(inbox, environment_id, a_body(*bad, sent_at=at), received_at=at)[1].result(10)
    inbox.close()


def places(directory: Path) -> Iterator[str]:
    """Where an erased unit is named: any file's bytes, and the columns of Parquet and DuckDB, unpacked."""
    import duckdb  # noqa: PLC0415

    for path in sorted(directory.rglob("*")):
        if path.is_file() and _GONE.search(path.read_bytes()):
            yield str(path.relative_to(directory))
        if path.suffix == ".parquet":
            read = "SELECT COUNT(*) FROM read_parquet(?) AS one WHERE CONTAINS(one::VARCHAR, 'forget-me-')"
            if duckdb.connect().execute(read, [str(path)]).fetchall()[0][0]:
                yield f"{path.relative_to(directory)}, unpacked"
        if path.suffix == ".duckdb":
            with duckdb.connect(str(path), read_only=True) as database:
                for (name,) in database.execute("SELECT table_name FROM duckdb_tables()").fetchall():
                    query = (
                        f"SELECT COUNT(*) FROM \"{name}\" AS one WHERE CONTAINS(one::VARCHAR, 'forget-me-')"
                    )
                    if database.execute(query).fetchall()[0][0]:
                        yield f"{path.relative_to(directory)}: {name}"


def size_of(directory: Path) -> float:
    """Megabytes."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file()) / 1e6


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print how long it took: by the clock, and of the processor."""
    wall, cpu = time.monotonic(), time.process_time()
    yield
    print(f"  {what}: {time.monotonic() - wall:.1f} s ({time.process_time() - cpu:.1f} CPU s)", flush=True)


if __name__ == "__main__":
    sys.exit(main())
