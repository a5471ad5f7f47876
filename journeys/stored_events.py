"""How many events the store holds after everything that waits was compacted."""

from __future__ import annotations

import json

from django.utils import timezone

from equipoise_server.access.models import Environment
from equipoise_server.events.actions import compact
from equipoise_server.events.reads import data_quality

compact(now=timezone.now())
print(json.dumps(data_quality(Environment.objects.get(key="production").pk).stored))
