"""Writes spec/vectors/preview.json: tokens made here by hand, and what each asks for.

Run it in `server/tests`: `python preview_vectors.py`. It shares no code with the product.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path

VECTORS = Path(__file__).parents[2] / "spec" / "vectors" / "preview.json"
KEY = hashlib.sha256(b"a key for vectors").hexdigest()
OTHER_KEY = hashlib.sha256(b"another key").hexdigest()
NOW = 1_790_000_000
DAY = 86_400
WANTED = {"checkout-button": "green"}

Json = dict[str, object]


def base64url(content: bytes) -> str:
    """Without padding."""
    return base64.urlsafe_b64encode(content).decode().replace("=", "")


def written(content: object) -> str:
    """The payload's text; sorted and compact, as canonical JSON is for such content."""
    return base64url(json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())


def signed(text: str, *, key: str = KEY, place: str = "shop/production") -> str:
    """A token over any text."""
    mac = hmac.new(bytes.fromhex(key), f"equipoise-preview:{place}:{text}".encode(), hashlib.sha256)
    return f"p1.{text}.{base64url(mac.digest())}"


def payload(**changes: object) -> Json:
    """A sound payload, except for what is changed."""
    sound: Json = {"environment": "production", "expires": NOW + DAY, "overrides": WANTED, "project": "shop"}
    return {**sound, **changes}


def token(**changes: object) -> str:
    """A well signed token with a changed payload."""
    return signed(written(payload(**changes)))


def many(count: int) -> dict[str, str]:
    """So many overrides."""
    return {f"f{place}": "on" for place in range(count)}


def vector(name: str, given: str, overrides: dict[str, str], **scope: str) -> Json:
    """One vector in the shop's production, unless said otherwise."""
    place = {"project": "shop", "environment": "production", "key": KEY, **scope}
    return {"name": name, "scope": place, "now": NOW, "token": given, "overrides": overrides}


def vectors() -> Iterator[Json]:
    """All of them."""
    yield vector("a sound token", token(), WANTED)
    yield vector("several overrides", token(overrides=many(3)), many(3))
    yield vector("no overrides", token(overrides={}), {})
    yield vector("fifty overrides", token(overrides=many(50)), many(50))
    yield vector("the last second", token(expires=NOW + 1), WANTED)
    yield vector("thirty days ahead", token(expires=NOW + 30 * DAY), WANTED)
    yield vector(
        "keys that sort by code point", token(overrides={"b": "1", "a.b": "2"}), {"b": "1", "a.b": "2"}
    )
    yield vector("expired now", token(expires=NOW), {})
    yield vector("thirty days and a second ahead", token(expires=NOW + 30 * DAY + 1), {})
    yield vector("fifty-one overrides", token(overrides=many(51)), {})
    yield vector("another project", token(project="bank"), {})
    yield vector("another environment", token(environment="staging"), {})
    yield vector("signed for another place", signed(written(payload()), place="shop/staging"), {})
    yield vector("signed with another key", signed(written(payload()), key=OTHER_KEY), {})
    yield vector("the environment has another key now", token(), {}, key=OTHER_KEY)
    yield vector("the environment has no key", token(), {}, key="")
    yield vector("the environment's key is none", token(), {}, key="secret")
    yield from malformed()


def malformed() -> Iterator[Json]:
    """Tokens that are no tokens."""
    whole = token()
    head, text, mac = whole.split(".")
    yield vector("empty", "", {})
    yield vector("another version", whole.replace("p1.", "p2."), {})
    yield vector("no signature", f"{head}.{text}", {})
    yield vector("an empty signature", f"{head}.{text}.", {})
    yield vector("a cut signature", whole[:-1], {})
    yield vector("a padded signature", f"{whole}=", {})
    yield vector("a part too many", f"{whole}.x", {})
    yield vector("another payload under the signature", f"{head}.{written(payload(overrides={}))}.{mac}", {})
    yield vector("a space before it", f" {whole}", {})
    yield vector("a letter that is no ASCII", f"{whole}é", {})
    yield vector("a payload that is no base64url", signed("%%%"), {})
    yield vector("a payload that is no JSON", signed(base64url(b"{")), {})
    yield vector("a payload that is no UTF-8", signed(base64url(b'{"\xff":1}')), {})
    yield vector("a payload that is no object", signed(written([1])), {})
    yield vector("a member too many", token(more=1), {})
    yield vector("a member too few", signed(written({"project": "shop"})), {})
    yield vector("an expiry that is text", token(expires=str(NOW + DAY)), {})
    yield vector("an expiry that is true", token(expires=True), {})
    yield vector("overrides that are a list", token(overrides=["green"]), {})
    yield vector("a variant that is no text", token(overrides={"checkout-button": 1}), {})
    long = {f"flag-{place:02}-{'x' * 56}": "v" * 10 for place in range(40)}
    yield vector("more than 4,096 characters", token(overrides=long), {})


if __name__ == "__main__":
    VECTORS.write_text(json.dumps(list(vectors()), indent=1, ensure_ascii=False) + "\n")
