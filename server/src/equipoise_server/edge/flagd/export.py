"""A whole environment as a flagd definition, and the report of what it does not hold. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from equipoise_server.edge.flagd.compiling import LARGEST_LOGIC, Compiler
from equipoise_server.edge.flagd.dialects import LONGEST_V2_UNIT, Dialect
from equipoise_server.edge.flagd.logic import Notes, NotExpressible

SCHEMA = "https://flagd.dev/schema/v0/flags.json"


@dataclass(frozen=True, slots=True)
class Export:
    """The definition and the report, as they are sent."""

    definition: bytes
    report: bytes


def exported(
    document: Mapping[str, object],
    dialect: Dialect,
    *,
    decimal_flags: frozenset[str],
    is_faulty: Callable[[str], bool],
) -> Export:
    """Every flag that flagd can express, and why the others are left out.

    Args:
        document: a snapshot.
        dialect: the generation of evaluators that will read it.
        decimal_flags: number flags whose values have a decimal point.
        is_faulty: whether a flag answers with an error here already.
    """
    compiler = Compiler(document, dialect, decimal_flags)
    flags: dict[str, object] = {}
    left_out: dict[str, str] = {}
    assumed: dict[str, dict[str, str]] = {}
    named = document["flags"]
    assert isinstance(named, Mapping)
    for key in sorted(map(str, named)):
        notes = Notes()
        try:
            flags[key] = _definition(compiler, key, notes, is_faulty)
        except NotExpressible as reason:
            left_out[key] = str(reason)
        else:
            assumed |= {key: dict(sorted(notes.assumed))} if notes.assumed else {}
    place = f"{document['project']}/{document['environment']}"
    version = f"{document['epoch']}.{document['revision']}"
    metadata = {"flagSetId": place, "version": version}
    report = {
        "dialect": str(dialect), "version": version, "expressed": sorted(flags), "left_out": left_out,
        "assumes": {"units": _units(dialect), "attributes": assumed},
    }  # fmt: skip
    return Export(_encoded({"$schema": SCHEMA, "flags": flags, "metadata": metadata}), _encoded(report))


def _definition(
    compiler: Compiler, key: str, notes: Notes, is_faulty: Callable[[str], bool]
) -> dict[str, object]:
    if is_faulty(key):
        raise NotExpressible("a fault in its definition")
    made = compiler.definition(key, notes)
    if len(json.dumps(made)) > LARGEST_LOGIC:
        raise NotExpressible("more logic than 200 kB; ask over OFREP instead")
    return made


def _units(dialect: Dialect) -> str:
    if dialect is Dialect.V3:
        return "Ids are texts of 1 to 256 bytes; the targetingKey is the unit of the default type."
    return (
        f"Ids are texts of 1 to {LONGEST_V2_UNIT} ASCII characters in evaluators of v2; "
        "the targetingKey is the unit of the default type."
    )


def _encoded(content: Mapping[str, object]) -> bytes:
    return json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
