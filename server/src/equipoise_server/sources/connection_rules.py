"""Which connections there may be, and where their passwords are found. Reads a password only to connect."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qsl, unquote, urlsplit

from django.conf import settings

from equipoise_server.foundation.refusals import Problem
from equipoise_server.sources.prometheus_addresses import address_problems, endpoint_of
from equipoise_server.sources.values import Connection, ConnectionKind, unusable

ENVIRONMENT_PREFIX = "EQUIPOISE_SOURCE_"
LONGEST_LOCATION = 500
_SSL_MODES = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}
_DSN_FORM = "write it like postgresql://reader@warehouse:5432/shop"


def connection_problems(kind: ConnectionKind, location: str, password_from: str) -> list[Problem]:
    """Everything that is wrong with where a connection leads."""
    if not location.strip() or len(location) > LONGEST_LOCATION:
        told = f"Say where the data lie, in at most {LONGEST_LOCATION} characters."
        return [Problem("location", told)]
    if kind is ConnectionKind.FILES:
        return [*_file_problems(location), *_no_password(password_from)]
    if kind is ConnectionKind.PROMETHEUS:
        return [*_prometheus_problems(location, password_from), *_password_problems(password_from)]
    return [*_dsn_problems(location), *_password_problems(password_from)]


def directory_of(location: str) -> Path:
    """The directory or file of a connection, below the directory that the operator allows."""
    return Path(settings.SOURCES_DIRECTORY) / location


def dsn_parts(location: str) -> Mapping[str, str]:
    """What a PostgreSQL address says, as libpq's keywords; no password."""
    parts = urlsplit(location)
    said = dict(parse_qsl(parts.query))
    found = {
        "host": said.get("host") or parts.hostname or "",
        "port": str(parts.port or 5432),
        "user": unquote(parts.username or ""),
        "dbname": unquote(parts.path.removeprefix("/")),
        "sslmode": said.get("sslmode", "prefer"),
    }
    return {name: value for name, value in found.items() if value}


def password_of(connection: Connection) -> str | None:
    """The password, read now; None when the connection names none."""
    kind, _, name = connection.password_from.partition(":")
    if not name:
        return None
    if kind == "env":
        password = os.environ.get(name)
        told = f"the variable {name} of its password is not set where the server runs; set it."
    else:
        password = _first_line_of(Path(settings.SOURCE_SECRETS) / name)
        told = f"the file {name} of its password cannot be read; put it among the server's secrets."
    if not password:
        raise unusable(connection.key, "password_from", told)
    return password


def _first_line_of(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        return None


def _file_problems(location: str) -> Iterator[Problem]:
    if not _is_below(location):
        told = "Name a directory or a .duckdb file below the directory of sources, without “..”."
        yield Problem("location", told)
        return
    root = Path(settings.SOURCES_DIRECTORY).resolve()
    path = (root / location).resolve()
    if not path.is_relative_to(root):
        yield Problem(
            "location", f"“{location}” leads out of the directory of sources; put the files into it."
        )
    elif not path.exists():
        told = f"There is no “{location}” in the directory of sources (EQUIPOISE_SOURCES) on the server."
        yield Problem("location", told)
    elif not path.is_dir() and path.suffix != ".duckdb":
        yield Problem("location", f"“{location}” is neither a directory nor a .duckdb file.")


def _is_below(location: str) -> bool:
    path = PurePosixPath(location)
    is_plain = all(character.isprintable() and character not in "\\*?[]'\"" for character in location)
    return is_plain and not path.is_absolute() and ".." not in path.parts


def _no_password(password_from: str) -> Iterator[Problem]:
    if password_from:
        yield Problem("password_from", "Files have no password; leave it out.")


def _dsn_problems(location: str) -> Iterator[Problem]:
    try:
        parts = urlsplit(location)
        port, said = parts.port, parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        yield Problem("location", f"This is no address of a PostgreSQL; {_DSN_FORM}.")
        return
    if parts.scheme not in {"postgresql", "postgres"} or port == 0:
        yield Problem("location", f"This is no address of a PostgreSQL; {_DSN_FORM}.")
        return
    if parts.password is not None or "password" in dict(said):
        told = "Leave the password out: name in “password_from” the variable or file that holds it."
        yield Problem("location", told)
    if not parts.username or not parts.path.removeprefix("/"):
        yield Problem("location", f"Name the read-only role and the database; {_DSN_FORM}.")
    for name, value in said:
        if name not in {"sslmode", "host", "password"}:
            yield Problem("location", f"“{name}” may not be set here; only sslmode and host may.")
        elif name == "sslmode" and value not in _SSL_MODES:
            yield Problem("location", f"sslmode is one of {', '.join(sorted(_SSL_MODES))}.")
    yield from _host_problems(dsn_parts(location))


def _prometheus_problems(location: str, password_from: str) -> Iterator[Problem]:
    problems = [*address_problems(location, password_from)]
    yield from problems
    if all(problem.field != "location" for problem in problems):
        endpoint = endpoint_of(location)
        yield from _host_problems({"host": endpoint.host, "port": str(endpoint.port)})


def _host_problems(parts: Mapping[str, str]) -> Iterator[Problem]:
    """The operator says which hosts may be reached, so that nobody explores the network from here."""
    host, port = parts.get("host", ""), parts["port"]
    if not {host, f"{host}:{port}"} & set(settings.SOURCE_HOSTS):
        allowed = ", ".join(settings.SOURCE_HOSTS) or "none yet"
        told = (
            f"The host “{host}” may not be reached. The operator allows hosts in EQUIPOISE_SOURCE_HOSTS:"
            f" {allowed}."
        )
        yield Problem("location", told)


def _password_problems(password_from: str) -> Iterator[Problem]:
    if not password_from:
        return
    kind, _, name = password_from.partition(":")
    if kind == "env" and name.startswith(ENVIRONMENT_PREFIX) and name.replace("_", "").isalnum():
        return
    if kind == "file" and name == Path(name).name and name not in {"", ".", ".."}:
        return
    told = (
        f"Write env:{ENVIRONMENT_PREFIX}… for a variable, or file:NAME for one of the server's secrets; "
        "never the password itself."
    )
    yield Problem("password_from", told)
