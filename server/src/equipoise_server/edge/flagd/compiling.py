"""One flag as a flagd definition that gives every unit the same variant and value. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from equipoise_server.edge.flagd.dialects import Dialect, below, drawn, in_slots
from equipoise_server.edge.flagd.logic import Conditions, Logic, Node, Notes, NotExpressible, all_of

Case = tuple[Logic, Logic]
"""A condition, and what is served when it holds."""
MOST_LAYERS = 16
LARGEST_LOGIC = 200_000


@dataclass(slots=True)
class Compiler:
    """The flags of one snapshot in one dialect."""

    document: Node
    dialect: Dialect
    decimal_flags: frozenset[str]
    _outer: list[str] = field(default_factory=list)

    def definition(self, key: str, notes: Notes) -> dict[str, object]:
        """The flag, as a member of `flags`.

        Raises:
            NotExpressible: with the reason.
        """
        flag = self._flag(key)
        variants = self._variants(key, flag)
        made: dict[str, object] = {"state": "ENABLED", "variants": variants}
        logic = self._targeting(key, flag, notes)
        if isinstance(logic, str):
            return {**made, "defaultVariant": logic}
        return {**made, "defaultVariant": flag["default"], "targeting": logic}

    def _flag(self, key: str) -> Node:
        flag = _table(self.document, "flags").get(key)
        if not isinstance(flag, Mapping):
            raise NotExpressible(f"the flag “{key}”, which is not there")
        return flag

    def _variants(self, key: str, flag: Node) -> dict[str, object]:
        values = _table(flag, "variants")
        if flag["type"] == "object" and any(not isinstance(value, Mapping) for value in values.values()):
            raise NotExpressible("a variant that is a list: flagd's objects are JSON objects")
        if key in self.decimal_flags:
            return {name: _decimal(value) for name, value in values.items()}
        return dict(values)

    def _targeting(self, key: str, flag: Node, notes: Notes) -> Logic:
        """Which variant is served: one for all, or logic that finds it."""
        if self._is_killed(flag):
            return flag["off"]
        segments, default_type = _table(self.document, "segments"), str(self.document["default_unit_type"])
        conditions = Conditions(segments, default_type, notes)
        cases = list(self._cases(key, flag, conditions))
        parts: list[Logic] = []
        for holds, served in cases:
            if holds is True:
                return _chosen(parts, served)
            if holds is not False:
                parts += [holds, served]
        return _chosen(parts, flag["default"])

    def _is_killed(self, flag: Node) -> bool:
        groups = _table(self.document, "groups")
        named = [groups.get(str(key)) for key in _list(flag, "groups")]
        return any(
            bool(one.get("killed")) for one in (self.document, flag, *named) if isinstance(one, Mapping)
        )

    def _cases(self, key: str, flag: Node, conditions: Conditions) -> Iterator[Case]:
        yield from self._prerequisites(key, flag, conditions.notes)
        for override in _nodes(flag, "overrides"):
            segment = override.get("segment")
            holds = (
                conditions.listed(str(override.get("unit_type")), override.get("units"))
                if segment is None
                else conditions.logic({"segment": segment})
            )
            yield holds, override["variant"]
        for cover in _nodes(flag, "holdouts"):
            yield self._held(cover, conditions), cover["baseline"]
        for experiment in self._experiments(flag):
            yield self._experiment(key, experiment, conditions)
        for rule in _nodes(flag, "rules"):
            yield from self._rule(rule, conditions)

    def _prerequisites(self, key: str, flag: Node, notes: Notes) -> Iterator[Case]:
        for prerequisite in _nodes(flag, "prerequisites"):
            other = str(prerequisite["flag"])
            if other in self._outer:
                raise NotExpressible("prerequisites in a circle")
            self._outer.append(key)
            try:
                served = self._targeting(other, self._flag(other), notes)
            finally:
                self._outer.pop()
            yield {"!": [{"in": [served, prerequisite["variants"]]}]}, flag["off"]

    def _held(self, cover: Node, conditions: Conditions) -> Logic:
        holdout = _entry(self.document, "holdouts", cover["holdout"])
        unit = conditions.unit(str(holdout["unit_type"]))
        share = below(self.dialect, str(holdout["salt"]), unit, _whole(holdout["parts_per_million"]))
        return all_of([{"!!": [unit]}, share])

    def _experiments(self, flag: Node) -> list[Node]:
        """Those that run before those that serve control alone, launch layers after others."""
        found = [_entry(self.document, "experiments", key) for key in _list(flag, "experiments")]
        return sorted(found, key=lambda one: (self._is_launch(one), not _is_running(one)))

    def _is_launch(self, experiment: Node) -> bool:
        return bool(_entry(self.document, "layers", experiment["layer"]).get("launch"))

    def _experiment(self, key: str, experiment: Node, conditions: Conditions) -> Case:
        if "switchback" in experiment:
            raise NotExpressible("a switchback: its schedule goes by the clock")
        unit = conditions.unit(str(experiment["unit_type"]))
        drawn_by = str(experiment.get("cluster_type") or experiment["unit_type"])
        randomised = conditions.unit(drawn_by)
        holds = [{"!!": [one]} for one in ((unit,) if unit == randomised else (unit, randomised))]
        enrolled = all_of(
            [
                conditions.logic(experiment.get("eligibility")),
                *holds,
                *self._rooms(experiment, randomised),
                self._gate(experiment, randomised),
            ]
        )
        arms = {str(arm["key"]): arm for arm in _nodes(experiment, "variants")}
        if not _is_running(experiment):
            return enrolled, _table(arms[str(experiment["control"])], "values")[key]
        weighted = [(_table(arm, "values")[key], _whole(arm["weight"])) for arm in arms.values()]
        return enrolled, drawn(self.dialect, str(experiment["salt"]), randomised, weighted)

    def _rooms(self, experiment: Node, randomised: Logic) -> Iterator[Logic]:
        """The slots of the experiment's layer, and of those around it."""
        rooms: list[tuple[Node, object]] = []
        key, slots = experiment["layer"], experiment["slots"]
        for _ in range(MOST_LAYERS):
            layer = _entry(self.document, "layers", key)
            rooms.insert(0, (layer, slots))
            domain = layer.get("domain")
            if not isinstance(domain, Mapping):
                break
            key, slots = domain["layer"], domain["slots"]
        for layer, ranges in rooms:
            assert isinstance(ranges, list)
            yield in_slots(self.dialect, str(layer["salt"]), randomised, ranges)

    def _gate(self, experiment: Node, randomised: Logic) -> Logic:
        gate = experiment.get("gate")
        if not isinstance(gate, Mapping):
            return True
        return below(self.dialect, str(gate["salt"]), randomised, _whole(gate["parts_per_million"]))

    def _rule(self, rule: Node, conditions: Conditions) -> Iterator[Case]:
        eligible = conditions.logic(rule.get("eligibility"))
        if "serve" in rule:
            yield eligible, rule["serve"]
            return
        rollout = rule["rollout"]
        assert isinstance(rollout, Mapping)
        unit, salt = conditions.unit(str(rollout["unit_type"])), str(rollout["salt"])
        for ring in _nodes(rollout, "rings") or [rollout]:
            audience = conditions.logic(ring.get("eligibility"))
            share = below(self.dialect, salt, unit, _whole(ring["parts_per_million"]))
            yield all_of([eligible, audience, {"!!": [unit]}, share]), rollout["variant"]


def _chosen(parts: list[Logic], otherwise: object) -> Logic:
    return {"if": [*parts, otherwise]} if parts else otherwise


def _is_running(experiment: Node) -> bool:
    return experiment["state"] == "running" and not experiment.get("killed")


def _decimal(value: object) -> object:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _whole(value: object) -> int:
    assert isinstance(value, int)
    return value


def _table(node: Node, name: str) -> Mapping[str, object]:
    found = node.get(name)
    return found if isinstance(found, Mapping) else {}


def _entry(document: Node, table: str, key: object) -> Node:
    found = _table(document, table).get(str(key))
    if not isinstance(found, Mapping):
        raise NotExpressible(f"“{key}”, which is not among the {table}")
    return found


def _list(node: Node, name: str) -> list[object]:
    found = node.get(name)
    return list(found) if isinstance(found, list) else []


def _nodes(node: Node, name: str) -> list[Node]:
    return [item for item in _list(node, name) if isinstance(item, Mapping)]
