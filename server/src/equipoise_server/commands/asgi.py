"""What the web server of `equipoise-server serve` runs.

Under another (`uvicorn equipoise_server.commands.asgi:app`) connections do not move: events are relayed.
"""

from __future__ import annotations

import os
from typing import cast

from django.core.asgi import get_asgi_application
from starlette.types import ASGIApp

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "equipoise_server.foundation.settings")
_django = get_asgi_application()

from equipoise_server.commands.doors import Doors  # noqa: E402  # rooms can be imported once Django is set up

app = Doors(cast(ASGIApp, _django))  # Django types the same protocol more narrowly
