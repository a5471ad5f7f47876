"""A real Prometheus answers as the one of the tests does: values, labels, windows, words about faults."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from health_scene import PLAN
from people import NOW

from equipoise_server.health.asking import look
from equipoise_server.health.values import Comparison, Finding, Plan, Reduction, State, Why
from equipoise_server.sources.values import Connection, ConnectionKind

pytestmark = pytest.mark.prometheus
SECONDS = NOW.timestamp()
PER_VARIANT = {"grey": (1_000, 10), "green": (500, 45)}
RATE = "sum by (variant) (increase(errors_total[10m])) / sum by (variant) (increase(requests_total[10m]))"


def history() -> str:
    """Twenty minutes of two pods' counters, as OpenMetrics."""
    lines = []
    for place, name in enumerate(("requests", "errors")):
        lines.append(f"# TYPE {name} counter")
        for variant, counts in PER_VARIANT.items():
            for pod in ("a", "b"):
                labels = f'{{variant="{variant}",pod="{pod}"}}'
                lines += [
                    f"{name}_total{labels} {counts[place] * minute} {SECONDS + 60 * (minute - 20)}"
                    for minute in range(21)
                ]
    return "\n".join([*lines, "# EOF\n"])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a Prometheus with that history listens."""
    directory = tmp_path_factory.mktemp("prometheus")
    samples, config, data = directory / "samples", directory / "prometheus.yml", directory / "data"
    samples.write_text(history())
    config.write_text("scrape_configs: []\n")
    made = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(samples), str(data)]
    subprocess.run(made, check=True, capture_output=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with _running(config, data, address):
        yield f"http://{address}"


@contextmanager
def _running(config: Path, data: Path, address: str) -> Iterator[None]:
    """A Prometheus that answers; it says by itself when it is ready."""
    command = [
        "prometheus", f"--config.file={config}", f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=100y", f"--web.listen-address={address}",
    ]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said: list[str] = []
        try:
            for line in process.stderr:
                said.append(line)
                if "ready to receive web requests" in line:
                    break
            else:
                raise AssertionError("".join(said))
            yield
        finally:
            process.terminate()
            process.stderr.read()


@pytest.fixture(autouse=True)
def _allowed(settings: pytest.FixtureRequest) -> None:
    settings.SOURCE_HOSTS = ("127.0.0.1",)


def found(place: str, plan: Plan) -> Finding:
    connection = Connection(uuid4(), uuid4(), "prometheus", ConnectionKind.PROMETHEUS, place)
    return look(connection, plan, now=NOW)


def test_each_variant_has_its_share_of_errors(place: str) -> None:
    seen = found(place, replace(PLAN, query=RATE))
    assert (seen.state, {one.variant: one.value for one in seen.readings}) == (
        State.FAILING, {"grey": pytest.approx(0.01), "green": pytest.approx(0.09)},
    )  # fmt: skip


def test_a_treatment_is_held_against_control(place: str) -> None:
    plan = replace(PLAN, query=RATE, comparison=Comparison.RATIO, control="grey", bound=10.0)
    seen = found(place, plan)
    assert (seen.state, seen.readings[1].compared) == (State.PASSING, pytest.approx(9.0))
    assert found(place, replace(plan, bound=8.0)).state is State.FAILING


def test_a_sample_is_counted(place: str) -> None:
    sample = "sum by (variant) (increase(requests_total[10m]))"
    plan = replace(PLAN, query=RATE, sample_query=sample, least_sample=15_000.0)
    seen = found(place, plan)
    assert [one.sample for one in seen.readings] == [pytest.approx(20_000), pytest.approx(10_000)]
    assert (seen.readings[0].state, seen.readings[1].why) == (State.PASSING, Why.TOO_FEW)


def test_a_window_is_reduced(place: str) -> None:
    plan = replace(PLAN, query="sum by (variant) (errors_total)", window_seconds=600, bound=1e9)
    last = found(place, plan).readings[1].value
    mean = found(place, replace(plan, reduction=Reduction.MEAN)).readings[1].value
    lowest = found(place, replace(plan, reduction=Reduction.LOWEST)).readings[1].value
    assert (last, lowest) == (2 * 45 * 20, 2 * 45 * 10)
    assert lowest is not None
    assert mean is not None
    assert lowest < mean < 2 * 45 * 20


def test_a_number_and_one_value_for_the_whole_flag(place: str) -> None:
    whole = replace(PLAN, label="", variants={}, bound=1e9)
    assert (
        found(place, replace(whole, query="scalar(sum(requests_total))")).readings[0].value == 2 * 1_500 * 20
    )
    assert found(place, replace(whole, query="sum(requests_total)")).state is State.PASSING


@pytest.mark.parametrize(
    ("query", "why", "named"),
    [
        ("sum by (variant) (", Why.BAD_QUERY, "parse error"),
        ("sum by (variant) (nothing_total)", Why.NO_DATA, "it yields nothing"),
        ("sum(requests_total)", Why.MISSING_LABEL, "sum by (variant)"),
        ("requests_total", Why.SEVERAL_SERIES, "pod"),
        ("sum by (variant) (requests_total) * 0 / 0", Why.NOT_A_NUMBER, "division by nothing"),
        ("sum by (variant) (requests_total{variant='grey'})", Why.NO_DATA, "there is “grey”"),
    ],
)  # fmt: skip
def test_each_fault_has_its_name(place: str, query: str, why: Why, named: str) -> None:
    seen = found(place, replace(PLAN, query=query, bound=1e9))
    assert (seen.state, seen.why) == (State.UNKNOWN, why)
    assert named in seen.told
