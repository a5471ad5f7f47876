"""Reads a past experiment’s file (CSV, gzipped or not, or Parquet) and tells all that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from sqlglot import exp

from equipoise_server.analysis.import_mapping import ImportMapping, OutcomeKind
from equipoise_server.events.values import LARGEST_VALUE, LONGEST_UNIT_BYTES
from equipoise_server.foundation.refusals import Invalid, Problem, refuse_all

SUFFIXES = (".csv", ".csv.gz", ".parquet")
ROWS_AT_ONCE = 20_000
MOST_EXAMPLES = 10


@dataclass(frozen=True, slots=True)
class PastUnit:
    """One row: the unit, the variant's value, when, its outcomes in order, and its covariates."""

    row: int
    unit: str
    variant: str
    at: datetime
    outcomes: tuple[float, ...]
    covariates: dict[str, object]


class PastTable:
    """The file as one table of texts, checked once and read in chunks."""

    def __init__(self, path: Path, mapping: ImportMapping) -> None:
        self._mapping = mapping
        self._database = duckdb.connect(":memory:", config={"threads": 2})
        self._database.execute("SET TimeZone = 'UTC'")
        self._load(path)

    def close(self) -> None:
        """Give the memory back."""
        self._database.close()

    def span(self) -> tuple[datetime, datetime]:
        """The first and the last instant of exposure."""
        if self._mapping.time.at is not None:
            return self._mapping.time.at, self._mapping.time.at
        query = exp.select(exp.func("MIN", _at()), exp.func("MAX", _at())).from_("past")
        first, last = self._rows(query)[0]
        return first.replace(tzinfo=UTC), last.replace(tzinfo=UTC)

    def units(self) -> Iterator[PastUnit]:
        """Every row, in the order of the file."""
        mapping = self._mapping
        outcomes = [_outcome(place) for place in range(len(mapping.outcomes))]
        covariates = [_past(f"covariate{place}") for place in range(len(mapping.covariates))]
        at = _at() if mapping.time.column else exp.Null()
        query = exp.select(_past("row"), _past("unit"), _past("variant"), at, *outcomes, *covariates)
        cursor = self._database.execute(query.from_("past").order_by(_past("row")).sql(dialect="duckdb"))
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            for row in rows:
                measured = row[4 : 4 + len(outcomes)]
                known = zip(mapping.covariates, row[4 + len(outcomes) :], strict=True)
                seen_at = mapping.time.at or row[3].replace(tzinfo=UTC)
                yield PastUnit(
                    row[0], row[1], row[2], seen_at, measured,
                    {name: _number_or_text(text) for name, text in known if text is not None},
                )  # fmt: skip

    def _load(self, path: Path) -> None:
        """Load the mapped columns under names of our own, every value as text."""
        reader = "read_parquet" if path.name.endswith(".parquet") else "read_csv"
        options = [] if reader == "read_parquet" else [_option("all_varchar"), _option("header")]
        source = exp.Anonymous(this=reader, expressions=[exp.Literal.string(str(path)), *options])
        table = exp.Table(this=source, alias=exp.TableAlias(this=exp.to_identifier("source")))
        try:
            held = self._database.execute(
                exp.select("*").from_(table.copy()).limit(0).sql(dialect="duckdb")
            ).description
            columns = {column[0] for column in held or ()}
            self._refuse_unknown(columns)
            named = [exp.alias_(_source_text(column), name) for name, column in self._named()]
            place = exp.Window(this=exp.RowNumber())
            unit = (
                [] if self._mapping.unit.column else [exp.alias_(exp.cast(place.copy(), "VARCHAR"), "unit")]
            )
            query = exp.select(exp.alias_(place, "row"), *unit, *named).from_(table)
            self._database.execute(query.ctas("past").sql(dialect="duckdb"))
        except duckdb.Error as fault:
            told = str(fault).splitlines()[0]
            raise Invalid(
                Problem("file", f"The file cannot be read as {reader[5:].upper()}: {told}")
            ) from fault

    def _named(self) -> Iterator[tuple[str, str]]:
        mapping = self._mapping
        if mapping.unit.column:
            yield "unit", mapping.unit.column
        yield "variant", mapping.variant.column
        if mapping.time.column:
            yield "time_text", mapping.time.column
        yield from ((f"outcome{place}", one.column) for place, one in enumerate(mapping.outcomes))
        yield from ((f"covariate{place}", column) for place, column in enumerate(mapping.covariates))

    def _refuse_unknown(self, held: set[str]) -> None:
        if len(held) == 1 and any(mark in name for name in held for mark in ",;\t|"):
            raise Invalid(
                Problem(
                    "file",
                    f"Some rows do not have the columns of the first line ({', '.join(held)}): look for a"
                    " missing or an extra value, or a quotation mark that is not closed.",
                )
            )
        known = ", ".join(sorted(held)[:50])
        refuse_all(
            Invalid,
            [
                Problem(path, f"The file has no column “{column}”; it has {known}.")
                for path, column in self._mapping.columns()
                if column not in held
            ],
        )

    def refuse_faults(self) -> None:
        """Refuse with everything that is wrong with the rows."""
        problems = [*self._variant_problems(), *self._unit_problems(), *self._time_problems()]
        for place in range(len(self._mapping.outcomes)):
            problems += self._outcome_problems(place)
        refuse_all(Invalid, problems)

    def _variant_problems(self) -> Iterator[Problem]:
        variant = _past("variant")
        query = exp.select(variant, exp.Count(this=exp.Star())).from_("past").group_by("1").order_by("2 DESC")
        held = dict(self._rows(query))
        if not held:
            yield Problem("file", "The file has no rows.")
            return
        mapped = {arm.value for arm in self._mapping.variant.arms}
        strangers = [str(value) for value in held if value is not None and value not in mapped]
        if None in held:
            yield Problem("variant.column", f"{held[None]:,} rows have no variant.")
        if strangers:
            listed = ", ".join(f"“{value}”" for value in strangers[:MOST_EXAMPLES])
            yield Problem("variant.arms", f"{len(strangers):,} values of the file are not mapped: {listed}.")
        yield from (
            Problem(f"variant.arms.{place}.value", f"No row has the variant “{arm.value}”.")
            for place, arm in enumerate(self._mapping.variant.arms)
            if arm.value not in held
        )

    def _unit_problems(self) -> Iterator[Problem]:
        unit, variant = _past("unit"), _past("variant")
        length = exp.Anonymous(this="strlen", expressions=[unit])
        missing = exp.or_(exp.Is(this=unit, expression=exp.Null()), unit.copy().eq(""))
        long = exp.GT(this=length, expression=exp.Literal.number(LONGEST_UNIT_BYTES))
        nameless, too_long = self._rows(exp.select(_count_if(missing), _count_if(long)).from_("past"))[0]
        if nameless:
            yield Problem("unit.column", f"{nameless:,} rows name no unit; remove them.")
        if too_long:
            yield Problem("unit.column", f"{too_long:,} units are longer than {LONGEST_UNIT_BYTES} bytes.")
        several = exp.GT(
            this=exp.Count(this=exp.Distinct(expressions=[variant])), expression=exp.Literal.number(1)
        )
        query = exp.select(unit).from_("past").group_by(unit).having(several).order_by(unit)
        crossed = [row[0] for row in self._rows(query)]
        if crossed and not self._mapping.time.column:
            yield Problem(
                "unit.column",
                f"{len(crossed):,} units are in several variants, such as “{crossed[0]}”, and nothing says"
                " which came first; remove them or give time.column.",
            )

    def _time_problems(self) -> Iterator[Problem]:
        if not self._mapping.time.column:
            return
        unreadable = exp.Is(this=_at(), expression=exp.Null())
        query = exp.select(_count_if(unreadable)).from_("past")
        count = self._rows(query)[0][0]
        if count:
            yield Problem(
                "time.column", f"{count:,} rows have no readable instant (ISO 8601, UTC if unsaid)."
            )

    def _outcome_problems(self, place: int) -> Iterator[Problem]:
        outcome = self._mapping.outcomes[place]
        text, value = _past(f"outcome{place}"), _outcome(place)
        no_text = exp.Is(this=text, expression=exp.Null())
        no_number = exp.and_(exp.Not(this=no_text.copy()), exp.Is(this=value, expression=exp.Null()))
        wrong = _wrong(outcome.kind, value)
        missing, unreadable, unfit = self._rows(
            exp.select(_count_if(no_text), _count_if(no_number), _count_if(wrong)).from_("past")
        )[0]
        path = f"outcomes.{place}.column"
        if missing:
            yield Problem(path, f"{missing:,} rows of “{outcome.column}” are empty; write 0 for nothing.")
        if unreadable:
            yield Problem(path, f"{unreadable:,} rows of “{outcome.column}” are not numbers.")
        if unfit:
            fitting = {
                OutcomeKind.CONVERSION: "0 or 1",
                OutcomeKind.COUNT: "whole numbers from 0",
                OutcomeKind.SUM: f"within ±{LARGEST_VALUE:g}",
            }[outcome.kind]
            yield Problem(
                path, f"{unfit:,} rows of “{outcome.column}” do not fit a {outcome.kind}: {fitting}."
            )

    def _rows(self, query: exp.Select) -> Sequence[tuple]:  # type: ignore[type-arg]  # columns differ by query
        rows: Sequence[tuple] = self._database.execute(query.sql(dialect="duckdb")).fetchall()  # type: ignore[type-arg]  # as above
        return rows


def _past(name: str) -> exp.Column:
    return exp.column(name, table="past", quoted=True)


def _source_text(column: str) -> exp.Expr:
    return exp.cast(exp.column(exp.to_identifier(column, quoted=True), table="source"), "VARCHAR")


def _option(name: str) -> exp.Expr:
    return exp.PropertyEQ(this=exp.to_identifier(name), expression=exp.true())


def _at() -> exp.Expr:
    """The row's instant; without a time column, none."""
    zoned = exp.TryCast(this=_past("time_text"), to=exp.DataType.build("TIMESTAMPTZ"))
    return exp.cast(zoned, "TIMESTAMP")  # the session's zone is UTC


def _outcome(place: int) -> exp.Expr:
    """A number; true and false read as 1 and 0."""
    text = _past(f"outcome{place}")
    lower = exp.func("LOWER", text)
    return (
        exp.case()
        .when(lower.eq("true"), exp.cast(exp.Literal.number(1), "DOUBLE"))
        .when(lower.copy().eq("false"), exp.cast(exp.Literal.number(0), "DOUBLE"))
        .else_(exp.TryCast(this=text.copy(), to=exp.DataType.build("DOUBLE")))
    )


def _wrong(kind: OutcomeKind, value: exp.Expr) -> exp.Expr:
    """Whether a readable number does not fit the kind; NaN and infinities fit none."""
    large = exp.Not(
        this=exp.LTE(
            this=exp.func("ABS", value.copy()), expression=exp.Literal.number(f"{LARGEST_VALUE:.0f}")
        )
    )
    if kind is OutcomeKind.CONVERSION:
        return exp.Not(this=value.copy().isin(0, 1))
    if kind is OutcomeKind.COUNT:
        broken = exp.NEQ(this=value.copy(), expression=exp.func("FLOOR", value.copy()))
        return exp.or_(broken, exp.LT(this=value.copy(), expression=exp.Literal.number(0)), large)
    return large


def _count_if(condition: exp.Expr) -> exp.Expr:
    return exp.Count(this=exp.case().when(condition, exp.Literal.number(1)))


def _number_or_text(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text
