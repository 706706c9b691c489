"""Loads tables: reads, checks and cleans them into a `Dataset`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import date, datetime, time
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from retention_kit.data.cache import Summaries, entry_for
from retention_kit.data.checks import WHEN
from retention_kit.data.choose_engine import given_engine, named_engine
from retention_kit.data.cleaning.pipeline import Cleaning
from retention_kit.data.cleaning.raw_columns import added_columns
from retention_kit.data.customer_columns import check_columns
from retention_kit.data.dataset_display import display_of
from retention_kit.data.engines.duckdb import DuckDB
from retention_kit.data.engines.protocol import Engine
from retention_kit.data.engines.remote import RemoteEngine
from retention_kit.data.engines.sql_text import quote
from retention_kit.data.importing.importer import settings_for
from retention_kit.data.readers.exclusions import lacks_earlier_prices
from retention_kit.data.readers.source_columns import error_sentence
from retention_kit.data.readers.sources import Source, find_tables, read_frame_or_name, read_table, with_invitations
from retention_kit.data.schema import table_name
from retention_kit.data.summary_key import SummaryKey
from retention_kit.errors import DataError, Listed, Phrase, SettingsError, check_choice, nearest_beside, suggestion
from retention_kit.fonts import check_fonts
from retention_kit.lazy import pd
from retention_kit.periods import add_months
from retention_kit.plugins import run_plugins
from retention_kit.settings import SIDE_TABLES, TABLES, Data, Settings, override, read_settings
from retention_kit.wording import money_decimals, sentence

NEW_AFTER = 12  # months of orders after which a customer who is seen for the first time counts as new


@dataclass
class Dataset:
    """Cleaned tables on an engine, and the findings of cleaning.

    `quality` is a frame with the columns table, check, rows and effect; `quarantine` has the excluded rows by table.
    `warnings` are sentences on checks that 5% of the rows or more fail. `as_of` is the local midnight at which
    the data end, and `starts` the first local date in each table.
    """

    settings: Settings
    as_of: date
    starts: dict[str, date]
    tables: tuple[str, ...]
    segments: dict[str, tuple[str, ...]]  # segment column → tables that have it
    quality: pd.DataFrame
    sources: list[dict[str, Any]]  # table, name, sha256
    excluded_columns: dict[str, str] = field(default_factory=dict)  # column that is no segment → why
    warnings: tuple[str, ...] = ()  # on findings so frequent that figures may be wrong, the most frequent first
    behind: tuple[str, ...] = ()  # the warnings on data that end long before as_of, or before other tables
    scale: int = 1  # units of a minor unit: 1, or with several currencies 10,000
    has_known_customers: bool = False  # whether there is a table of customers from before the data begin
    has_tickets: bool = False
    has_invitations: bool = False  # whether there is a table of invitations to surveys
    foreign: tuple[str, ...] = ()  # currencies of paid spells besides the report's
    origin: str = ""  # the path to load again; empty for the sample company
    is_sample: bool = False
    given: dict[str, Any] = field(default_factory=dict)  # settings that were given as keywords
    notice: str = ""  # why nothing is cached, if it was asked for
    engine: Engine | None = field(default=None, repr=False)  # None if there are only saved summaries
    summaries: dict[SummaryKey, Any] = field(default_factory=dict, repr=False)
    parts: dict[str, list[Source]] = field(default_factory=dict, repr=False)  # the sources of each table
    known: dict[str, str] = field(default_factory=dict, repr=False)  # parts of SQL

    def __post_init__(self) -> None:
        if isinstance(self.summaries, Summaries):
            self.summaries = self.summaries.with_settings(self.settings)

    @property
    def live_engine(self) -> Engine:
        """The engine with the rows; raises DataError if only saved summaries are available."""
        if self.engine is None:
            raise DataError("The figures kept for the report hold no rows.")
        return self.engine

    def cached(self, key: SummaryKey, what: str, make: Callable[[], Any]) -> Any:
        """The summary of a key, computed by `make` on first use.

        Raises DataError if only saved summaries are available and it is not one of them; `what` names what they lack,
        such as "no mrr".
        """
        if key not in self.summaries:
            if self.engine is None:
                raise DataError("The figures kept for the report hold {what}.", what=Phrase(what))
            self.summaries[key] = make()
        return self.summaries[key]

    @property
    def basis(self) -> str:
        """The table that defines customers: orders or subscriptions."""
        return self.settings.definitions.basis or next(
            (table for table in TABLES[1::-1] if table in self.tables), "orders"
        )

    @property
    def lacks_earlier_prices(self) -> bool:
        """Whether a source of subscriptions is an export with current prices only, without changes of prices."""
        return any(lacks_earlier_prices(source) for source in self.settings.data.sources("subscriptions"))

    @property
    def start(self) -> date:
        """The first local date in any table."""
        return min(self.starts.values())

    def known_from(self, table: str) -> date:
        """The local date from which on customers who are first seen in a table count as new.

        It is `[data] first_known`, or with a table of `known_customers` the table's start. Without either it is the
        start of subscriptions, and for orders twelve months after their start: customers who are first seen before may
        have bought before the data begin.
        """
        start = self.starts.get(table, self.start)
        if self.has_known_customers:
            return start
        if self.settings.data.first_known:
            return self.settings.data.first_known
        return add_months(start.replace(day=1), NEW_AFTER) if table == "orders" else start

    def may_hold_earlier(self, table: str, begins: date) -> bool:
        """Whether customers who are first seen in a period of a table may be customers from before the data begin.

        `begins` is the first date of the period.
        """
        return max(begins, self.starts.get(table, self.start)) < self.known_from(table)

    @property
    def minor(self) -> int:
        """The number of units of amounts in one unit of the report's currency."""
        return 10 ** money_decimals(self.settings.report.currency) * self.scale

    def _repr_html_(self) -> str:
        return display_of(self).html()

    def __repr__(self) -> str:
        return display_of(self).text()

    @cached_property
    def quarantine(self) -> dict[str, pd.DataFrame]:
        """The excluded rows of each table, as in the source, with the check that each failed."""
        tables = set(self.quality["table"])
        return {name: self._set_aside(name) for name in (*TABLES, *SIDE_TABLES[1:]) if name in tables}

    def _set_aside(self, name: str) -> pd.DataFrame:
        added = {column.strip('"') for column in added_columns(name)}
        columns = [column for column in self.live_engine.types(f"{name}_raw") if column not in added]
        return self.live_engine.frame(
            f'SELECT judged.problem AS "check"{"".join(f", source_rows.{quote(column)}" for column in columns)} FROM '
            f"{name}_raw AS source_rows "
            f"JOIN {name}_typed AS judged ON judged._row = source_rows._row WHERE judged.problem IS NOT NULL ORDER BY "
            "source_rows._row"
        )


_UNCACHED = ("settings", "origin", "is_sample", "given", "notice", "engine", "summaries")
_CACHED = [field.name for field in fields(Dataset) if field.name not in _UNCACHED]


def load(
    source: Any = None,
    *,
    orders: Any = None,
    subscriptions: Any = None,
    responses: Any = None,
    rates: Any = None,
    known_customers: Any = None,
    tickets: Any = None,
    invitations: Any = None,
    **settings: Any,
) -> Dataset:
    """Read, check and clean the tables, and return them as a `Dataset`.

    - `source`: a `retention.toml`; a folder with one, or with tables; or a single file: a table, an export that is
      recognised by its header, or a workbook or database with tables. Or an SQLAlchemy engine or connection, or a Spark
      session; of a connection its engine is used, so its open transaction and temporary tables are not seen.
    - `orders`, `subscriptions`, `responses`: pandas or Polars DataFrames or Arrow tables; with a connection or session,
      names or queries there (by default the tables with these names).
    - `rates`: date, currency, rate (units of the report's currency for one unit), needed for several currencies.
    - `known_customers`: customer_id and perhaps first_at, of customers from before the data begin, who are never new.
    - `tickets`: customer_id, opened_at, closed_at, for follow-ups.
    - `invitations`: invited_at, survey, perhaps customer_id and responded_at, for response rates.
    - Further keywords replace keys of [report] and [definitions], such as `timezone="Europe/London"`,
      `currency="GBP"`, `as_of="2011-12-10"`; and of [data]: `cache`, whether cleaned tables are saved for the next
      time, and `first_known`, the date from which on customers who are first seen are new.

    Raises DataError or SettingsError, with one sentence on what is wrong.
    """
    frames = {
        "orders": orders,
        "subscriptions": subscriptions,
        "responses": responses,
        "rates": rates,
        "known_customers": known_customers,
        "tickets": tickets,
        "invitations": invitations,
    }
    frames = {name: frame for name, frame in frames.items() if frame is not None}
    is_path = isinstance(source, str | Path)
    has_tables = bool(set(frames) & set(TABLES))
    if (is_path and has_tables) or (source is None and not has_tables):
        raise DataError("Give either a path (a retention.toml, a folder or a table) or the tables as DataFrames.")
    if is_path and frames:
        template = "Give either a path or DataFrames: name the {table} in the retention.toml."
        raise DataError(template, table=next(iter(frames)))
    if isinstance(as_of := settings.get("as_of"), datetime):
        if as_of.time() != time():
            raise SettingsError("as_of must be a date or a midnight, not {as_of}.", as_of=as_of)
        settings["as_of"] = as_of.date()
    data = _load_files(Path(source), settings) if is_path else _load_frames(source, frames, settings)
    data.origin = str(source) if is_path else f"({data.live_engine.database or 'DataFrames'})"
    data.given = settings
    return data


def _load_files(source: Path, settings: dict[str, Any]) -> Dataset:
    """The dataset of a path: from the cache, or read, cleaned and perhaps cached."""
    chosen, folder = _settings_for(source)
    chosen = _with_own_files(override(chosen, settings), folder)
    sources_given = {name: chosen.data.sources(name) for name in (*TABLES, *SIDE_TABLES)}
    sources_given = with_invitations(sources_given, folder)
    entry, notice = entry_for(chosen, sources_given, folder)
    engine = named_engine(chosen.data, folder, entry.folders if entry else ())
    if entry and (kept := entry.open(engine.embedded)):
        return Dataset(settings=chosen, engine=engine, summaries=entry.summaries, **kept)
    if entry:
        entry.cache_texts(engine.embedded)
    decimals = money_decimals(chosen.report.currency)
    requested = [*chosen.report.segments, *(name for follow_up in chosen.follow_ups for name in follow_up.columns)]
    file = None if engine.database else chosen.data.engine
    sources = {
        name: [
            read_table(engine, name, number, table, file, folder, decimals, requested)
            for number, table in enumerate(tables)
        ]
        for name, tables in sources_given.items()
        if tables
    }
    data = _clean(engine, chosen, sources)
    data.notice = notice
    if entry:
        data.notice = entry.save(engine.embedded, {name: getattr(data, name) for name in _CACHED})
        data.summaries = data.summaries if data.notice else entry.summaries
    return data


def _load_frames(source: Any, frames: dict[str, Any], settings: dict[str, Any]) -> Dataset:
    """DataFrames, and tables of a connection or session."""
    chosen = _with_own_files(override(Settings(), settings), Path())
    if chosen.data.cache:
        raise DataError("cache=True keeps what was read of files: DataFrames and tables of a connection are not kept.")
    engine = _choose_engine(source, frames)
    if isinstance(engine, RemoteEngine) and not frames:
        frames = _tables_in_database(engine)
    return _clean(engine, chosen, {name: [read_frame_or_name(engine, name, frame)] for name, frame in frames.items()})


def sample(**settings: Any) -> Dataset:
    """The sample company: synthetic orders, subscriptions and responses of the same customers; keywords as in
    `load`.
    """
    from retention_kit.data.sample import COMPANY, CURRENCY, OPENED, TIMEZONE, sample_tables

    own = {
        "company": COMPANY,
        "currency": CURRENCY,
        "timezone": TIMEZONE,
        "segments": ["channel"],
        "first_known": str(OPENED),
    }
    data = load(**sample_tables(), **(own | settings))
    data.is_sample, data.origin, data.given = True, "", settings
    for source in data.sources:
        source["name"] = sentence("provenance.generated")
    return data


def _choose_engine(source: Any, frames: dict[str, Any]) -> Engine:
    """The engine behind a connection or session, else that of the first DataFrame that has one."""
    if source is None:
        return next((candidate for frame in frames.values() if (candidate := given_engine(frame))), None) or DuckDB()
    if engine := given_engine(source):
        return engine
    template = "The tables cannot be loaded from {kind}: give a path, an SQLAlchemy connection or a Spark session."
    raise DataError(template, kind=type(source).__name__)


def _tables_in_database(engine: RemoteEngine) -> dict[str, str]:
    """The tables of a database with our names."""
    names = engine.list_tables()
    tables = {name: name for name in (*TABLES, *SIDE_TABLES) if name in names}
    if not set(tables) & set(TABLES):
        raise DataError(
            "{database} holds none of our tables, {tables}; it has {names}. Name yours: rk.load(connection, "
            'orders="shop.orders").',
            database=engine.database,
            tables=Listed(TABLES),
            names=Listed(names) or Phrase("none"),
        )
    return tables


def _settings_for(path: Path) -> tuple[Settings, Path]:
    """The settings at a path, and the folder to which their tables are relative."""
    if path.is_dir() and (path / "retention.toml").is_file():
        path = path / "retention.toml"
    if not path.exists():
        if near := nearest_beside(path):
            raise DataError("There is no file or folder {path!r}: {hint}", path=str(path), hint=suggestion(near))
        raise DataError("There is no file or folder {path!r}.", path=str(path))
    if path.suffix != ".toml":
        folder = path if path.is_dir() else path.parent
        return settings_for(path) or Settings(data=msgspec.convert(find_tables(path), Data)), folder
    settings = read_settings(path)
    if not any(settings.data.sources(name) for name in TABLES):
        raise SettingsError("{file}: [data] names no table: add orders, subscriptions or responses.", file=path.name)
    return settings, path.parent


def _with_own_files(settings: Settings, folder: Path) -> Settings:
    """Run the plug-ins and check the fonts of settings; returns the settings with absolute paths to them."""
    plugins, fonts = (
        [str((folder / name).resolve()) for name in names] for names in (settings.report.plugins, settings.report.fonts)
    )
    run_plugins(plugins)
    check_fonts(fonts)
    return override(settings, {"plugins": plugins, "fonts": fonts}) if plugins or fonts else settings


def _clean(engine: Engine, settings: Settings, sources: dict[str, list[Source]]) -> Dataset:
    """Clean the tables in all stages."""
    basis = settings.definitions.basis
    if basis and basis not in sources:
        raise SettingsError("definitions.basis is {basis!r}, but there is no {basis} table.", basis=basis)
    cleaning = Cleaning.begin(engine, settings, sources)
    try:
        cleaning.judge_rows()
        cleaning.set_as_of()
        cleaning.build_tables()
    except engine.error as error:
        if isinstance(message := error_sentence(error), Phrase):  # there is too little room
            raise DataError(message) from error
        raise
    check_columns(engine, [name for name in sources if name in WHEN], settings.follow_ups)
    columns, starts = cleaning.columns, cleaning.starts
    paid = "SELECT DISTINCT currency FROM subscriptions WHERE mrr > 0 AND currency IS NOT NULL ORDER BY 1"
    return Dataset(
        settings,
        cleaning.as_of,
        starts,
        tuple(starts),
        _segments(settings.report.segments, {name: columns[name].segments for name in starts}),
        cleaning.quality(),
        [
            {"table": table_name(name), "name": part.label, "sha256": part.sha256}
            for name, parts in sources.items()
            for part in parts
        ],
        excluded_columns={
            name: reason for table_columns in columns.values() for name, reason in table_columns.excluded.items()
        },
        warnings=cleaning.warnings(),
        behind=cleaning.behind,
        scale=cleaning.money.scale,
        has_known_customers=cleaning.known_customers is not None,
        has_tickets=cleaning.tickets is not None,
        has_invitations=cleaning.invitations is not None,
        foreign=tuple(code for (code,) in engine.rows(paid)) if "subscriptions" in starts else (),
        engine=engine,
        parts=sources,
        known={name: cleaning.parts[name] for name in ("as_of", "rates_begin", "zone", "tomorrow", "is_as_of_set")},
    )


def _segments(requested: list[str], extras: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    """Segment column → its tables; raises SettingsError if a requested one is in no table."""
    segments: dict[str, tuple[str, ...]] = {}
    for table, names in extras.items():
        for name in names:
            segments[name] = (*segments.get(name, ()), table)
    for name in requested:
        check_choice(SettingsError, "report.segments: there is no segment column {name!r}: {hint}", segments, name=name)
    return segments
