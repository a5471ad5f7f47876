"""What Snowflake and Trino would be asked: compiled, never run. A change of it is seen and meant."""

from __future__ import annotations

import pytest
import sqlglot
from compiled_texts import ENGINES, kept_at, text_of

from equipoise_server.analysis.dialects.engines import Engine

each_engine = pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.dialect)


@each_engine
def test_the_text_is_the_one_that_is_kept(engine: Engine) -> None:
    assert text_of(engine) == kept_at(engine).read_text(), (
        "python server/tests/compiled_texts.py writes it anew"
    )


@each_engine
def test_the_text_is_of_the_engines_grammar(engine: Engine) -> None:
    statements = sqlglot.parse(text_of(engine), dialect=engine.dialect)
    assert len(statements) == 5
    assert all(statement is not None for statement in statements)
