"""Compiles a snapshot document and answers for its flags. No I/O, no clock, no randomness."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from equipoise_engine.canonical import content_hash
from equipoise_engine.claims import is_number
from equipoise_engine.contexts import Asked, Context, context_parts
from equipoise_engine.decisions import Decision, ErrorCode, Fault
from equipoise_engine.definitions import Definitions
from equipoise_engine.direct import Direct, direct, heads_of
from equipoise_engine.drafts import Groups, Surroundings
from equipoise_engine.experiments import LARGEST_REVISION, Experiment, Experiments
from equipoise_engine.explanations import Finding, Step
from equipoise_engine.flag_reading import read_flag
from equipoise_engine.flags import Compiled, Flag, error
from equipoise_engine.hashing import SIGNED_HASH
from equipoise_engine.holdouts import Holdouts
from equipoise_engine.layers import Layer, Layers
from equipoise_engine.members import Members
from equipoise_engine.metadata import Metadata
from equipoise_engine.murmur import IS_COMPILED
from equipoise_engine.prerequisites import Prerequisites
from equipoise_engine.problems import Problem, Reader, SnapshotError
from equipoise_engine.targeting import Segments

FORMAT = 1
NO_BLOBS: Mapping[str, Members] = MappingProxyType({})
SNAPSHOT_MEMBERS = frozenset(
    {"format", "hash", "project", "environment", "epoch", "revision"}
    | {"default_unit_type", "unit_types", "killed", "preview_key", "exposure_tokens"}
    | {"groups", "segments", "layers", "holdouts", "experiments", "flags"}
)


@dataclass(frozen=True, slots=True)
class Inspection:
    """Everything about a document that a strict check looks at.

    Attributes:
        layers: the sound ones.
        experiments: key → sound experiment, or None.
        problems: whatever is wrong with any part, used or not.
    """

    layers: list[Layer]
    holdouts: Holdouts
    experiments: Mapping[str, Experiment | None]
    problems: tuple[Problem, ...]


class Snapshot:
    """The configuration of one environment at one revision. Immutable, thread-safe.

    A flag is compiled when it is first asked for: a snapshot is ready at once, whatever its size.

    Attributes:
        project, environment: whose flags these are.
        epoch, revision: which state of theirs; both grow.
        hash: the document's own "hash" (trusted here), or else its content hash.
        default_unit_type: the type of a unit that is given without one.
    """

    __slots__ = (
        "_around",
        "_compiled",
        "_definitions",
        "_direct",
        "_every",
        "_faults",
        "default_unit_type",
        "environment",
        "epoch",
        "hash",
        "project",
        "revision",
    )

    def __init__(self, head: _Head, blobs: Mapping[str, Members]) -> None:
        self.project, self.environment = head.project, head.environment
        self.epoch, self.revision, self.hash = head.epoch, head.revision, head.hash
        self.default_unit_type = head.default_unit_type
        self._definitions = Definitions(head.flags)
        self._around = head.surroundings(blobs)
        self._compiled: dict[object, Compiled] = {}
        self._direct: dict[object, Direct | None] = {}
        self._every: tuple[Compiled, ...] = ()
        self._faults: Mapping[str, str] | None = None

    def __repr__(self) -> str:
        return f"Snapshot({self.project}/{self.environment}, {self.epoch}.{self.revision})"

    @property
    def flag_keys(self) -> tuple[str, ...]:
        """Return the keys of all flags, in the order of the document."""
        return tuple(self._definitions)

    @property
    def faults(self) -> Mapping[str, str]:
        """Return flag key → what is wrong with its definition; such flags answer with ERROR.

        Reads every flag when first asked.
        """
        if self._faults is None:
            flags = ((key, self._read(key)) for key in self._definitions)
            self._faults = MappingProxyType(
                {key: "; ".join(map(str, flag.problems)) for key, flag in flags if flag.problems}
            )
        return self._faults

    def evaluate(  # noqa: C901, PLR0912 - calls cost more
        self, flag_key: object, context: Context, code_default: object
    ) -> Decision:
        """Decide one flag for one context (spec/evaluation.md, "Order"). Never raises.

        Args:
            flag_key: the flag's key; what is no text is no flag's.
            context: {"units": {type: id}, "attributes": {name: value}}, both optional.
            code_default: served when nothing else can be; its type must be the flag's, or None.
        """
        try:
            if IS_COMPILED:  # and calls are cheap
                flag = self._compiled.get(flag_key)
                if flag is not None:
                    return flag.evaluate(context, code_default)
            found = self._direct[flag_key]
            if found is not None and type(context) is dict and "overrides" not in context:
                kind, texts, ranges, key, heads, start, end, inside, low, high, one, other, split, rest = (
                    found
                )
                units, attributes = context["units"], context["attributes"]
                if type(code_default) is kind and type(units) is type(attributes) is dict:
                    for attribute, wanted in texts:  # as in Every.holds
                        if attributes[attribute] not in wanted:
                            return rest.evaluate(context, code_default)
                    for attribute, least, most in ranges:
                        value = attributes[attribute]
                        if (
                            not (type(value) is int or is_number(value))
                            or (least is not None and not value >= least)
                            or (most is not None and not value <= most)
                        ):
                            return rest.evaluate(context, code_default)
                    unit = units[key]
                    if type(unit) is str and unit.isascii():
                        head = heads[len(unit)]
                        if head is None:
                            head = heads_of(len(unit), heads, split)
                        if head is not None:
                            layer, arms = head
                            if start is not None and (start <= SIGNED_HASH(layer + unit) < end) is not inside:
                                return rest.evaluate(context, code_default)
                            made = Decision()
                            made.enrolled = unit
                            made.answer = one if low <= SIGNED_HASH(arms + unit) < high else other
                            return made
        except Exception:  # noqa: BLE001, S110 - the flag itself finds and tells what is missing or odd
            pass
        return self._evaluated(flag_key, context, code_default)

    def evaluate_all(self, context: Context) -> tuple[Decision, ...]:
        """Decide every flag for one context, with None as code default. Never raises.

        Conditions that flags share, such as segments, are tried once.
        """
        try:
            parts = context_parts(context)
            if parts is not None:
                asked = Asked(parts, context, is_linked="overrides" in context)
                return tuple([flag.answer(asked) for flag in self._every or self._all_met()])
        except Exception:  # noqa: BLE001, S110 - each flag tells for itself what is wrong
            pass
        return tuple(self.evaluate(key, context, None) for key in self._definitions)

    def counterfactual(self, decision: Decision) -> Mapping[str, object]:
        """Return arm → value of the decision's flag, for the experiment that enrolled the unit.

        Whoever computes what every arm would have shown tells by it whether an exposure `differs`.
        Empty when the unit is in no running experiment of this snapshot.
        """
        place = decision.place
        experiment = None if place is None else self._around.experiments.experiment(place.experiment)
        if experiment is None or decision.flag_key not in self._definitions:
            return {}
        reader = Reader(self._definitions[decision.flag_key], "", [], known=frozenset())
        values, key = reader.table("variants"), decision.flag_key
        return {arm.key: values.get(arm.values[key]) for arm in experiment.arms if key in arm.values}

    def explain(self, flag_key: object, context: Context) -> tuple[Step, ...]:
        """Return step by step why a context gets what it gets. Never raises.

        The last step carries the decision that `evaluate` returns for a code default of None.
        """
        try:
            if not isinstance(flag_key, str) or flag_key not in self._definitions:
                return (Step("unknown", None, Finding.FLAG_UNKNOWN, self._unknown(flag_key, None)),)
            return tuple(self._read(flag_key).explain(context))
        except Exception as cause:  # noqa: BLE001 - as above
            return (Step("error", None, Finding.FAULTY, self._failed(flag_key, cause, None)),)

    def _evaluated(self, flag_key: object, context: Context, code_default: object) -> Decision:
        try:
            flag = self._compiled.get(flag_key) or self._first_met(flag_key)
            if flag is not None:
                if not IS_COMPILED and flag_key not in self._direct:
                    self._direct[flag_key] = direct(flag)
                return flag.evaluate(context, code_default)
        except Exception as cause:  # noqa: BLE001 - an evaluation never raises into a request
            return self._failed(flag_key, cause, code_default)
        return self._unknown(flag_key, code_default)

    def _all_met(self) -> tuple[Compiled, ...]:
        met = (self._compiled.get(key) or self._first_met(key) for key in self._definitions)
        self._every = tuple(flag for flag in met if flag is not None)
        return self._every

    def inspected(self) -> Inspection:
        """Read every part, used or not."""
        problems = self._around.problems()
        layers = self._around.layers.read_all(problems)
        experiments = self._around.experiments.read_all(problems)
        for key in self._definitions:
            problems.extend(self._read(key).problems)
        return Inspection(layers, self._around.holdouts, experiments, tuple(problems))

    def _first_met(self, key: object) -> Compiled | None:
        """Compile a flag; two threads may make the same one, and either serves."""
        if not isinstance(key, str) or key not in self._definitions:
            return None
        made = self._compiled[key] = Compiled(self._read(key))
        return made

    def _read(self, key: str) -> Flag:
        return read_flag(key, self._definitions[key], self._around, self._variant_served)

    def _variant_served(self, flag_key: str, context: object) -> str | None:
        flag = self._compiled.get(flag_key) or self._first_met(flag_key)
        return None if flag is None else flag.evaluate(context, None).variant

    def _unknown(self, flag_key: object, code_default: object) -> Decision:
        key = flag_key if isinstance(flag_key, str) else ""
        fault = Fault(ErrorCode.FLAG_NOT_FOUND, "the snapshot has no such flag")
        return error(key, fault, {**self._around.metadata, "step": "unknown"}, code_default)

    def _failed(self, flag_key: object, cause: Exception, code_default: object) -> Decision:
        key = flag_key if isinstance(flag_key, str) else ""
        told = f"the context or key could not be read: {type(cause).__name__}"
        return error(key, Fault(ErrorCode.GENERAL, told), self._around.metadata, code_default)


def compile_snapshot(document: Mapping[str, object], blobs: Mapping[str, Members] = NO_BLOBS) -> Snapshot:
    """Compile a snapshot document (spec/schemas/snapshot.schema.json).

    A fault in a flag, or in what it uses, spoils that flag alone: see `Snapshot.faults`.

    Args:
        document: a snapshot as it came from JSON.
        blobs: address → list of members; one that is missing spoils the flags that use it.

    Raises:
        SnapshotError: when the document as a whole is unusable; lists every reason.
    """
    return Snapshot(_Head(document), blobs)


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
        self.holdouts, self.flags = reader.table("holdouts"), reader.table("flags")
        if "flags" not in reader.members:
            reader.malformed("flags", "is required")
        self.hash = _hash(reader)
        if problems:
            raise SnapshotError(problems)

    def surroundings(self, blobs: Mapping[str, Members]) -> Surroundings:
        """Return what flags refer to, most of it unread."""
        segments = Segments(self.segments, self.unit_types, blobs)
        layers = Layers(Definitions(self.layers), self.unit_types)
        return Surroundings(
            metadata=Metadata(project=self.project, environment=self.environment, revision=self.revision),
            killed=self.killed,
            groups=Groups(self.groups),
            segments=segments,
            layers=layers,
            holdouts=Holdouts(self.holdouts, self.unit_types),
            prerequisites=Prerequisites(self.flags),
            experiments=Experiments(Definitions(self.experiments), layers, segments),
            unit_types=self.unit_types,
        )


def _hash(reader: Reader) -> str:
    if "hash" in reader.members:
        return reader.text("hash")
    try:
        return content_hash(reader.members)
    except (ValueError, RecursionError) as cause:
        reader.malformed(None, f"has no canonical form: {cause}")
        return ""
