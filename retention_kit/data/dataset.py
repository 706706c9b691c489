"""The door in: raw tables → a checked, cleaned and counted `Dataset`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retention_kit.data.checks import WHEN, refuse_unusable
from retention_kit.data.columns import Columns, local, times
from retention_kit.data.engine import Engine
from retention_kit.data.sources import (
    find_tables,
    fingerprint,
    guess_table,
    read_file,
    read_frame,
)
from retention_kit.errors import DataError, SettingsError, did_you_mean
from retention_kit.settings import TABLES, Data, Settings, override, read_settings
from retention_kit.wording import money_decimals

if TYPE_CHECKING:
    import pandas as pd

_EFFECTS = {
    "unreadable date": "set aside: no figure counts the row",
    "unreadable end date": "set aside: no figure counts the spell",
    "unreadable end date of the trial": "set aside: no figure counts the spell",
    "unreadable amount": "set aside: no figure counts the row",
    "unreadable score": "set aside: no figure counts the answer",
    "identical row": "one is kept",
    "same order_id, other contents": "the earliest, then the smallest amount, is kept; the rest are set aside",
    "same subscription_id and start, other contents": "the smallest amount is kept; the rest are set aside",
    "no customer": "set aside: a subscription needs a customer",
    "unknown interval": "set aside: use day, week, month, quarter or year",
    "unknown status": "set aside: its MRR is not known",
    "ended before it started": "set aside: no figure counts the spell",
    "unknown survey": "set aside: use nps, csat or ces",
    "unknown scale": "set aside: use 0-10, 1-5, 1-7 or 1-10",
    "score outside the scale": "set aside, never clamped",
    "no answer": "left out: the question was not answered",
    "no weight": "left out: the other answers are weighted",
}
_ZERO = "SELECT count(*) FROM orders_typed WHERE problem IS NULL AND refund_of IS NULL AND amount = 0 AND ordered_at < $as_of"
_COUNTS = {
    "orders": {
        "no purchase: amount 0": f"{_ZERO} AND NOT $zero_is_purchase",
        "purchase: amount 0": f"{_ZERO} AND $zero_is_purchase",
        "refund that names no order": "SELECT count(*) FROM orders WHERE refund > 0",
        "refund of a named order": (
            "SELECT count(*) FROM orders_typed AS refunds JOIN orders_typed AS sales ON sales.order_id = refunds.refund_of "
            "WHERE refunds.problem IS NULL AND sales.problem IS NULL AND sales.refund_of IS NULL AND sales.amount >= 0 "
            "AND greatest(refunds.ordered_at, sales.ordered_at) < $as_of"
        ),
        "no customer (guest)": "SELECT count(*) FROM orders WHERE is_purchase AND customer_id IS NULL",
    },
    "subscriptions": {
        "gap of at most 24 hours": "SELECT count(*) FROM subscriptions WHERE is_bridged",
        "spell without MRR": "SELECT count(*) FROM subscriptions WHERE mrr = 0",
    },
    "responses": {},
}
_EFFECTS |= {
    "no purchase: amount 0": "not counted as purchases (definitions.zero_orders)",
    "purchase: amount 0": "counted as purchases (definitions.zero_orders)",
    "refund that names no order": "lowers net revenue of its period; purchases stay as they are",
    "refund of a named order": "lowers that order in that order's period",
    "no customer (guest)": "in revenue; in no figure about customers",
    "gap of at most 24 hours": "bridged: neither churn nor reactivation",
    "spell without MRR": "trial, pause, free or unpaid: not a paying customer",
    "after the as-of date": "not known yet at the as-of date",
    "naive times without a time zone": "read as UTC; set [report] timezone",
}


@dataclass
class Dataset:
    """Cleaned tables on an engine, with what cleaning did.

    `quality` has the columns table, check, rows, effect; `quarantine` gives the set-aside rows back.
    `as_of` is the local midnight up to which data are known; `starts` is the first local date in each table.
    """

    settings: Settings
    as_of: date
    starts: dict[str, date]
    tables: tuple[str, ...]
    segments: dict[str, tuple[str, ...]]  # segment column → tables that have it
    quality: pd.DataFrame
    sources: list[dict[str, Any]]  # table, name, rows, sha256
    origin: str = ""  # what to load again; empty for the sample company
    is_sample: bool = False
    engine: Engine | None = field(default=None, repr=False)  # None: only kept summaries are at hand
    summaries: dict[tuple, pd.DataFrame] = field(default_factory=dict, repr=False)

    @property
    def basis(self) -> str:
        """The table that decides who is a customer."""
        return self.settings.definitions.basis or next(
            (name for name in TABLES[1::-1] if name in self.tables), "orders"
        )

    @property
    def start(self) -> date:
        """The first local date in any table."""
        return min(self.starts.values())

    @property
    def minor(self) -> int:
        """How many minor units make one unit of the report's currency."""
        return 10 ** money_decimals(self.settings.report.currency)

    @cached_property
    def quarantine(self) -> dict[str, pd.DataFrame]:
        """Per table the rows set aside, as they came, with the check that each failed."""
        return {
            name: self.engine.frame(
                f'SELECT {name}_typed.problem AS "check", {name}_raw.* EXCLUDE ({", ".join(["_row", *map(local, times(name))])}) FROM {name}_raw '
                f"JOIN {name}_typed USING (_row) WHERE {name}_typed.problem IS NOT NULL ORDER BY _row"
            )
            for name in self.tables
        }


def load(
    source: str | Path | None = None,
    *,
    orders: pd.DataFrame | None = None,
    subscriptions: pd.DataFrame | None = None,
    responses: pd.DataFrame | None = None,
    **settings: Any,
) -> Dataset:
    """Read, rename, check and clean the tables.

    `source` is a `retention.toml`, a folder that holds one or holds the tables, or a single table file; or give the
    tables as DataFrames. Further keywords replace keys of [report] and [definitions]: `timezone="Europe/London"`,
    `currency="GBP"`, `as_of="2011-12-10"`, `basis="orders"`, …
    Raises DataError or SettingsError with one sentence where that cannot be done.
    """
    frames = {"orders": orders, "subscriptions": subscriptions, "responses": responses}
    frames = {name: frame for name, frame in frames.items() if frame is not None}
    if (source is None) == (not frames):
        raise DataError("Give either a path (a retention.toml, a folder or a table) or the tables as DataFrames.")
    for name, frame in frames.items():
        if not hasattr(frame, "columns"):
            raise DataError(f"{name} must be a DataFrame; to read a file use rk.load(path).")
    if isinstance(as_of := settings.get("as_of"), datetime):
        if as_of.time() != time():
            raise SettingsError(f"as_of must be a date or a midnight, not {as_of}.")
        settings["as_of"] = as_of.date()
    engine = Engine()
    if frames:
        chosen = override(Settings(), settings)
        queries = {name: [(read_frame(engine, name, frame), None)] for name, frame in frames.items()}
        origins = [(name, f"{name} DataFrame", frame) for name, frame in frames.items()]
    else:
        chosen, folder = _settings_of(engine, Path(source))
        chosen = override(chosen, settings)
        given = [(name, table) for name in TABLES for table in chosen.data.sources(name)]
        queries = {}
        for name, table in given:
            queries.setdefault(name, []).append((read_file(engine, name, table, folder), table.timezone))
        origins = [(name, table.path, folder / table.path) for name, table in given]
    data = _clean(engine, chosen, queries)
    data.origin = "(DataFrames)" if source is None else str(source)
    for name, label, content in origins:
        data.sources.append({"table": name, "name": label, "sha256": fingerprint(content)})
    return data


def sample(**settings: Any) -> Dataset:
    """The sample company: synthetic orders, subscriptions and responses of the same customers; keywords as in `load`."""
    from retention_kit.data.sample import COMPANY, CURRENCY, TIMEZONE, sample_tables

    own = {"company": COMPANY, "currency": CURRENCY, "timezone": TIMEZONE, "segments": ["channel"]}
    data = load(**sample_tables(), **(own | settings))
    data.is_sample, data.origin = True, ""
    for source in data.sources:
        source["name"] = "generated"
    return data


def _settings_of(engine: Engine, path: Path) -> tuple[Settings, Path]:
    """The settings a path stands for, and the folder its tables are relative to."""
    if path.is_dir():
        if (path / "retention.toml").is_file():
            path = path / "retention.toml"
        else:
            return Settings(data=Data(**{name: found.name for name, found in find_tables(path).items()})), path
    if not path.is_file():
        raise DataError(f"There is no file or folder {str(path)!r}.")
    if path.suffix != ".toml":
        return Settings(data=Data(**{guess_table(engine, path): path.name})), path.parent
    settings = read_settings(path)
    if not any(settings.data.sources(name) for name in TABLES):
        raise SettingsError(f"{path.name}: [data] names no table: add orders, subscriptions or responses.")
    return settings, path.parent


def _clean(engine: Engine, settings: Settings, queries: dict[str, list[tuple[str, str | None]]]) -> Dataset:
    decimals = money_decimals(settings.report.currency)
    if (basis := settings.definitions.basis) and basis not in queries:
        raise SettingsError(f"definitions.basis is {basis!r}, but there is no {basis} table.")
    counts: list[tuple[str, str, int]] = []
    parts, sizes = {}, {}
    for name, sources in queries.items():
        try:
            parts[name] = Columns(engine, name, sources, decimals, settings)
            engine.run(_statements(name)[0], **parts[name].sql)
        except engine.error as error:
            raise DataError(f"The {name} cannot be read: {str(error).strip().splitlines()[0]}") from None
        refuse_unusable(engine, name, parts[name])
        sizes[name] = engine.rows(f"SELECT count(*) FROM {name}_typed")[0][0]
        if parts[name].is_naive:
            counts.append((name, "naive times without a time zone", sizes[name]))
    as_of = settings.report.as_of or _last_event(engine, queries)
    starts = {name: day for name in queries for (day,) in engine.rows(_sql_first(name, as_of)) if day is not None}
    if not starts:
        raise DataError(f"There is no usable row before {as_of}: see what check says of the tables.")
    for name, columns in parts.items():
        known = {**columns.sql, "as_of": f"TIMESTAMP '{as_of}'"}
        engine.run(_statements(name)[1], **known)
        late = f"SELECT count(*) FROM {name}_typed WHERE problem IS NULL AND {WHEN[name]} >= $as_of"
        problems = f"SELECT problem, count(*) FROM {name}_typed WHERE problem IS NOT NULL GROUP BY 1 ORDER BY 1"
        counts += [(name, check, rows) for check, rows in engine.rows(problems)]
        counts += [(name, check, engine.rows(sql, **known)[0][0]) for check, sql in _COUNTS[name].items()]
        counts.append((name, "after the as-of date", engine.rows(late, **known)[0][0]))
    segments: dict[str, tuple[str, ...]] = {}
    for name, columns in parts.items():
        for extra in columns.extras:
            segments[extra] = (*segments.get(extra, ()), name)
    for name in settings.report.segments:
        if name not in segments:
            raise SettingsError(f"report.segments: there is no segment column {name!r}: {did_you_mean(name, segments)}")
    return Dataset(settings, as_of, starts, tuple(queries), segments, _quality(counts, sizes), [], engine=engine)


def _last_event(engine: Engine, tables: dict) -> date:
    """The midnight after the last event; an `ended_at` in the future is a plan, not an event."""
    moments = [f"SELECT max({WHEN[name]}) FROM {name}_typed WHERE problem IS NULL" for name in tables]
    if "subscriptions" in tables:
        now = f"TIMESTAMP '{datetime.now(UTC):%Y-%m-%d %H:%M:%S}'"
        moments.append(f"SELECT max(ended_at) FROM subscriptions_typed WHERE problem IS NULL AND ended_at <= {now}")
    found = [moment for query in moments for (moment,) in engine.rows(query) if moment is not None]
    if not found:
        raise DataError("The tables hold no usable row.")
    return max(found).date() + timedelta(days=1)


def _sql_first(name: str, as_of: date) -> str:
    when = WHEN[name]
    return f"SELECT CAST(min({when}) AS DATE) FROM {name}_typed WHERE problem IS NULL AND {when} < TIMESTAMP '{as_of}'"


def _statements(table: str) -> list[str]:
    """The two statements of a table's SQL file: typed and judged rows, then the clean table."""
    return files("retention_kit.data").joinpath("sql", f"{table}.sql").read_text("utf-8").split(";\n")[:2]


def _quality(counts: list[tuple[str, str, int]], sizes: dict[str, int]) -> pd.DataFrame:
    import pandas as pd

    rows = [(name, "rows read", size, "") for name, size in sizes.items()]
    rows += [(name, check, count, _EFFECTS[check]) for name, check, count in counts if count]
    frame = pd.DataFrame(rows, columns=["table", "check", "rows", "effect"])
    return frame.sort_values("table", key=lambda column: column.map(TABLES.index), kind="stable").reset_index(drop=True)
