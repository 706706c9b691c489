"""Invitations: a link for each customer of a list, and a block for the mailing tool that sends them.

The product never writes to customers: consent and objections are known to the mailing tool.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup, escape

from retention_kit.data.engines.duckdb import DuckDB
from retention_kit.data.engines.private_folders import replace_private
from retention_kit.data.engines.sql_text import literal
from retention_kit.data.readers.sources import read_table, wrap_errors
from retention_kit.data.values.aggregates import AggregateBatch
from retention_kit.data.values.ids import BLANKS, inspect_ids, read_ids
from retention_kit.errors import ReportError, SettingsError
from retention_kit.report.export.csv_files import rows_csv
from retention_kit.settings import Table
from retention_kit.survey.links import check_public_url, make_link
from retention_kit.survey.page import question_text, template
from retention_kit.survey.questions import SCALES
from retention_kit.survey.store import COLUMNS, Store
from retention_kit.survey.words import number, words

FIELD = "{{link}}"  # replaced with a customer's link by the mailing tool


class Invitations(NamedTuple):
    """The files written, and the numbers of customers invited, recently invited, and of rows without an id."""

    files: tuple[Path, ...]
    invited: int
    recent: int
    nobody: int


def read_customers(path: Path) -> tuple[list[str], int]:
    """The distinct ids in the column customer_id of a file, cleaned as those of other tables, and the number of rows
    without an id. Raises DataError if there is no such column.
    """
    engine = DuckDB(files=[path])
    name = "known_customers"  # one of our tables that is a plain list of customers
    source = read_table(engine, name, 0, Table(path=path.name), None, path.parent)
    with wrap_errors(engine.error, path.name):
        engine.define(f"{name}_raw", f"SELECT customer_id FROM {source.name}")
        text = f"nullif(trim(CAST(customer_id AS VARCHAR), {literal(BLANKS)}), '')"
        columns = inspect_ids(AggregateBatch(engine, f"{name}_raw"), engine.types(f"{name}_raw"))
        ids = read_ids(engine, name, {"customer_id": text}, columns, fold=False)
        rows = engine.rows(f"SELECT {ids.sql['customer_id']} FROM {name}_raw")
    customers = [customer for (customer,) in rows if customer]
    return list(dict.fromkeys(customers)), len(rows) - len(customers)


def invite(
    store: Store,
    customers: Iterable[str],
    surveys: Sequence[str],
    public_url: str,
    folder: Path,
    *,
    language: str = "en",
    company: str = "",
    days: int = 90,
    nobody: int = 0,
) -> Invitations:
    """Write a link for each customer who was not invited in the last `days`, and the block for the mailing tool.

    `links-DATE.csv` holds customer_id and link; tokens are stored nowhere else. Nothing is written if all are left out.
    Raises ReportError if a file cannot be written, and then nobody counts as invited.
    """
    url = check_public_url(public_url)
    blocks = mail_block(surveys, language, company)
    with store.invite(customers, surveys, days) as invited:
        if not invited.tokens:
            return Invitations((), 0, invited.recent, nobody)
        rows = [(customer, make_link(url, token, language)) for customer, token in invited.tokens.items()]
        links = _new_name(folder, f"links-{date.today():%Y-%m-%d}")  # noqa: DTZ011, the day on the wall of who sends them
        part = links.with_suffix(".part")  # until the links work
        try:
            _write(part, rows_csv([("customer_id", "link"), *rows]))
            for name, text in blocks.items():
                _write(folder / name, text)
        except ReportError:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise
    part.replace(links)
    return Invitations((links, *(folder / name for name in blocks)), len(rows), invited.recent, nobody)


def mail_block(surveys: Sequence[str], language: str, company: str = "") -> dict[str, str]:
    """The block as HTML and as plain text, by file name: the first survey's numbers as links that preselect a score,
    with `{{link}}` as placeholder for each customer's own link.
    """
    name, texts = surveys[0], words(language)
    low, high = SCALES[name]
    options = [
        {
            "number": number(value, language),
            "link": Markup(escape(f"{FIELD}&{name}={value}")),
            "label": {
                low: f"{number(low, language)}: {texts[name]['low']}",
                high: f"{number(high, language)}: {texts[name]['high']}",
            }.get(value, number(value, language)),
        }
        for value in range(low, high + 1)
    ]
    subject = texts["mail"]["subject" if len(surveys) == 1 else "subject_several"].format(
        company=company or texts["company"]
    )
    question, is_left = question_text(name, language, company), texts["direction"] == "ltr"
    html = template("mail.html.j2").render(
        language=language,
        words=texts,
        subject=subject,
        question=question,
        options=options,
        link=FIELD,
        low=texts[name]["low"],
        high=texts[name]["high"],
        start="left" if is_left else "right",
        end="right" if is_left else "left",
    )
    plain = texts[name]["question"].format(company=company or texts["company"])
    text = f"{subject}\n\n{texts['mail']['greeting']}\n\n{plain}\n\n{texts['mail']['plain']}\n{FIELD}\n"
    return {f"mail.{language}.html": f"{html}\n", f"mail.{language}.txt": text}


def export(store: Store, path: Path) -> int:
    """Write all answers as a `responses` table; returns their number.

    Replaces an earlier export; raises SettingsError if the path is any other file.
    """
    rows = store.responses()
    head = rows_csv([COLUMNS])
    if path.is_file() and not path.read_bytes().startswith(head.encode()):
        template = "{path!r} is there and no export of a survey: name another file with --output."
        raise SettingsError(template, path=str(path))
    texts = [tuple("" if value is None else str(value) for value in row) for row in rows]
    _write(path, rows_csv([COLUMNS, *texts]))
    return len(rows)


def _write(path: Path, text: str) -> None:
    """Write a private file, whole or not at all; raises ReportError if that fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_private(path, text.encode())
    except OSError as error:
        raise ReportError("{path} cannot be written: {reason}.", path=path, reason=error.strerror) from None


def _new_name(folder: Path, stem: str) -> Path:
    """A CSV path that does not exist yet: earlier links cannot be made again."""
    names = [stem, *(f"{stem}-{number}" for number in range(2, 1_000))]
    used = {path.stem for path in folder.glob("links-*")} if folder.is_dir() else set()
    return folder / f"{next(name for name in names if name not in used)}.csv"
