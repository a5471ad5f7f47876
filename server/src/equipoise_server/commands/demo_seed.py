"""Makes Django ready and tells the demo's story once: `python -m equipoise_server.commands.demo_seed`."""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path

import django


def main() -> None:
    """Fill the database and the event store of EQUIPOISE_DATA; a server must be running on them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    parser.add_argument("--state", required=True, type=Path)
    given = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "equipoise_server.foundation.settings")
    django.setup()
    from equipoise_server.commands.demo_story import tell  # noqa: PLC0415  # models need Django set up

    tell(given.server, given.state, now=datetime.now(UTC))


if __name__ == "__main__":
    main()
