"""The page of the studies' results says what is kept of them, and leaves out none."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from simulations.drawing import drawing
from simulations.page import FOLDER, PAGE, RESULTS, files, page, title
from simulations.stored import CI_SIZE, FULL_SIZE, Kept, main, read, run, study_names, write
from simulations.study import Row, StudyResult

KEPT = read(FOLDER / RESULTS)


def kept(*rows: Row, size: str = FULL_SIZE) -> Kept:
    return Kept("does it?", size, 61.0, StudyResult("S0 a trial", 1000, rows))


def test_every_study_has_its_results_on_the_page() -> None:
    assert list(KEPT) == study_names()
    text = (FOLDER / PAGE).read_text()
    for one in KEPT.values():
        assert f"| [{title(one)}](#" in text
        assert f"\n## {title(one)}\n" in text


@pytest.mark.parametrize("path", files(KEPT))
def test_the_page_is_what_its_results_say(path: str) -> None:
    assert (FOLDER / path).read_text() == files(KEPT)[path], "run `make simulations-page`"


def test_no_drawing_outlives_its_study() -> None:
    drawn = {str(path.relative_to(FOLDER)) for path in (FOLDER / "simulations").iterdir()}
    assert drawn == files(KEPT).keys() - {PAGE}


def test_every_result_on_the_page_holds() -> None:
    assert [name for name, one in KEPT.items() if not one.result.passed] == []


def test_a_number_out_of_its_range_is_said_to_be_so() -> None:
    text = page({"s00_trial": kept(Row("a", 2.0, 0.0, 1.0), Row("b|c", 0.5, 0.0, 1.0, is_foil=True))})
    assert "| 1,000 | 1 of 2 | **does not hold** |" in text
    assert "| a | 0 to 1 | 2 | **does not hold** |" in text
    assert "| *foil:* b\\|c | 0 to 1 | 0.5 | holds |" in text
    assert "## S0 A trial" in text


def test_a_small_run_is_not_passed_off_as_a_full_one() -> None:
    assert "| that of each build | 1,000 |" in page({"s00_trial": kept(size=CI_SIZE)})


@pytest.mark.parametrize(
    ("row", "kind", "place"),
    [
        (Row("in the middle", 0.5, 0.0, 1.0), "seen", 540.0),
        (Row("a foil", 0.5, 0.0, 1.0, is_foil=True), "foil", 540.0),
        (Row("exactly", 1.0, 1.0, 1.0), "seen", 540.0),
        (Row("above a single value", 2.0, 1.0, 1.0), "out", 660.0),
        (Row("below a single value", 0.0, 1.0, 1.0), "out", 420.0),
        (Row("no upper limit", 7.0, 1.0, float("inf")), "seen", 540.0),
        (Row("far above", 99.0, 0.0, 1.0), "out", 660.0),
        (Row("far < below & out", -99.0, 0.0, 1.0), "out", 420.0),
    ],
)
def test_a_dot_stands_where_its_number_lies(row: Row, kind: str, place: float) -> None:
    drawn = ET.fromstring(drawing(StudyResult("S0 a trial", 1, (row,))))
    dot = drawn.find("{*}circle")
    assert dot is not None
    assert (dot.get("class"), float(dot.get("cx", "nan"))) == (kind, place)


def test_results_survive_the_file(tmp_path: Path) -> None:
    held = {
        "s00_trial": kept(
            Row("open", 0.5, float("-inf"), float("inf")), Row("b", 1.0, 0.0, 2.0, is_foil=True)
        )
    }
    write(tmp_path / "found.json", held)
    assert read(tmp_path / "found.json") == held
    assert read(tmp_path / "nothing.json") == {}


def test_a_named_study_is_run_and_kept_beside_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "found.json"
    write(file, {"s00_trial": kept()})
    assert main([str(file), "--ci", "s04_power"]) == 0
    assert "S4 Power and time" in capsys.readouterr().out
    found = read(file)
    assert list(found) == ["s00_trial", "s04_power"]
    assert found["s04_power"].size == CI_SIZE
    assert found["s04_power"].asks == run("s04_power", size=CI_SIZE).asks == KEPT["s04_power"].asks
