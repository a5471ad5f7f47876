"""The statements of warehouses that nobody here can run, as they are kept; running this writes them anew."""

from __future__ import annotations

from pathlib import Path

from engine_runs import statements_of
from histories import DEFINITIONS, EVERY, STARTS, a_plan, instant
from plain_units import DAY

from equipoise_server.analysis.dialects.compiled import Snowflake, Trino
from equipoise_server.analysis.dialects.engines import Engine
from equipoise_server.analysis.plan import Span

KEPT = Path(__file__).parent / "analysis" / "dialects" / "compiled"
ENGINES: tuple[Engine, ...] = (Snowflake(), Trino())
_SPAN = Span(instant(STARTS + 5 * DAY), instant(STARTS + 3 * DAY))
_FEW = ("bought", "basket")


def text_of(engine: Engine) -> str:
    """Units of every kind of metric, the sums of two of them, and histograms."""
    statements = statements_of(engine, a_plan(EVERY), _SPAN, is_laid_out=True)
    few = a_plan({name: DEFINITIONS[name] for name in _FEW})
    statements["sums"] = statements_of(engine, few, _SPAN, is_laid_out=True)["sums"]
    return "\n".join(f"-- {name}\n{statement};\n" for name, statement in statements.items())


def kept_at(engine: Engine) -> Path:
    """Where an engine's text is kept."""
    return KEPT / f"{engine.dialect}.sql"


if __name__ == "__main__":
    for one in ENGINES:
        kept_at(one).write_text(text_of(one))
