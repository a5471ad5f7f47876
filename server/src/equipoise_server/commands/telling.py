"""Commands that tell an operator what kept them from their work: a sentence where there is one to say."""

from __future__ import annotations

import errno
import sqlite3

import click
from django.core.exceptions import ImproperlyConfigured
from django.db import Error

from equipoise_server.foundation.database_troubles import way_out

_ABOUT_PLACES = frozenset({errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.ENOTDIR})


class Telling(click.Group):
    """Ends with a sentence on a store, disk or setting that cannot be used; all else keeps its traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (Error, sqlite3.Error) as trouble:
            raise click.ClickException(way_out(trouble) or _unusable(trouble)) from trouble
        except ImproperlyConfigured as trouble:
            raise click.ClickException(str(trouble)) from trouble
        except OSError as trouble:
            if trouble.errno not in _ABOUT_PLACES:
                raise
            raise click.ClickException(f"{trouble}. Look at EQUIPOISE_DATA and at its disk.") from trouble


def _unusable(trouble: BaseException) -> str:
    told = " ".join(str(trouble).split())
    return f"The configuration store cannot be used: {told}. Look at DATABASE_URL and EQUIPOISE_DATA."
