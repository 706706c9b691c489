"""The cache of cleaned tables and summaries between runs: one entry for each content of files, settings and code.

A cached result equals a computed one: the name of an entry is a digest of everything its content depends on, and a
damaged entry counts as missing.
"""

from __future__ import annotations

import sys
import zoneinfo
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date, timedelta
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from retention_kit.data import cache_folder
from retention_kit.data.cache_values import NotKept, to_bytes
from retention_kit.data.checks import WHEN
from retention_kit.data.choose_engine import content_of, fill_variables
from retention_kit.data.engines.duckdb import DuckDB
from retention_kit.data.readers.text_files import TEXTS
from retention_kit.data.summary_key import DerivedKey, SummaryKey
from retention_kit.errors import DataError, Phrase, SettingsError
from retention_kit.periods import today
from retention_kit.settings import RESOURCES, Settings, Table
from retention_kit.settings.addresses import SERVERS, check_engine

_PACKAGE = Path(__file__).parents[1]
_CODE = (".py", ".sql", ".toml")
_PACKAGES = ("charset-normalizer", "duckdb", "msgspec", "numpy", "pandas", "python-calamine", "scipy", "tzdata")
# Keys of [report] that change no figure.
_PRESENTATION = {"company", "languages", "digits", "hijri", "time_direction", "formats", "fonts"}
# Summaries that are not cached: they depend on settings that are in no entry's name, or name customers.
_UNCACHED = ("goals", "follow_ups")


class Entry:
    """The cached tables and summaries of one content of files, settings and code; they may not exist yet."""

    def __init__(self, settings: Settings, sources: Mapping[str, list[Table]], folder: Path, own: Path):
        """Read the digests of the files of all sources; paths are relative to `folder`, and `own` is the cache folder.

        Raises OSError, and DataError if a file is missing.
        """
        self._settings, self._sources, self._folder = settings, sources, folder
        versions = [sys.version, *map(version, _PACKAGES)]
        self._code = sha256(msgspec.json.encode([_code(), versions])).hexdigest()
        self._files = self._list_files()
        self._stamps = self._read_stamps()
        self._digests = self._read_digests()
        depends_on = [
            self._code,
            [
                [table, text, [[str(path.absolute()), self._digests[path]] for path in files]]
                for table, parts in self._files.items()
                for text, files in parts
            ],
            _relevant(settings),
            [sha256(Path(name).read_bytes()).hexdigest() for name in settings.report.plugins],
            [sha256(_rules_of(zone)).hexdigest() for zone in self._zones()],
        ]
        name = sha256(msgspec.json.encode(depends_on)).hexdigest()
        self._path = own / f"{self._code[:16]}-{name[:40]}"
        self._building = cache_folder.beside(self._path)
        self._tomorrow_of_tables = date.min  # the day after that on which the tables were cleaned

    @property
    def folders(self) -> list[Path]:
        """The folders that an engine reads tables from and saves them to."""
        return [self._path, self._building, *(path for _, *more in self._texts().values() for path in more)]

    @property
    def summaries(self) -> Summaries:
        """The summaries of these tables; tables that were cleaned on another day have others."""
        folder = self._path / _summaries_of(self._tomorrow_of_tables)
        return Summaries(folder, self._settings, lambda: self._read_stamps() == self._stamps)

    def open(self, engine: DuckDB) -> dict[str, Any] | None:
        """Open the cached tables in an engine and return the fields of their `Dataset`; None if there are none."""
        import duckdb

        tomorrow = self._tomorrow()
        entry = cache_folder.open_entry(self._path, lambda description: description[1] <= tomorrow <= description[2])
        if entry is None:
            return None
        tables, _, (views, cleaned, _, fields, texts) = entry
        try:
            engine.open_tables(tables, views, {name: self._open_text(*text) for name, text in texts.items()})
        except (duckdb.Error, FileNotFoundError):
            return None
        fields["known"]["tomorrow"] = f"TIMESTAMP '{tomorrow}'"
        self._tomorrow_of_tables = cleaned
        return fields

    def cache_texts(self, engine: DuckDB) -> None:
        """Make the engine cache the rows of each text file of sources with several files."""
        with suppress(OSError):
            cache_folder.remove_left(self._path.parent)
        engine.text_folders = self._texts()

    def _texts(self) -> dict[str, tuple[str, Path, Path]]:
        """By table of a text file: its digest, the entry of its rows, and the folder in which that is built.

        Only for sources with several files.
        """
        texts = {}
        for table, sources in self._sources.items():
            for number, (source, (_, several)) in enumerate(zip(sources, self._files[table], strict=True)):
                options = repr((table, number, source.encoding, source.delimiter, source.header_rows))
                for part, path in enumerate(several if len(several) > 1 else ()):
                    if path.suffix.lower() in TEXTS:
                        name = sha256(f"{options}\0{path.name}\0{self._digests[path]}".encode()).hexdigest()
                        folder = self._path.with_name(f"{self._code[:16]}-{name[:40]}")
                        building = folder.with_name(f"{self._building.name}-{name[:8]}")
                        texts[f"_{table}_{number}_{part}"] = self._digests[path], folder, building
        return texts

    def _open_text(self, folder: str, checksums: list[int]) -> Path:
        """The path of the cached rows of a text file; raises FileNotFoundError if they are missing or other ones."""
        entry = cache_folder.open_entry(self._path.with_name(folder), lambda _: True)
        if entry is None or entry[1] != checksums:
            raise FileNotFoundError
        return entry[0]

    def save(self, engine: DuckDB, fields: dict[str, Any]) -> str:
        """Save the tables of an engine and the fields of their `Dataset`, unless a file has changed meanwhile.

        Returns why they cannot be saved; else an empty text.
        """
        import duckdb

        tomorrow, building = self._tomorrow(), self._building
        self._tomorrow_of_tables = tomorrow
        try:
            cache_folder.remove_left(self._path.parent)
            views = engine.save_tables(cache_folder.begin_entry(building))
            texts = {name: (file.parent.name, checksums) for name, (file, checksums) in engine.kept_texts.items()}
            last = self._first_planned(engine, tomorrow)
            cache_folder.describe_entry(building, [views, tomorrow, last, fields, texts])
            (building / _summaries_of(tomorrow)).mkdir(mode=0o700)
            is_unchanged = (self._list_files(), self._read_digests()) == (self._files, self._digests)
            if is_unchanged and fields["known"]["tomorrow"] == f"TIMESTAMP '{tomorrow}'":
                cache_folder.put_in_place(building, self._path)
                with suppress(FileNotFoundError):  # another process writes or deletes there; the next one prunes
                    parts = [self._path.with_name(folder) for folder, _ in texts.values()]
                    cache_folder.prune(self._path, parts, self._code[:16])
        except (duckdb.Error, OSError, NotKept, DataError) as error:
            return unusable(error)
        finally:
            cache_folder.remove(building)
        return ""

    def _tomorrow(self) -> date:
        return today(self._settings.report.timezone) + timedelta(days=1)

    def _first_planned(self, engine: DuckDB, tomorrow: date) -> date:
        """The day of the first future event, from which on cleaning gives other tables."""
        days = [date.max]
        for name in (name for name in WHEN if self._sources[name]):
            columns = [WHEN[name], *(["ended_at"] if name == "subscriptions" else [])]
            for column in columns:
                query = f"SELECT CAST(min({column}) AS DATE) FROM {name}_typed WHERE {column} >= TIMESTAMP '{tomorrow}'"
                days += [day for (day,) in engine.rows(query) if day is not None]
        return min(days)

    def _zones(self) -> list[str]:
        every = [self._settings.report.timezone, *(part.timezone for parts in self._sources.values() for part in parts)]
        return sorted({zone or "UTC" for zone in every})

    def _list_files(self) -> dict[str, list[tuple[str, list[Path]]]]:
        """By table: the path of each source as in the settings, and its files."""
        url = self._settings.data.engine
        return {
            name: [(part.path, content_of(part, url, self._folder)) for part in parts]
            for name, parts in self._sources.items()
        }

    def _read_stamps(self) -> dict[Path, tuple[int, ...]]:
        """What shows a change of the Parquet files, which the cached views read in place."""
        paths = {path for parts in self._files.values() for _, several in parts for path in several}
        stats = {path: path.stat() for path in paths if path.suffix.lower() == ".parquet"}
        return {path: (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for path, stat in stats.items()}

    def _read_digests(self) -> dict[Path, str]:
        paths = {path for parts in self._files.values() for _, several in parts for path in several}
        return {path: cache_folder.digest_of(path) for path in paths}


class Summaries(dict[SummaryKey, Any]):
    """Summaries by key, including those of earlier runs; each is saved in a file of its own once it is computed."""

    def __init__(self, folder: Path, settings: Settings, is_unchanged: Callable[[], bool]):
        """`is_unchanged` returns whether files that are read in place are still the same."""
        super().__init__()
        self._folder, self._relevant, self._is_unchanged = folder, _relevant(settings), is_unchanged

    def with_settings(self, settings: Settings) -> dict[SummaryKey, Any]:
        """The summaries with other settings; if these change figures, a copy that is not saved."""
        return self if _relevant(settings) == self._relevant else dict(self)

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) or self._has_read(key)

    def __missing__(self, key: SummaryKey) -> Any:
        if self._has_read(key):
            return self[key]
        raise KeyError(key)

    def get(self, key: SummaryKey, default: Any = None) -> Any:
        """The summary of a key, or the default."""
        try:
            return self[key]
        except KeyError:
            return default

    def __setitem__(self, key: SummaryKey, value: Any) -> None:
        super().__setitem__(key, value)
        with suppress(OSError, NotKept):  # the next run computes it again
            if _is_cacheable(key) and self._is_unchanged():
                cache_folder.write_checked(self._file(to_bytes(key)), (key, value))

    def _has_read(self, key: Any) -> bool:
        """Whether a summary was saved; if so, it is loaded."""
        if not _is_cacheable(key):
            return False
        try:
            stored_key, value = cache_folder.read_checked(self._file(to_bytes(key))) or (None, None)
        except NotKept:
            return False
        if stored_key == key:
            super().__setitem__(key, value)
        return stored_key == key

    def _file(self, key: bytes) -> Path:
        return self._folder / sha256(key).hexdigest()[:40]


def entry_for(settings: Settings, sources: Mapping[str, list[Table]], folder: Path) -> tuple[Entry | None, str]:
    """The entry of the files of all sources if the settings ask for a cache; if there is none, the reason."""
    if not settings.data.cache:
        return None, ""
    if (url := settings.data.engine) and check_engine(fill_variables(url)) in SERVERS:
        raise SettingsError(
            "data.cache keeps what was read of files: of tables in a database nothing is kept, so take it out."
        )
    try:
        own = cache_folder.own_folder()
    except (OSError, RuntimeError, ValueError) as error:  # no home, or one of another user's
        return None, unusable(error)
    try:
        return Entry(settings, sources, folder, own), ""
    except (OSError, DataError):  # reading the files raises a better error
        return None, ""


def unusable(error: Exception) -> Phrase:
    """A sentence on why nothing is cached."""
    message = error.text if isinstance(error, DataError) else getattr(error, "strerror", None) or str(error)
    return Phrase(
        "The cache cannot be used: {reason}.", reason=message if isinstance(message, Phrase) else _line(message)
    )


def _summaries_of(cleaned: date) -> str:
    """The name of a folder for summaries: a process may go on writing after its entry was replaced by a later day's."""
    return f"summaries-{cleaned}"


def _line(text: str) -> str:
    return text.partition("\n")[0].rstrip(".")


def _is_cacheable(key: Any) -> bool:
    """Whether a summary is cached: not if it is derived quickly from others, or depends on the user's own metrics."""
    is_summary = isinstance(key, SummaryKey) and not isinstance(key, DerivedKey)
    return is_summary and not key.metrics and key.name not in _UNCACHED


def _relevant(settings: Settings) -> dict[str, Any]:
    """The settings on which tables and summaries depend."""
    every = msgspec.to_builtins(settings)
    parts: dict[str, dict] = {name: every[name] for name in ("data", "report", "definitions", "at_risk")}
    parts["report"] = {name: value for name, value in every["report"].items() if name not in _PRESENTATION}
    parts["data"] = {name: value for name, value in every["data"].items() if name not in RESOURCES}
    return parts | {"follow_ups": every["follow_ups"]}


@cache
def _code() -> str:
    """A digest of this package's code."""
    digest = sha256()
    for path in sorted(path for path in _PACKAGE.rglob("*") if path.suffix in _CODE):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(_PACKAGE)} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _rules_of(zone: str) -> bytes:
    """The content of a time zone's file: the system's, else that of tzdata, as `zoneinfo` finds it."""
    for folder in zoneinfo.TZPATH:
        if (path := Path(folder, zone)).is_file():
            return path.read_bytes()
    return files("tzdata").joinpath("zoneinfo", *zone.split("/")).read_bytes()
