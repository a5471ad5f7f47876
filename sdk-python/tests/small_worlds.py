"""Snapshots of the rarer designs: holdouts, clusters, lists of members, overrides."""

from __future__ import annotations

from flag_server import Json, document

from equipoise_engine import Members, content_hash, members_blob

NAMED = [f"member-{number}" for number in range(100)]
LIST = members_blob("listsalt", NAMED)
ADDRESS = Members(LIST).address


def hashed(content: Json) -> Json:
    """The same content with the hash that is true of it."""
    bare = {member: value for member, value in content.items() if member != "hash"}
    return {**bare, "hash": content_hash(bare)}


def held_out(parts_per_million: int = 500_000) -> Json:
    """The button of `document`, covered by a holdout."""
    content = document()
    season = {"season": 3, "salt": "heldsalt", "unit_type": "user", "parts_per_million": parts_per_million}
    content["holdouts"] = {"winter": season}
    content["flags"]["button"]["holdouts"] = [{"holdout": "winter", "baseline": "off"}]
    return hashed(content)


def clustered(iteration: int = 1) -> Json:
    """The button of `document`, randomised by city."""
    content = document()
    content["unit_types"] = ["city", "user"]
    content["layers"]["own"]["unit_type"] = "city"
    content["experiments"]["trial"] |= {"cluster_type": "city", "iteration": iteration}
    return hashed(content)


def listing(revision: int = 1, address: str = ADDRESS, **members: object) -> Json:
    """The button of `document`, on for the units of a list."""
    content = document(revision=revision, **members)
    condition = {"members": {"unit_type": "user", "blob": address, "salt": "listsalt"}}
    content["segments"] = {"friends": condition}
    rule = {"id": "r1", "eligibility": {"segment": "friends"}, "serve": "on"}
    content["flags"]["button"] |= {"experiments": [], "rules": [rule]}
    return hashed(content)


def user(name: object, **units: object) -> Json:
    """A context."""
    return {"units": {"user": name, **units}}
