"""Compiles a snapshot document and answers for its flags. No I/O, no clock, no randomness."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from equipoise_engine.canonical import content_hash
from equipoise_engine.contexts import Context
from equipoise_engine.decisions import Decision, ErrorCode, Finding, Scalar, Step
from equipoise_engine.experiments import LARGEST_REVISION, Experiments, read_layers
from equipoise_engine.flag_reading import Surroundings, read_flag
from equipoise_engine.flags import Evaluate, Flag, error, evaluator
from equipoise_engine.problems import Problem, Reader, SnapshotError, pointer
from equipoise_engine.targeting import Segments

FORMAT = 1
SNAPSHOT_MEMBERS = frozenset(
    {"format", "hash", "project", "environment", "epoch", "revision"}
    | {"default_unit_type", "unit_types", "killed"}
    | {"groups", "segments", "layers", "experiments", "flags"}
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The compiled configuration of one environment at one revision. Immutable, thread-safe.

    Attributes:
        hash: the document's own "hash" (trusted here), or else its content hash.
        faults: flag key → what is wrong with its definition; such flags answer with ERROR.
    """

    project: str
    environment: str
    epoch: int
    revision: int
    hash: str
    default_unit_type: str
    faults: Mapping[str, str]
    _flags: Mapping[str, Flag] = field(repr=False)
    _evaluators: Mapping[str, Evaluate] = field(repr=False)
    _metadata: Mapping[str, Scalar] = field(repr=False)

    @property
    def flag_keys(self) -> tuple[str, ...]:
        """Return the keys of all flags, in the order of the document."""
        return tuple(self._flags)

    def evaluate(self, flag_key: str, context: Context, code_default: object) -> Decision:
        """Decide one flag for one context (spec/evaluation.md, "Order"). Never raises.

        Args:
            flag_key: the flag's key.
            context: {"units": {type: id}, "attributes": {name: value}}, both optional.
            code_default: served when nothing else can be; its type must be the flag's, or None.
        """
        try:
            return self._evaluators[flag_key](context, code_default)
        except KeyError:
            pass
        except Exception as cause:  # noqa: BLE001 - an evaluation never raises into a request
            return self._failed(flag_key, cause)._replace(value=code_default)
        return self._unknown(flag_key)._replace(value=code_default)

    def explain(self, flag_key: str, context: Context) -> tuple[Step, ...]:
        """Return step by step why a context gets what it gets. Never raises.

        The last step carries the decision that `evaluate` returns for a code default of None.
        """
        try:
            if flag_key not in self._flags:
                return (Step("unknown", None, Finding.FLAG_UNKNOWN, self._unknown(flag_key)),)
            return tuple(self._flags[flag_key].explain(context))
        except Exception as cause:  # noqa: BLE001 - as above
            return (Step("error", None, Finding.FAULTY, self._failed(flag_key, cause)),)

    def _unknown(self, flag_key: object) -> Decision:
        key = flag_key if isinstance(flag_key, str) else ""
        message = "the snapshot has no such flag"
        decision = error(key, ErrorCode.FLAG_NOT_FOUND, message, self._metadata)
        return decision._replace(metadata=MappingProxyType({**self._metadata, "step": "unknown"}))

    def _failed(self, flag_key: object, cause: Exception) -> Decision:
        key = flag_key if isinstance(flag_key, str) else ""
        message = f"the context or key could not be read: {type(cause).__name__}"
        return error(key, ErrorCode.GENERAL, message, self._metadata)


def compile_snapshot(document: Mapping[str, object]) -> Snapshot:
    """Compile a snapshot document (spec/schemas/snapshot.schema.json).

    A fault in a flag, or in what it uses, spoils that flag alone: see `Snapshot.faults`.

    Raises:
        SnapshotError: when the document as a whole is unusable; lists every reason.
    """
    compiled, _, _ = compile_with_problems(document)
    return compiled


def compile_with_problems(
    document: Mapping[str, object],
) -> tuple[Snapshot, Surroundings, list[Problem]]:
    """Compile, and return the parts that flags share and every problem of any part as well."""
    head = _Head(document)
    problems: list[Problem] = []
    around = head.surroundings(problems)
    flags = {key: read_flag(key, node, around) for key, node in head.flags.items()}
    for flag in flags.values():
        problems.extend(flag.problems)
    compiled = Snapshot(
        project=head.project,
        environment=head.environment,
        epoch=head.epoch,
        revision=head.revision,
        hash=head.hash,
        default_unit_type=head.default_unit_type,
        faults=MappingProxyType(
            {key: "; ".join(map(str, flag.problems)) for key, flag in flags.items() if flag.problems}
        ),
        _flags=flags,
        _evaluators={key: evaluator(flag) for key, flag in flags.items()},
        _metadata=around.metadata,
    )
    return compiled, around, problems


class _Head:
    """The members without which no flag can be served; raises with all their faults at once."""

    def __init__(self, document: object) -> None:
        members = dict(document) if isinstance(document, Mapping) else document
        problems: list[Problem] = []
        # Later versions may add members here; the strict check refuses them, serving does not.
        known = SNAPSHOT_MEMBERS.union(members if isinstance(members, dict) else ())
        reader = Reader(members, "", problems, known=known)
        reader.integer("format", FORMAT, FORMAT)
        self.project, self.environment = reader.text("project"), reader.text("environment")
        self.epoch = reader.integer("epoch", 0, LARGEST_REVISION)
        self.revision = reader.integer("revision", 0, LARGEST_REVISION)
        self.killed = reader.truth("killed")
        self.unit_types = frozenset(reader.texts("unit_types"))
        self.default_unit_type = reader.text("default_unit_type")
        if self.default_unit_type not in self.unit_types:
            reader.senseless("default_unit_type", "must be one of unit_types")
        self.groups, self.segments = reader.table("groups"), reader.table("segments")
        self.layers, self.experiments = reader.table("layers"), reader.table("experiments")
        self.flags = reader.table("flags")
        if "flags" not in reader.members:
            reader.malformed("flags", "is required")
        self.hash = _hash(reader)
        if problems:
            raise SnapshotError(problems)

    def surroundings(self, problems: list[Problem]) -> Surroundings:
        """Read what flags refer to; note what is wrong with it."""
        segments = Segments(self.segments)
        problems.extend(segments.problems)
        experiments = Experiments(read_layers(self.layers, self.unit_types, problems), segments)
        return Surroundings(
            metadata=MappingProxyType(
                {
                    "project": self.project,
                    "environment": self.environment,
                    "revision": self.revision,
                }
            ),
            killed=self.killed,
            groups=_groups(self.groups, problems),
            segments=segments,
            experiments={
                key: experiments.read(key, node, problems) for key, node in self.experiments.items()
            },
            unit_types=self.unit_types,
        )


def _groups(definitions: Mapping[str, object], problems: list[Problem]) -> dict[str, bool | None]:
    groups: dict[str, bool | None] = {}
    for key, node in definitions.items():
        faults: list[Problem] = []
        path = pointer("/groups", key)
        killed = Reader(node, path, faults, known=frozenset({"killed"})).truth("killed")
        groups[key] = None if faults else killed
        problems.extend(faults)
    return groups


def _hash(reader: Reader) -> str:
    if "hash" in reader.members:
        return reader.text("hash")
    try:
        return content_hash(reader.members)
    except (ValueError, RecursionError) as cause:
        reader.malformed(None, f"has no canonical form: {cause}")
        return ""
