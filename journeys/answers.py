"""What the server itself answers to many units: in the preview that people see, and replayed at a time."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path

from equipoise_engine import compile_snapshot
from equipoise_server.access.models import Environment
from equipoise_server.snapshots import reads

FLAG_WHEN_UNKNOWN = "nothing"


def main(flag: str, at: str, contexts_file: str) -> None:
    """Answer every unit twice."""
    contexts = json.loads(Path(contexts_file).read_text())
    environment = Environment.objects.get(key="production").pk
    kept = reads.snapshot_at(environment, datetime.fromisoformat(at))
    asked = (reads.preview(environment), compile_snapshot(json.loads(kept.body)))
    preview, replay = (
        [snapshot.evaluate(flag, context, FLAG_WHEN_UNKNOWN).value for context in contexts]
        for snapshot in asked
    )
    print(json.dumps({"preview": preview, "replay": replay}))


if __name__ == "__main__":
    main(*sys.argv[1:])
