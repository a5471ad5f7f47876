"""What the fixture `connect` is."""

from __future__ import annotations

from collections.abc import Callable

import equipoise_sdk

Connect = Callable[..., equipoise_sdk.Client]
