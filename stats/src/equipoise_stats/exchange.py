"""A plan and its evidence as JSON and back: what a server hands out, a notebook analyses again.

Knows the shapes of the two inputs of `analyse` alone. Refuses what does not fit, every fault at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from types import UnionType
from typing import Union, get_args, get_origin, get_type_hints

import numpy as np

from equipoise_stats.faults import InputError
from equipoise_stats.moments import Moments, MomentsError
from equipoise_stats.plan import Design, Evidence

FORMAT = "equipoise-stats/1"
_PLAIN = ((float, "a number"), (int, "a whole number"), (str, "a text"))


def to_document(evidence: Evidence, design: Design) -> dict[str, object]:
    """What `json.dumps` can write: {"format", "design", "evidence"}; floats keep every digit."""
    return {"format": FORMAT, "design": _written(design), "evidence": _written(evidence)}


def from_document(document: object) -> tuple[Evidence, Design]:
    """The evidence and the plan that `to_document` wrote, so that `analyse(*from_document(d))` works.

    document: as `json.loads` gives it; members beside the three are not read. Raises InputError
    with every member that does not fit.
    """
    if not isinstance(document, Mapping) or document.get("format") != FORMAT:
        raise InputError((f"the document must be an object whose format is {FORMAT!r}",))
    problems: list[str] = []
    evidence = _read(document.get("evidence"), Evidence, "evidence", problems)
    design = _read(document.get("design"), Design, "design", problems)
    if problems or not isinstance(evidence, Evidence) or not isinstance(design, Design):
        raise InputError(tuple(problems))
    return evidence, design


def _written(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, Moments):
        means, comoments = value.means.tolist(), value.comoments.tolist()
        return {"names": list(value.names), "n": value.n, "means": means, "comoments": comoments}
    if is_dataclass(value):
        return {member.name: _written(getattr(value, member.name)) for member in fields(value)}
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            return {key: _written(held) for key, held in value.items()}
        return [[_written(key), _written(held)] for key, held in value.items()]
    if isinstance(value, frozenset):
        return sorted(_written(member) for member in value)  # type: ignore[type-var]  # metrics' keys are texts
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_written(member) for member in value]
    return value


def _read(value: object, kind: object, path: str, problems: list[str]) -> object:
    """A value of the asked kind; a fault is noted and read as None."""
    origin = get_origin(kind)
    if origin in {Union, UnionType}:
        return _of_union(value, get_args(kind), path, problems)
    if kind is Moments:
        return _moments(value, path, problems)
    if isinstance(kind, type) and is_dataclass(kind):
        return _members(value, kind, path, problems)
    if isinstance(kind, type) and issubclass(kind, Enum):
        words = {member.value: member for member in kind}
        return words[value] if value in words else _wrong(f"one of {', '.join(words)}", path, problems)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(value, get_args(kind), path, problems)
    if isinstance(origin, type) and issubclass(origin, Collection):
        return _items(value, kind, path, problems)
    return _plain(value, kind, path, problems)


def _of_union(value: object, kinds: tuple[object, ...], path: str, problems: list[str]) -> object:
    """Unions are of one kind and None."""
    if value is None:
        return None
    (wanted,) = (kind for kind in kinds if kind is not type(None))
    return _read(value, wanted, path, problems)


def _members(value: object, kind: type, path: str, problems: list[str]) -> object:
    if not isinstance(value, Mapping):
        return _wrong("an object", path, problems)
    before = len(problems)
    hints = get_type_hints(kind)
    unknown = sorted(str(name) for name in value if name not in hints)
    problems += [f"{path}.{name} is not known here" for name in unknown]
    read = {
        name: _read(value[name], hint, f"{path}.{name}", problems)
        for name, hint in hints.items()
        if name in value
    }
    return _made(lambda: kind(**read), path, problems) if len(problems) == before else None


def _moments(value: object, path: str, problems: list[str]) -> object:
    if not isinstance(value, Mapping) or set(value) != {"names", "n", "means", "comoments"}:
        return _wrong("an object with names, n, means and comoments", path, problems)

    def make() -> Moments:
        means, comoments = (np.asarray(value[name], dtype=np.float64) for name in ("means", "comoments"))
        k = len(value["names"])
        return Moments(tuple(value["names"]), int(value["n"]), means, comoments.reshape(k, k))

    return _made(make, path, problems)


def _made(make: Callable[[], object], path: str, problems: list[str]) -> object:
    try:
        return make()
    except MomentsError as fault:
        problems += [f"{path}: {told}" for told in fault.problems]
    except (TypeError, ValueError) as fault:
        problems.append(f"{path}: {fault}")
    return None


def _mapping(value: object, kinds: tuple[object, ...], path: str, problems: list[str]) -> object:
    key_kind, held_kind = kinds
    if isinstance(value, Mapping) and (key_kind is str or not value):
        return {key: _read(held, held_kind, f"{path}.{key}", problems) for key, held in value.items()}
    is_pairs = isinstance(value, list) and all(isinstance(one, list) and len(one) == 2 for one in value)  # noqa: PLR2004
    if not is_pairs or key_kind is str:
        return _wrong("an object" if key_kind is str else "a list of pairs", path, problems)
    assert isinstance(value, list), "just seen"
    found = {}
    for at, (key, held) in enumerate(value):
        named = _read(key, key_kind, f"{path}[{at}][0]", problems)
        found[named] = _read(held, held_kind, f"{path}[{at}][1]", problems)
    return found


def _items(value: object, kind: object, path: str, problems: list[str]) -> object:
    if not isinstance(value, list):
        return _wrong("a list", path, problems)
    wanted = get_args(kind)
    is_open = len(wanted) == 1 or wanted[-1] is Ellipsis
    if not is_open and len(value) != len(wanted):
        return _wrong(f"a list of {len(wanted)}", path, problems)
    kinds = [wanted[0]] * len(value) if is_open else wanted
    read = [
        _read(one, each, f"{path}[{at}]", problems)
        for at, (one, each) in enumerate(zip(value, kinds, strict=True))
    ]
    return frozenset(read) if get_origin(kind) is frozenset else tuple(read)


def _plain(value: object, kind: object, path: str, problems: list[str]) -> object:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is float and (is_number or value in {"inf", "-inf", "nan"}):
        return float(value)  # type: ignore[arg-type]  # a number, or a text that float reads
    if kind in {bool, int, str} and type(value) is kind:
        return value
    wanted = next((told for one, told in _PLAIN if one is kind), "true or false")
    return _wrong(wanted, path, problems)


def _wrong(wanted: str, path: str, problems: list[str]) -> object:
    problems.append(f"{path} must be {wanted}")
    return None
