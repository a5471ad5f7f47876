"""What an evaluation looks like over OFREP 0.3 (open-feature/protocol, service/openapi.yaml). Pure.

Stricter than that schema, because clients are: the reason is always a standard one, the variant always text,
errors always have details, and metadata is flat.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from equipoise_engine import Decision, Enrolment, ErrorCode
from equipoise_server.edge.state import Servable
from equipoise_server.foundation.exposure_tokens import Claim
from equipoise_server.foundation.preview_tokens import overrides_of

TARGETING_KEY = "targetingKey"
PREVIEW = "equipoisePreview"
_ERROR_CODES = frozenset({ErrorCode.FLAG_NOT_FOUND, ErrorCode.PARSE_ERROR, ErrorCode.INVALID_CONTEXT})
Json = dict[str, object]


class BadRequest(Exception):
    """A body that is no request: its OFREP error code and why."""

    def __init__(self, code: ErrorCode, details: str) -> None:
        super().__init__(details)
        self.code, self.details = code, details


def context_of(body: bytes, found: Servable, *, preview: str, now: float) -> Json:
    """The context of a request, as the engine wants it. `now` is in epoch seconds.

    The targeting key is the unit of the project's default type; a member named as another unit type is
    that unit. Everything but the targeting key and the preview's token is an attribute too. Overrides come
    from such a token alone; one that is void asks for nothing.
    """
    given = _given_context(body)
    targeting_key = given.pop(TARGETING_KEY, None)
    token = preview or given.pop(PREVIEW, "")
    given.pop(PREVIEW, None)
    if targeting_key is not None and not isinstance(targeting_key, str):
        raise BadRequest(ErrorCode.INVALID_CONTEXT, "The targetingKey must be text.")
    units = {name: given[name] for name in found.unit_types if name in given}
    if targeting_key is not None:
        units[found.engine.default_unit_type] = targeting_key
    context: Json = {"units": units, "attributes": given}
    overrides = overrides_of(token, found.preview_scope, now=now) if isinstance(token, str) else {}
    return context | {"overrides": overrides} if overrides else context


def _given_context(body: bytes) -> Json:
    try:
        request = json.loads(body or b"{}", parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as cause:
        raise BadRequest(ErrorCode.PARSE_ERROR, "The body is not JSON.") from cause
    if not isinstance(request, dict):
        raise BadRequest(ErrorCode.PARSE_ERROR, "The body must be a JSON object.")
    context = request.get("context")
    if context is None:
        return {}
    if not isinstance(context, dict):
        raise BadRequest(ErrorCode.INVALID_CONTEXT, "The context must be a JSON object.")
    return context


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def item(decision: Decision, found: Servable, *, now: float) -> Json:
    """One flag's answer: a success, or a failure where there is no variant to serve. `now` is for tokens."""
    if decision.variant is None:
        return failure(_code(decision), decision.error_message or "", key=decision.flag_key)
    return {
        "key": decision.flag_key,
        "value": _value(decision, found),
        "reason": str(decision.reason),
        "variant": decision.variant,
        "metadata": {**metadata(decision.metadata, found), **tokens(decision, found, now=now)},
    }


def failure(code: ErrorCode, details: str, *, key: str | None = None) -> Json:
    """What went wrong, for one flag or the whole request."""
    named: Json = {} if key is None else {"key": key}
    return named | {"errorCode": str(code), "errorDetails": details or "The flag could not be evaluated."}


def metadata(of_decision: Mapping[str, object], found: Servable) -> Json:
    """Flat metadata with the version: epoch and revision of the snapshot that answered."""
    flat = {key: value for key, value in of_decision.items() if isinstance(value, bool | str | int | float)}
    return {**flat, "version": f"{found.revision.epoch}.{found.revision.number}"}


def tokens(decision: Decision, found: Servable, *, now: float) -> Json:
    """What vouches for the places that an exposure may report (spec/exposure-tokens.md)."""
    ring = found.token_ring
    if ring is None:
        return {}
    told: Json = {}
    for place in decision.holdouts:
        if place.experiment == decision.metadata.get("holdout.key"):  # of several, metadata tell one
            told["holdout.token"] = ring.sign(_claim(decision.flag_key, place), now=now)
    if decision.enrolment is not None:
        told["exposure.token"] = ring.sign(_claim(decision.flag_key, decision.enrolment), now=now)
    return told


def _claim(flag: str, place: Enrolment) -> Claim:
    return Claim(
        place.experiment, place.iteration, flag, place.arm, place.unit_type, place.unit, place.cluster_type,
        place.cluster,
    )  # fmt: skip


def bulk(decisions: tuple[Decision, ...], found: Servable, *, stream_url: str, now: float) -> bytes:
    """The answer for every flag; the same bytes for the same answers on the same day."""
    content: Json = {
        "flags": [item(decision, found, now=now) for decision in decisions],
        "metadata": metadata(
            {"project": found.engine.project, "environment": found.engine.environment}, found
        ),
        "eventStreams": [{"type": "sse", "url": stream_url, "inactivityDelaySec": 120}],
    }
    return encoded(content)


def encoded(content: Json) -> bytes:
    """Compact JSON in ASCII."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False).encode()


def _code(decision: Decision) -> ErrorCode:
    code = decision.error_code
    return code if code in _ERROR_CODES and code is not None else ErrorCode.GENERAL


def _value(decision: Decision, found: Servable) -> object:
    """The value; clients tell 1 from 1.0, so a number is written as its flag's values were declared."""
    value = decision.value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if decision.flag_key in found.decimal_flags:
        return float(value)
    return int(value) if float(value).is_integer() else value
