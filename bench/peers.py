"""Prints what one evaluation costs here and in the SDKs of five peers: the same work, in turns, in one run.

    python -m venv bench/.venv && bench/.venv/bin/pip install --require-hashes -r bench/peers.txt
    PYTHONPATH=engine/src bench/.venv/bin/python bench/peers.py
    PYTHONPATH=dist/engine-compiled/unpacked bench/.venv/bin/python bench/peers.py  # when compiled

The work: three targeting clauses, then an experiment of two equal arms with all traffic, so that one hash
is due. Every peer gets its best case: its objects for the user are made once, nothing is sent, nothing is
logged; a call of a function that takes the key comes on top everywhere. Beside it stands an experiment on
part of a layer, for which a second hash is due here and in none of the peers; the column on the right has
the ratios to that.
"""

from __future__ import annotations

import gc
import importlib
import json
import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import evaluate

from equipoise_engine import compile_snapshot

Evaluate = Callable[[str], object]
Build = Callable[[int, str, dict[str, Any]], Evaluate]

UNIT = "u-1234567890"
WANTED = {"country": "DE", "plan": "pro", "age": 34}
MANY = {f"attribute{n}": f"value{n}" for n in range(17)} | WANTED
COUNTRIES = ["DE", "AT", "CH"]
OURS, OURS_TWICE = "equipoise", "equipoise, 2 hashes"
ROUNDS, SECONDS_EACH = 40, 0.004


def equipoise(count: int, unit: str, attributes: dict[str, Any]) -> Evaluate:
    return _equipoise(evaluate.snapshot(count, eligibility={"all": evaluate.CLAUSES}), unit, attributes)


def in_part_of_a_layer(count: int, unit: str, attributes: dict[str, Any]) -> Evaluate:
    return _equipoise(_snapshot(count), unit, attributes)


def _equipoise(document: dict[str, Any], unit: str, attributes: dict[str, Any]) -> Evaluate:
    compiled = compile_snapshot(document)
    context = {"units": {"user": unit}, "attributes": attributes}
    return lambda key: compiled.evaluate(key, context, False).value


def _snapshot(count: int) -> dict[str, Any]:
    return evaluate.snapshot(count, eligibility={"all": evaluate.CLAUSES}, slots=evaluate.MOST_SLOTS)


def eppo(count: int, unit: str, attributes: dict[str, Any]) -> Evaluate:
    module = importlib.import_module("eppo_client")
    config = importlib.import_module("eppo_client.config")
    logger = importlib.import_module("eppo_client.assignment_logger").AssignmentLogger()
    flags = {f"flag{n}": _eppo_flag(f"flag{n}") for n in range(count)}
    written = {
        "createdAt": "2026-01-01T00:00:00.000Z",
        "format": "SERVER",
        "environment": {"name": "bench"},
        "flags": flags,
    }
    configuration = importlib.import_module("eppo_client._eppo_client").Configuration(
        flags_configuration=json.dumps(written).encode()
    )
    client = module.init(
        config.Config(
            api_key="none",
            assignment_logger=logger,
            poll_interval_seconds=None,
            initial_configuration=configuration,
        )
    )
    return lambda key: client.get_boolean_assignment(key, unit, attributes, False)


def _eppo_flag(key: str) -> dict[str, Any]:
    conditions = [
        {"attribute": "country", "operator": "ONE_OF", "value": COUNTRIES},
        {"attribute": "plan", "operator": "ONE_OF", "value": ["pro"]},
        {"attribute": "age", "operator": "GTE", "value": 18},
    ]
    splits = [
        {
            "variationKey": name,
            "shards": [{"salt": f"{key}-split", "ranges": [{"start": start, "end": start + 5000}]}],
        }
        for name, start in (("off", 0), ("on", 5000))
    ]
    allocation = {"key": "trial", "rules": [{"conditions": conditions}], "splits": splits, "doLog": False}
    variations = {"on": {"key": "on", "value": True}, "off": {"key": "off", "value": False}}
    head = {"key": key, "enabled": True, "variationType": "BOOLEAN", "totalShards": 10000}
    return {**head, "variations": variations, "allocations": [allocation]}


def growthbook(count: int, unit: str, attributes: dict[str, Any]) -> Evaluate:
    module = importlib.import_module("growthbook")
    condition = {"country": {"$in": COUNTRIES}, "plan": "pro", "age": {"$gte": 18}}
    features = {
        f"flag{n}": {
            "defaultValue": False,
            "rules": [
                {
                    "condition": condition,
                    "key": f"flag{n}-trial",
                    "variations": [False, True],
                    "weights": [0.5, 0.5],
                    "coverage": 1,
                    "hashAttribute": "id",
                }
            ],
        }
        for n in range(count)
    }
    client = module.GrowthBook(attributes={"id": unit, **attributes}, features=features)
    return lambda key: client.eval_feature(key).value


def launchdarkly(count: int, unit: str, attributes: dict[str, Any]) -> Evaluate:
    client_module = importlib.import_module("ldclient")
    files = importlib.import_module("ldclient.integrations").Files
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flags.json"
        path.write_text(
            json.dumps({"flags": {f"flag{n}": _launchdarkly_flag(f"flag{n}") for n in range(count)}})
        )
        source = files.new_data_source(paths=[str(path)])
        config = client_module.config.Config("none", update_processor_class=source, send_events=False)
        client = client_module.client.LDClient(config, start_wait=10)
    builder = client_module.Context.builder(unit)
    for name, value in attributes.items():
        builder.set(name, value)
    context = builder.build()
    return lambda key: client.variation(key, context, False)


def _launchdarkly_flag(key: str) -> dict[str, Any]:
    clauses = [
        {"attribute": "country", "op": "in", "values": COUNTRIES},
        {"attribute": "plan", "op": "in", "values": ["pro"]},
        {"attribute": "age", "op": "greaterThanOrEqual", "values": [18]},
    ]
    split = [{"variation": 0, "weight": 50_000}, {"variation": 1, "weight": 50_000}]
    rule = {"id": "r", "clauses": clauses, "rollout": {"kind": "experiment", "seed": 7, "variations": split}}
    head = {"key": key, "version": 1, "on": True, "salt": key, "variations": [False, True]}
    return {**head, "rules": [rule], "fallthrough": {"variation": 0}, "offVariation": 0}


def unleash(count: int, unit: str, attributes: dict[str, Any]) -> Evaluate:
    module = importlib.import_module("UnleashClient")
    cache = importlib.import_module("UnleashClient.cache").FileCache("bench", directory=tempfile.mkdtemp())
    cache.bootstrap_from_dict({"version": 2, "features": [_unleash_flag(f"flag{n}") for n in range(count)]})
    client = module.UnleashClient(
        "http://127.0.0.1:9", "bench", cache=cache, disable_metrics=True, disable_registration=True
    )
    client.initialize_client(fetch_toggles=False)
    properties = {name: str(value) for name, value in attributes.items()}
    context = {"userId": unit, "properties": properties}
    return lambda key: client.get_variant(key, context)["name"] == "on"


def _unleash_flag(key: str) -> dict[str, Any]:
    constraints = [
        {"contextName": "country", "operator": "IN", "values": COUNTRIES},
        {"contextName": "plan", "operator": "IN", "values": ["pro"]},
        {"contextName": "age", "operator": "NUM_GTE", "value": "18"},
    ]
    variants = [{"name": name, "weight": 500, "stickiness": "userId"} for name in ("off", "on")]
    parameters = {"rollout": "100", "stickiness": "userId", "groupId": key}
    strategy = {
        "name": "flexibleRollout",
        "parameters": parameters,
        "constraints": constraints,
        "variants": variants,
    }
    return {"name": key, "type": "experiment", "enabled": True, "strategies": [strategy], "variants": []}


def statsig(count: int, unit: str, attributes: dict[str, Any]) -> Evaluate:
    module = importlib.import_module("statsig_python_core")
    kept = importlib.import_module("statsig_python_core.data_store")
    specs = json.dumps(_statsig_specs(count))

    class Store(kept.DataStore):  # type: ignore[name-defined,misc]  # the peer is not there when types are checked
        def get(self, _key: str) -> Any:
            return kept.DataStoreResponse(specs, 1)

    options = module.StatsigOptions(
        data_store=Store(), disable_network=True, disable_all_logging=True, output_log_level="none"
    )
    client = module.Statsig("secret-none", options)
    client.initialize().wait()
    user = module.StatsigUser(user_id=unit, custom=attributes)
    return lambda key: client.check_gate(user, key)


def _statsig_specs(count: int) -> dict[str, Any]:
    def condition(operator: str, value: object, field: str) -> dict[str, Any]:
        head = {"type": "user_field", "operator": operator, "targetValue": value, "field": field}
        return {**head, "additionalValues": {}, "idType": "userID"}

    def gate(key: str) -> dict[str, Any]:
        rule = {"name": "r", "id": "r", "groupName": "r", "passPercentage": 50, "returnValue": True}
        rule |= {"conditions": ["country", "plan", "age"], "salt": f"{key}-r", "idType": "userID"}
        head = {
            "name": key,
            "type": "feature_gate",
            "entity": "feature_gate",
            "salt": key,
            "idType": "userID",
        }
        return {
            **head,
            "enabled": True,
            "defaultValue": False,
            "rules": [rule],
            "version": 1,
            "checksum": key,
        }

    conditions = {
        "country": condition("any", COUNTRIES, "country"),
        "plan": condition("any", ["pro"], "plan"),
        "age": condition("gte", 18, "age"),
    }
    empty = (
        "dynamic_configs",
        "layer_configs",
        "layers",
        "id_lists",
        "experiment_to_layer",
        "sdk_configs",
        "sdk_flags",
    )
    gates = {f"flag{n}": gate(f"flag{n}") for n in range(count)}
    head = {"has_updates": True, "time": 1, "checksum": "1", "company_lcut": 1, "app_id": "bench"}
    return {**head, **{name: {} for name in empty}, "feature_gates": gates, "condition_map": conditions}


PEERS: dict[str, Build] = {
    OURS: equipoise,
    OURS_TWICE: in_part_of_a_layer,
    "eppo-server-sdk": eppo,
    "statsig-python-core": statsig,
    "growthbook": growthbook,
    "launchdarkly-server-sdk": launchdarkly,
    "unleashclient": unleash,
}


def does_the_work(build: Build) -> bool:
    """A peer must give both arms to those who are eligible, and none to others."""
    eligible = {build(1, f"unit-{n}", WANTED)("flag0") for n in range(12)}
    others = {build(1, f"unit-{n}", {**WANTED, "country": "US"})("flag0") for n in range(3)}
    return eligible == {True, False} and others == {False}


def built(count: int, attributes: dict[str, Any], names: list[str]) -> dict[str, Evaluate]:
    return {name: PEERS[name](count, UNIT, attributes) for name in names}


def spent(evaluates: dict[str, Evaluate], keys: list[str]) -> dict[str, float]:
    """Return the best nanoseconds of an evaluation; in turns, so that all meet the same machine."""
    loops = {name: _loops(one, keys) for name, one in evaluates.items()}
    best = dict.fromkeys(evaluates, float("inf"))
    gc.disable()
    for _ in range(ROUNDS):
        for name, one in evaluates.items():
            best[name] = min(best[name], _seconds(one, keys, loops[name]) / loops[name] / len(keys) * 1e9)
    gc.enable()
    return best


def _loops(one: Evaluate, keys: list[str]) -> int:
    for key in keys:  # what is made on first use is made
        one(key)
    return max(1, int(SECONDS_EACH / max(_seconds(one, keys, 1), 1e-7)))


def _seconds(one: Evaluate, keys: list[str], loops: int) -> float:
    started = time.process_time()
    for _ in range(loops):
        for key in keys:
            one(key)
    return time.process_time() - started


def table(title: str, found: dict[str, float]) -> None:
    print(f"\n{title}")
    for name, nanoseconds in sorted(found.items(), key=lambda item: item[1]):
        ratios = "".join(f"{nanoseconds / found[ours]:8.2f} ×" for ours in (OURS, OURS_TWICE))
        print(f"  {name:26}{nanoseconds:10,.0f} ns{ratios}")


def main() -> None:
    logging.disable(logging.CRITICAL)
    names = []
    for name, build in PEERS.items():
        try:
            names += [name] if does_the_work(build) else []
        except Exception as cause:  # noqa: BLE001 - a peer that does not run here is told, and left out
            print(f"{name} does not run here: {type(cause).__name__}: {cause}")
    print("does the work:", ", ".join(names))
    print("equipoise_engine is", evaluate.KIND)
    one = ["flag0"] * 100  # so that the loop around them costs next to nothing
    table("one flag, 20 attributes", spent(built(1, MANY, names), one))
    table("one flag, 3 attributes", spent(built(1, WANTED, names), one))
    keys = [f"flag{n}" for n in range(1_000)]
    everything = built(1_000, MANY, names)
    compiled = compile_snapshot(_snapshot(1_000))
    context = {"units": {"user": UNIT}, "attributes": MANY}
    found = spent(everything, keys)
    together = spent({"together": lambda _: compiled.evaluate_all(context)}, ["all"])["together"]
    table("1,000 flags for one unit, for each flag", {**found, "equipoise, 2 hashes, all": together / 1_000})


if __name__ == "__main__":
    main()
