"""The rows that a check finds, as in the source."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from retention_kit.data.checks import sets_aside
from retention_kit.data.cleaning.quality import queries_of_rows
from retention_kit.data.cleaning.raw_columns import added_columns, is_capped
from retention_kit.data.engines.sql_text import literal, quote
from retention_kit.data.readers.union import FILE, UNKNOWN
from retention_kit.errors import UnknownNameError, check_choice
from retention_kit.lazy import pd

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset

MOST = 1_000  # rows of a table that are fetched
_LEFT_OUT = {  # SQL of the rows that `where` leaves out of a source
    "left out by where": f"NOT {UNKNOWN}",
    "where is neither true nor false": UNKNOWN,
    "order cut in half by where": "CAST(order_id AS VARCHAR) IN (SELECT CAST(order_id AS VARCHAR) FROM {kept})",
}

_OF_CUSTOMERS = {  # SQL of a row for each customer, ticket or invitation that a check of a side table counts
    "several rows of one customer": "SELECT _row FROM known_customers_typed WHERE problem IS NULL AND place > 1",
    "never new: there before the data begin": "SELECT min(_row) AS _row FROM known_customers_typed WHERE "
    "problem IS NULL AND customer_id IN ({seen}) GROUP BY customer_id",
    "not in the data": "SELECT min(_row) AS _row FROM known_customers_typed WHERE "
    "problem IS NULL AND customer_id NOT IN ({seen}) GROUP BY customer_id",
    "ticket of nobody in the other tables": "SELECT _row FROM tickets_typed WHERE "
    "problem IS NULL AND customer_id NOT IN ({seen})",
    "still open to an answer": "SELECT _row FROM invitations WHERE NOT is_over",
}


class Rows(NamedTuple):
    """The number of rows that a check finds in a table, and the first of them.

    `frame` has rows of the table: check, row (its number), file, then the columns of the source. `lines` has lines that
    are no rows, such as footers: check, file, line (row of a sheet), text.
    """

    rows: int
    frame: pd.DataFrame
    lines: pd.DataFrame


def rows_of(data: Dataset, check: str | None = None) -> dict[str, Rows]:
    """The rows of a check by table; by default of all checks that exclude rows, and lines outside the tables.

    Raises UnknownNameError for a check that finds no rows, DataError if only saved summaries are available.
    """
    data.live_engine  # noqa: B018, raises where there are no rows
    findings = data.quality[data.quality["check"] != "rows read"]
    if check is not None:
        template = "No row is in a check called {check!r}: {hint}"
        check_choice(UnknownNameError, template, sorted(set(findings["check"])), check=check)
    outside = {
        finding.check
        for parts in data.parts.values()
        for part in parts
        for finding in part.findings
        if finding.examples
    }
    names = dict.fromkeys(findings["check"])
    selected = [check] if check else [name for name in names if sets_aside(name) or name in outside]
    rows_by_table = {}
    for table, rows in findings[findings["check"].isin(selected)].groupby("table", sort=False):
        checks = list(dict.fromkeys(rows["check"]))
        rows_by_table[table] = Rows(int(rows["rows"].sum()), _frame(data, table, checks), _lines(data, table, checks))
    return rows_by_table


def _lines(data: Dataset, table: str, checks: list[str]) -> pd.DataFrame:
    findings = [finding for part in data.parts.get(table, ()) for finding in part.findings if finding.check in checks]
    lines = [(finding.check, finding.file, line, text) for finding in findings for line, text in finding.examples]
    return pd.DataFrame(lines, columns=["check", "file", "line", "text"])


def _frame(data: Dataset, table: str, checks: list[str]) -> pd.DataFrame:
    frames = [_rows_in_table(data, table, [name for name in checks if name not in _LEFT_OUT])]
    for check in [name for name in checks if name in _LEFT_OUT]:
        for source in [source for source in data.parts.get(table, ()) if source.left_out]:
            columns = _original_columns(data, table, source.left_out)
            frames.append(
                data.live_engine.frame(
                    f"SELECT {literal(check)} AS {quote('check')}{columns} FROM {source.left_out} AS source_rows WHERE "
                    f"{_LEFT_OUT[check].format(kept=source.name)} LIMIT {MOST}"
                )
            )
    if not (frames := [frame for frame in frames if not frame.empty]):
        return pd.DataFrame()
    frame = pd.concat(frames, ignore_index=True).head(MOST)
    return frame.astype({"row": "Int64"}) if "row" in frame else frame


def _rows_in_table(data: Dataset, table: str, checks: list[str]) -> pd.DataFrame:
    judged = [
        f"SELECT _row, problem AS check_name FROM {table}_typed WHERE problem IN "
        f"({', '.join(map(literal, checks)) or 'NULL'})",
        *queries_of_rows(table, checks),
        *_rows_of_customers(data, table, checks),
    ]
    if "line kept with its order" in checks:
        judged.append(f"SELECT _row, 'line kept with its order' AS check_name FROM {table}_raw WHERE {UNKNOWN}")
    files = [name for source in data.parts.get(table, ()) for name in source.files]
    file_column = ""
    if files:
        cases = " ".join(
            f"WHEN source_rows._source = {number} AND source_rows.{FILE} = {index} THEN {literal(name)}"
            for number, source in enumerate(data.parts[table])
            for index, name in enumerate(source.files)
        )
        file_column = f', CASE {cases} END AS "file"'
    return data.live_engine.frame(
        'SELECT judged.check_name AS "check", source_rows._row AS '
        f'"row"{file_column}{_original_columns(data, table, f"{table}_raw")} '
        f"FROM {table}_raw AS source_rows JOIN ({' UNION ALL '.join(judged)}) AS judged "
        f"ON judged._row = source_rows._row ORDER BY source_rows._row, judged.check_name LIMIT {MOST}",
        **data.known,
        is_cut=is_capped(data.live_engine, table),
    )


def _rows_of_customers(data: Dataset, table: str, checks: list[str]) -> list[str]:
    """SQL for the rows that checks of a side table count by customer: their number and the check's name."""
    known_from = [name for name in data.tables if table == "tickets" or name != "responses"]
    known_ids = " UNION ".join(f"SELECT customer_id FROM {name} WHERE customer_id IS NOT NULL" for name in known_from)
    return [
        f"SELECT _row, {literal(check)} AS check_name FROM ({_OF_CUSTOMERS[check].format(seen=known_ids)}) AS counted"
        for check in checks
        if check in _OF_CUSTOMERS
    ]


def _original_columns(data: Dataset, table: str, relation: str) -> str:
    added = {column.strip('"') for column in added_columns(table)}
    taken = {"check", "row", "file"}
    return "".join(
        f", source_rows.{quote(name)}" + (f" AS {quote(f'{name} (theirs)')}" if name.lower() in taken else "")
        for name in data.live_engine.types(relation)
        if name not in added
    )
