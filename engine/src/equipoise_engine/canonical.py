"""One byte sequence per JSON document, and its hash: RFC 8785, written without a dependency.

Knows JSON only, not what a snapshot is, save that its own "hash" member stays outside of the hash.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping

Number = int | float  # not float alone, which would make doubles of integers when this is compiled

_EXACT = 2**53
_NUMBER = re.compile(r"(-?)(\d)(?:\.(\d+))?e([+-]\d+)")


def canonical_json(document: object) -> bytes:
    """Return the canonical UTF-8 JSON of a document: sorted keys, no spaces, ECMAScript numbers.

    Raises:
        ValueError: for numbers that are not finite as doubles, lone surrogates, keys that are not
            text, and anything that is not JSON.
    """
    if _is_plain(document):
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    else:
        text = _written(document)
    return text.encode()


def content_hash(document: Mapping[str, object]) -> str:
    """Return the SHA-256, in hex, of the canonical JSON without the member "hash"."""
    content = {key: value for key, value in document.items() if key != "hash"}
    return hashlib.sha256(canonical_json(content)).hexdigest()


def _is_plain(document: object) -> bool:
    """Tell whether the standard library already writes this document canonically."""
    pending = [document]
    while pending:
        node = pending.pop()
        kind = type(node)
        if kind is str or node is None or kind is bool:
            continue
        if kind is dict and isinstance(node, dict):
            if not all(type(key) is str and key.isascii() for key in node):
                return False
            pending.extend(node.values())
        elif kind is list and isinstance(node, list):
            pending.extend(node)
        elif not _is_plain_number(node):
            return False
    return True


def _is_plain_number(node: object) -> bool:
    """Python and ECMAScript write small integers and middling fractions alike."""
    if isinstance(node, float):
        return 1e-4 <= abs(node) < 1e15 and node != int(node)  # noqa: PLR2004 - repr's own bounds
    return isinstance(node, int) and abs(node) < _EXACT


def _written(node: object) -> str:
    if isinstance(node, Mapping):
        if not all(isinstance(key, str) for key in node):
            raise ValueError("keys of JSON objects must be strings")
        keys = sorted(node, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join(f"{_written(key)}:{_written(node[key])}" for key in keys) + "}"
    if isinstance(node, list | tuple):
        return "[" + ",".join(map(_written, node)) + "]"
    if isinstance(node, float) or (isinstance(node, int) and not isinstance(node, bool)):
        return _number(node)
    if node is None or isinstance(node, str | bool):
        return json.dumps(node, ensure_ascii=False)
    raise ValueError(f"{type(node).__name__} has no JSON form")


def _number(value: Number) -> str:
    """Write a number as ECMAScript does: the shortest digits of a double (RFC 8785, section 3.2.2.3)."""
    try:
        double = float(value)
    except OverflowError:
        double = math.inf
    if not math.isfinite(double):
        raise ValueError("a number that is not finite as a double has no JSON form")
    scientific = _NUMBER.fullmatch(repr(double))
    if scientific is None:
        return repr(double).removesuffix(".0") if double else "0"
    sign, first, rest, exponent_text = scientific.groups(default="")
    exponent, digits = int(exponent_text), first + rest
    if 0 < exponent < 21:  # noqa: PLR2004 - ECMAScript's own bound
        return sign + digits.ljust(exponent + 1, "0")
    if -7 < exponent < 0:  # noqa: PLR2004 - ECMAScript's own bound
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    fraction = f".{rest}" if rest else ""
    return f"{sign}{first}{fraction}e{exponent:+d}"
