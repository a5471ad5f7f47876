"""Where a Prometheus is: the parts of its address, what is wrong with one, and which machine may be asked.

A name is looked up once and the machine that was looked at is the one that is asked, so that nobody leads
the server elsewhere between the two.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from equipoise_server.foundation.refusals import Problem

_FORM = "write it like https://prometheus.example.com:9090"
_PORTS = {"http": 80, "https": 443}
LookUp = Callable[[str, int], Sequence[str]]
"""From a host and port to the addresses of machines."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A Prometheus' address in parts; `user` asks for Basic instead of Bearer authentication."""

    scheme: str
    host: str
    port: int
    prefix: str
    user: str = ""

    @property
    def authority(self) -> str:
        """The host as the Host header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


class NotAllowed(Exception):
    """The machine behind a name may not be asked; says why."""


def endpoint_of(location: str) -> Endpoint:
    """The parts of an address that has no problems."""
    parts = urlsplit(location)
    return Endpoint(
        scheme=parts.scheme,
        host=(parts.hostname or "").rstrip("."),
        port=parts.port or _PORTS[parts.scheme],
        prefix=parts.path.rstrip("/"),
        user=unquote(parts.username or ""),
    )


def address_problems(location: str, password_from: str) -> Iterator[Problem]:
    """What is wrong with an address; the host's permission is looked at elsewhere."""
    try:
        parts = urlsplit(location)
        port, host = parts.port, parts.hostname
    except ValueError:
        yield Problem("location", f"This is no address of a Prometheus; {_FORM}.")
        return
    is_plain = location.isascii() and location.isprintable() and " " not in location
    if parts.scheme not in _PORTS or not host or port == 0 or not is_plain:
        yield Problem("location", f"This is no address of a Prometheus; {_FORM}.")
        return
    if parts.password is not None:
        told = "Leave the password out: name in “password_from” the variable or file that holds it."
        yield Problem("location", told)
    if parts.query or parts.fragment:
        yield Problem("location", "Leave out what follows ? or #; the query belongs into a health check.")
    if parts.path.rstrip("/").endswith("/api/v1") or "/api/v1/" in parts.path:
        yield Problem("location", "Leave out /api/v1: it is added.")
    if parts.username and not password_from:
        yield Problem("password_from", f"Say where the password of “{parts.username}” is found.")
    if password_from and parts.scheme == "http" and not _is_here(host):
        told = "A secret does not travel over http; use https, or a Prometheus on this machine."
        yield Problem("password_from", told)


def machine_of(endpoint: Endpoint, look_up: LookUp) -> str:
    """The address to connect to: the first that may be asked. Raises OSError when the name is unknown."""
    found = look_up(endpoint.host, endpoint.port)
    allowed = [one for one in found if _may_be_asked(one)]
    if not allowed:
        told = f"“{endpoint.host}” leads to {', '.join(found) or 'no machine'}, where no Prometheus can be"
        raise NotAllowed(told)
    return allowed[0]


def looked_up(host: str, port: int) -> list[str]:
    """What the system's resolver says, each address once."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _may_be_asked(machine: str) -> bool:
    """Private addresses may, because the operator has listed the host; a cloud's metadata may never."""
    address = ipaddress.ip_address(machine.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return _may_be_asked(str(address.ipv4_mapped))
    return not (address.is_link_local or address.is_multicast or address.is_unspecified)


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
