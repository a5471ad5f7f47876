"""Reads the experiments of a snapshot and the layers that they share. Serves nothing by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from equipoise_engine.combinations import Every
from equipoise_engine.contexts import Units
from equipoise_engine.decisions import sticky_key
from equipoise_engine.hashing import LARGEST_WEIGHT_SUM, PARTS, canonical_unit
from equipoise_engine.layers import Layer, Layers, Slots, read_slots, read_unit_type
from equipoise_engine.problems import Problem, Reader, pointer
from equipoise_engine.switchbacks import Switchback, read_switchback
from equipoise_engine.targeting import Segments

EXPERIMENT_MEMBERS = frozenset(
    {"iteration", "layer", "unit_type", "state", "killed", "eligibility"}
    | {"slots", "gate", "salt", "control", "variants", "cluster_type", "switchback"}
)
ARM_MEMBERS = frozenset({"key", "weight", "values"})
GATE_MEMBERS = frozenset({"salt", "parts_per_million"})
LARGEST_REVISION = 2**53 - 1


class Service(StrEnum):
    """What an experiment does for the units that it enrols."""

    SPLIT = "split"
    STOPPED = "stopped"
    KILLED = "killed"


@dataclass(frozen=True, slots=True)
class Gate:
    """The share of units that a gate lets pass, in parts per million, by its own salt."""

    salt: str
    parts_per_million: int


@dataclass(frozen=True, slots=True)
class Arm:
    """One variant of an experiment: its weight, and the variant that it gives each flag."""

    key: str
    weight: int
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Experiment:
    """A sound experiment.

    Attributes:
        unit_type: of the units that are exposed; they are randomised themselves, or their clusters are.
        cluster_type: of what is randomised in place of the units, if anything.
        salt: of the split; "" in a switchback.
    """

    key: str
    iteration: int
    layer: Layer
    service: Service
    eligible: Every | None
    unit_type: str
    cluster_type: str | None
    slots: Slots
    gate: Gate | None
    salt: str
    switchback: Switchback | None
    control: Arm
    arms: tuple[Arm, ...]

    @property
    def randomised_type(self) -> str:
        """Return the type of what is randomised."""
        return self.layer.unit_type

    @property
    def rooms(self) -> list[tuple[Layer, Slots]]:
        """Return the layers that divide the units, outermost first, each with the slots that go further."""
        found = [(self.layer, self.slots)]
        while (domain := found[0][0].domain) is not None:
            found.insert(0, (domain.layer, domain.slots))
        return found

    def randomised_unit(self, units: Units, context: object) -> str | None:
        """Return the id that is hashed; a cluster that the context brings along stays the unit's cluster."""
        if self.cluster_type is None:
            return canonical_unit(units.get(self.unit_type))
        kept = context.get("clusters") if isinstance(context, Mapping) else None
        key = sticky_key(self.key, self.iteration)
        cluster = canonical_unit(kept.get(key)) if isinstance(kept, Mapping) else None
        return canonical_unit(units.get(self.cluster_type)) if cluster is None else cluster


class Experiments:
    """The experiments of one snapshot, read against its layers and segments when somebody asks for one."""

    def __init__(self, definitions: Mapping[str, object], layers: Layers, segments: Segments) -> None:
        self._definitions = definitions
        self._layers = layers
        self._unit_types = layers.unit_types
        self._segments = segments

    def experiment(self, key: str) -> Experiment | None:
        """Return a sound experiment; None when there is none."""
        return self.read(key, []) if key in self._definitions else None

    def read_all(self, problems: list[Problem]) -> dict[str, Experiment | None]:
        """Return every experiment; note what is wrong with any of them."""
        return {key: self.read(key, problems) for key in self._definitions}

    def read(self, key: str, problems: list[Problem]) -> Experiment | None:
        """Return an experiment, or None when anything about it is wrong; note what."""
        faults: list[Problem] = []
        path = pointer("/experiments", key)
        reader = Reader(self._definitions[key], path, faults, known=EXPERIMENT_MEMBERS)
        layer = self._layer(reader)
        eligible = read_eligibility(reader, self._segments)
        arms = _arms(reader)
        iteration = reader.integer("iteration", 1, LARGEST_REVISION)
        service, slots = _service(reader), read_slots(reader)
        salt, gate, switchback = _drawing(reader, len(arms))
        control = next((arm for arm in arms if arm.key == reader.get("control")), None)
        if control is None:
            reader.senseless("control", "must be the key of one of the variants")
        problems.extend(faults)
        if faults or layer is None or control is None:
            return None
        return Experiment(
            key=key,
            iteration=iteration,
            layer=layer,
            service=service,
            eligible=eligible,
            unit_type=reader.text("unit_type"),
            cluster_type=reader.text("cluster_type") if "cluster_type" in reader.members else None,
            slots=slots,
            gate=gate,
            salt=salt,
            switchback=switchback,
            control=control,
            arms=arms,
        )

    def _layer(self, reader: Reader) -> Layer | None:
        key, unit_type = reader.text("layer"), read_unit_type(reader, self._unit_types)
        member = "cluster_type" if "cluster_type" in reader.members else "unit_type"
        randomised = reader.text(member) if member == "cluster_type" else unit_type
        layer = self._layers.layer(key)
        if layer is None and key:
            reader.senseless("layer", f"there is no sound layer {key!r}")
        elif layer is not None and randomised and randomised != layer.unit_type:
            reader.senseless(member, f"must be {layer.unit_type!r}, as in its layer")
        return layer


def read_eligibility(reader: Reader, segments: Segments) -> Every | None:
    """Return the test of an "eligibility" member; absent or null admits everybody (None)."""
    node = reader.get("eligibility")
    if node is None:
        return None
    return segments.test(node, pointer(reader.path, "eligibility"), reader.problems)


def _drawing(reader: Reader, arm_count: int) -> tuple[str, Gate | None, Switchback | None]:
    """Return how arms are drawn: by the salt of a split, behind a gate, or by a schedule alone."""
    if "switchback" not in reader.members:
        return reader.salt("salt"), None if reader.get("gate") is None else _gate(reader), None
    for name in ("salt", "gate", "cluster_type"):
        if reader.get(name) is not None:
            reader.senseless(name, "does not go with a switchback")
    return "", None, read_switchback(reader, arm_count)


def _gate(reader: Reader) -> Gate:
    path = pointer(reader.path, "gate")
    gate = Reader(reader.get("gate"), path, reader.problems, known=GATE_MEMBERS)
    return Gate(gate.salt("salt"), gate.integer("parts_per_million", 0, PARTS))


def _service(reader: Reader) -> Service:
    state = reader.text("state")
    if state not in {"", "running", "stopped"}:
        reader.senseless("state", f"must be running or stopped, not {state!r}")
    if reader.truth("killed"):
        return Service.KILLED
    return Service.SPLIT if state == "running" else Service.STOPPED


def _arms(reader: Reader) -> tuple[Arm, ...]:
    arms = []
    for index, node in enumerate(reader.array("variants")):
        path = f"{reader.path}/variants/{index}"
        entry = Reader(node, path, reader.problems, known=ARM_MEMBERS)
        weight = entry.integer("weight", 0, LARGEST_WEIGHT_SUM)
        arms.append(Arm(entry.text("key"), weight, _variant_keys(entry)))
    if len({arm.key for arm in arms}) < len(arms):
        reader.senseless("variants", "must have different keys")
    if not 1 <= sum(arm.weight for arm in arms) <= LARGEST_WEIGHT_SUM:
        reader.senseless("variants", "must have weights that sum to 1 to 2**20")
    return tuple(arms)


def _variant_keys(entry: Reader) -> Mapping[str, str]:
    values = entry.table("values")
    keys = {flag: variant for flag, variant in values.items() if isinstance(variant, str)}
    if len(keys) < len(values):
        entry.malformed("values", "must give each flag the key of one of its variants")
    return keys
