"""Compacts without a pause, beside the worker: rounds race, and files are merged soon. Ends when killed."""

from __future__ import annotations

from contextlib import suppress
from itertools import count

from django.db import DatabaseError
from django.utils import timezone

from equipoise_server.events import compaction
from equipoise_server.events.actions import compact
from equipoise_server.events.compaction import LostRace

compaction.MOST_FILES_PER_SIZE = 2  # nearly each round merges
for _ in count():
    with suppress(LostRace, DatabaseError):  # another round was first, as with two workers
        compact(now=timezone.now())
