"""Who knocks: finds the SDK key of a request in memory, before anything else of the request is read."""

from __future__ import annotations

from base64 import b64decode

from starlette.types import Scope

from equipoise_server.access.values import KeyKind, SdkKey, key_prefix
from equipoise_server.edge.answers import Refused
from equipoise_server.edge.state import EdgeState, View

_CHALLENGE = {"www-authenticate": 'Bearer realm="equipoise"'}
_UNKNOWN = "This SDK key is unknown or revoked. Ask an engineer of the project for a new one."
_FOREIGN = "This is a management token. SDKs need an SDK key: it begins with eq_server_ or eq_client_."


def header(scope: Scope, name: bytes) -> str:
    """A request header by its lower-case name; "" when absent, several joined by commas."""
    return ", ".join(value.decode("latin-1") for key, value in scope["headers"] if key == name)


def current_view(state: EdgeState) -> View:
    """The view, or a refusal while there is none yet."""
    if state.view is None:
        raise Refused(
            503,
            "Not ready yet",
            "The configuration has not been loaded yet. Try again in a second.",
            headers={"retry-after": "1"},
        )
    return state.view


def authenticate(scope: Scope, state: EdgeState) -> SdkKey:
    """The working SDK key that the request presents, or a refusal."""
    return authenticate_presented(bearer(scope), state)


def bearer(scope: Scope) -> str:
    """The bearer token of a request (RFC 6750, 2.1); "" when it has none."""
    scheme, _, presented = header(scope, b"authorization").partition(" ")
    return presented.strip() if scheme.lower() == "bearer" else ""


def basic_user(scope: Scope) -> str:
    """The user name of a request (RFC 7617, 2); "" when it has none. The password is not looked at."""
    scheme, _, presented = header(scope, b"authorization").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return b64decode(presented.strip(), validate=True).decode().partition(":")[0]
    except ValueError:
        return ""


def authenticate_presented(presented: str, state: EdgeState) -> SdkKey:
    """The working SDK key with this secret, or a refusal."""
    view = current_view(state)
    if not presented:
        told = "Send an SDK key of the environment: “Authorization: Bearer eq_server_…”."
        raise Refused(401, "An SDK key is needed", told, headers=_CHALLENGE)
    working = view.keys.get(key_prefix(presented))
    if working is None or not working.is_opened_by(presented):
        told = _FOREIGN if presented.startswith("eq_api_") else _UNKNOWN
        raise Refused(401, "The SDK key does not work", told, headers=_CHALLENGE)
    state.used_keys.add(working.key.id)
    return working.key


def require_server_key(key: SdkKey) -> None:
    """Refuse a client key: rules are for servers alone."""
    if key.kind is not KeyKind.SERVER:
        told = (
            "This is a client key, and targeting rules never leave servers. "
            "Use a server key from a backend; client keys may evaluate under /ofrep/v1/ and send events."
        )
        raise Refused(403, "A server key is needed", told)
