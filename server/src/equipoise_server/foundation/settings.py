"""Django's settings, read from the environment once; docs/reference/settings.md lists every variable."""

from __future__ import annotations

import math
import os
import secrets
from pathlib import Path

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from equipoise_server.foundation.private_files import kept_text


def _number(name: str, default: str, kind: type[float]) -> float:
    """A number above 0 from the environment; `int` is a kind of number, too."""
    given = os.environ.get(name, "") or default
    try:
        number = kind(given)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        sort = "whole number" if kind is int else "number"
        raise ImproperlyConfigured(f"{name} is a {sort} above 0, such as {default}; “{given}” is none.")
    return number


DATA_DIRECTORY = Path(os.environ.get("EQUIPOISE_DATA", "data")).resolve()
DEBUG = os.environ.get("EQUIPOISE_DEBUG", "") == "1"
# Whether server keys may send events of the past, whose `at` is then taken as given.
ALLOW_BACKFILL = os.environ.get("EQUIPOISE_ALLOW_BACKFILL", "") == "1"

# How many streams one process holds; fewer when it may not open so many files.
MAX_STREAMS = int(_number("EQUIPOISE_MAX_STREAMS", "10000", int))

# Whether the loop that answers for flags goes before all else, where the system allows it.
FLAGS_FIRST = os.environ.get("EQUIPOISE_FLAGS_FIRST", "") != "0"

# Where metric sources may read: one directory, the hosts that are listed, and no longer or more than this.
SOURCES_DIRECTORY = Path(os.environ.get("EQUIPOISE_SOURCES", "") or DATA_DIRECTORY / "sources").resolve()
SOURCE_HOSTS = tuple(one for one in os.environ.get("EQUIPOISE_SOURCE_HOSTS", "").split(",") if one)
SOURCE_SECRETS = os.environ.get("EQUIPOISE_SOURCE_SECRETS", "/run/secrets")
SOURCE_SECONDS = _number("EQUIPOISE_SOURCE_SECONDS", "60", float)
SOURCE_ROWS = int(_number("EQUIPOISE_SOURCE_ROWS", "5000000", int))
SOURCE_BYTES = int(_number("EQUIPOISE_SOURCE_BYTES", "2000000000", int))
SOURCE_MINUTES = _number("EQUIPOISE_SOURCE_MINUTES", "60", float)
# How long one query of a health check may take.
PROMETHEUS_SECONDS = _number("EQUIPOISE_PROMETHEUS_SECONDS", "5", float)

# The private key that signs snapshots; None signs nothing.
_signing_key = os.environ.get("EQUIPOISE_SIGNING_KEY", "")
SIGNING_KEY = Path(_signing_key) if _signing_key else None

# The stream that several machines share as their inbox; "" keeps events in files here.
NATS_URL = os.environ.get("EQUIPOISE_NATS_URL", "")
NATS_STREAM = os.environ.get("EQUIPOISE_NATS_STREAM", "EQUIPOISE")
NATS_REPLICAS = int(_number("EQUIPOISE_NATS_REPLICAS", "1", int))
NATS_CREDENTIALS = os.environ.get("EQUIPOISE_NATS_CREDENTIALS", "")
# Whether the operator says that the server syncs before it answers (sync_interval: always).
NATS_SYNCS = os.environ.get("EQUIPOISE_NATS_SYNC", "") == "always"


def _secret_key() -> str:
    """The signing key: from the environment, or made once and kept beside the data."""
    from_environment = os.environ.get("EQUIPOISE_SECRET_KEY", "")
    if from_environment:
        return from_environment
    return kept_text(DATA_DIRECTORY / "secret.key", lambda: secrets.token_urlsafe(50))


def _database() -> dict[str, object]:
    url = os.environ.get("DATABASE_URL", "") or f"sqlite:///{DATA_DIRECTORY / 'equipoise.sqlite3'}"
    # Each request has its own thread under ASGI, so a connection kept open could never be used again.
    try:
        parsed = dj_database_url.parse(url, conn_max_age=0)
    except ValueError as cause:  # not quoted: a password may be in it
        told = "DATABASE_URL is not understood; write it like postgresql://user:password@host/equipoise."
        raise ImproperlyConfigured(told) from cause
    if parsed["ENGINE"] == "django.db.backends.sqlite3":
        parsed["OPTIONS"] = {
            # A write transaction takes its lock at once, so two writers wait instead of failing midway.
            "transaction_mode": "IMMEDIATE",
            "timeout": 5,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
        }
    else:
        # A server that is gone without a word is noticed within seconds, not hours.
        patience = {
            "connect_timeout": 2,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
        }
        parsed["OPTIONS"] = {**patience, **parsed.get("OPTIONS", {})}
    return dict(parsed)


SECRET_KEY = _secret_key()
ALLOWED_HOSTS = os.environ.get("EQUIPOISE_HOSTS", "localhost,127.0.0.1,[::1],testserver").split(",")
CSRF_TRUSTED_ORIGINS = [o for o in os.environ.get("EQUIPOISE_ORIGINS", "").split(",") if o]
DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django_htmx",
    "equipoise_server.foundation",
    "equipoise_server.audit",
    "equipoise_server.access",
    "equipoise_server.events",
    "equipoise_server.sources",
    "equipoise_server.metrics",
    "equipoise_server.flags",
    "equipoise_server.health",
    "equipoise_server.experiments",
    "equipoise_server.snapshots",
    "equipoise_server.analysis",
    "equipoise_server.automation",
    "equipoise_server.dashboard",
]
MIDDLEWARE = [
    "equipoise_server.foundation.deadlines.KillDeadline",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "equipoise_server.dashboard.guards.SignedInMiddleware",
]
ROOT_URLCONF = "equipoise_server.commands.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {"environment": "equipoise_server.dashboard.jinja.environment"},
    }
]

AUTH_USER_MODEL = "access.User"
AUTHENTICATION_BACKENDS = ["equipoise_server.access.passwords.PasswordBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 24 * 60 * 60
CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = os.environ.get("EQUIPOISE_HTTPS", "") == "1"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
LOGIN_URL = "/sign-in"
CSRF_FAILURE_VIEW = "equipoise_server.dashboard.views.sessions.without_token"

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = False
STATIC_URL = "/static/"
DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024 * 1024
APPEND_SLASH = False

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": os.environ.get("EQUIPOISE_LOG_LEVEL", "WARNING")},
}
