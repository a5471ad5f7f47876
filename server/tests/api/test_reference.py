"""The reference of the management API says what there is."""

from __future__ import annotations

import json
import re

from api_reference import PAGE, with_operations

from equipoise_server.api.problems import plain_problem
from equipoise_server.api.reading import MOST_ITEMS


def test_every_operation_is_in_the_reference() -> None:
    page = PAGE.read_text()
    assert with_operations(page) == page, "run: python server/tests/api_reference.py"


def test_every_code_of_the_table_of_problems_is_one_that_the_api_answers() -> None:
    rows = re.findall(r"^\| (\d{3}) \| (\w+) \|", PAGE.read_text(), flags=re.MULTILINE)
    told = {(int(status), code) for status, code in rows}
    answered = {(s, json.loads(plain_problem(s, "").content)["code"]) for s in (400, 401, 403, 404, 405, 413)}
    assert answered <= told


def test_the_limit_of_lists_is_the_one_that_holds() -> None:
    assert f"1 to {MOST_ITEMS} (50)" in PAGE.read_text()
