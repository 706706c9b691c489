"""Cleaned tables and summaries, kept between runs: an entry for each content of the files, settings and code.

What is found is as good as computed: an entry is named by digests of all that decides it, and whatever is not as it was
written counts as not there.
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
_LOOKS = {"company", "languages", "digits", "hijri", "time_direction", "formats", "fonts"}  # keys of [report]
_NOT_HELD = ("goals", "follow_ups")  # summaries that hang on settings which name no entry, or that name customers


class Entry:
    """What is kept of one content of the files, or is to be."""

    def __init__(self, settings: Settings, sources: Mapping[str, list[Table]], folder: Path, own: Path):
        """Look at the content of the files that the sources name, relative to `folder`; `own` holds all entries. Raises
        OSError, and DataError where a file is missing.
        """
        self._settings, self._sources, self._folder = settings, sources, folder
        versions = [sys.version, *map(version, _PACKAGES)]
        self._code = sha256(msgspec.json.encode([_code(), versions])).hexdigest()
        self._found = self._find_files()
        self._stamps = self._read_stamps()
        self._by_file = self._read_digests()
        decided = [
            self._code,
            [
                [table, text, [[str(path.absolute()), self._by_file[path]] for path in files]]
                for table, parts in self._found.items()
                for text, files in parts
            ],
            _decisive(settings),
            [sha256(Path(name).read_bytes()).hexdigest() for name in settings.report.plugins],
            [sha256(_rules_of(zone)).hexdigest() for zone in self._zones()],
        ]
        name = sha256(msgspec.json.encode(decided)).hexdigest()
        self._path = own / f"{self._code[:16]}-{name[:40]}"
        self._building = cache_folder.beside(self._path)
        self._cleaned = date.min  # until when events counted as past when the tables were cleaned

    @property
    def folders(self) -> list[Path]:
        """Where an engine is to open tables and to save them."""
        return [self._path, self._building, *(path for _, *more in self._texts().values() for path in more)]

    @property
    def summaries(self) -> Summaries:
        """The summaries of these tables: of those that another day's cleaning puts there they are apart."""
        folder = self._path / _summaries_of(self._cleaned)
        return Summaries(folder, self._settings, lambda: self._read_stamps() == self._stamps)

    def open(self, engine: DuckDB) -> dict[str, Any] | None:
        """Let the engine have the tables that are kept, and give the fields of their `Dataset`; None without any."""
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
        self._cleaned = cleaned
        return fields

    def keep_texts(self, engine: DuckDB) -> None:
        """Let the engine keep the rows of text files, where a source is in several."""
        with suppress(OSError):
            cache_folder.remove_left(self._path.parent)
        engine.text_folders = self._texts()

    def _texts(self) -> dict[str, tuple[str, Path, Path]]:
        """By table of a text file of several, its digest, where its rows are kept, and where they are written
        meanwhile.
        """
        texts = {}
        for table, sources in self._sources.items():
            for number, (source, (_, several)) in enumerate(zip(sources, self._found[table], strict=True)):
                options = repr((table, number, source.encoding, source.delimiter, source.header_rows))
                for part, path in enumerate(several if len(several) > 1 else ()):
                    if path.suffix.lower() in TEXTS:
                        name = sha256(f"{options}\0{path.name}\0{self._by_file[path]}".encode()).hexdigest()
                        folder = self._path.with_name(f"{self._code[:16]}-{name[:40]}")
                        building = folder.with_name(f"{self._building.name}-{name[:8]}")
                        texts[f"_{table}_{number}_{part}"] = self._by_file[path], folder, building
        return texts

    def _open_text(self, folder: str, checksums: list[int]) -> Path:
        """The file of the rows of a text file; raises FileNotFoundError where it is not that which was read."""
        entry = cache_folder.open_entry(self._path.with_name(folder), lambda _: True)
        if entry is None or entry[1] != checksums:
            raise FileNotFoundError
        return entry[0]

    def save(self, engine: DuckDB, fields: dict[str, Any]) -> str:
        """Keep the tables of an engine and the fields of their `Dataset`, unless a file has changed since it was looked
        at; why they cannot be kept.
        """
        import duckdb

        tomorrow, building = self._tomorrow(), self._building
        self._cleaned = tomorrow
        try:
            cache_folder.remove_left(self._path.parent)
            views = engine.save_tables(cache_folder.begin_entry(building))
            texts = {name: (file.parent.name, checksums) for name, (file, checksums) in engine.kept_texts.items()}
            last = self._first_planned(engine, tomorrow)
            cache_folder.describe_entry(building, [views, tomorrow, last, fields, texts])
            (building / _summaries_of(tomorrow)).mkdir(mode=0o700)
            is_as_read = (self._find_files(), self._read_digests()) == (self._found, self._by_file)
            if is_as_read and fields["known"]["tomorrow"] == f"TIMESTAMP '{tomorrow}'":
                cache_folder.put_in_place(building, self._path)
                with suppress(FileNotFoundError):  # another process writes or deletes there: the next one prunes
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
        """The day from which on the tables would be cleaned otherwise: that of the first event that is not past yet."""
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

    def _find_files(self) -> dict[str, list[tuple[str, list[Path]]]]:
        """By table, the path of each source as it is written, and its files."""
        url = self._settings.data.engine
        return {
            name: [(part.path, content_of(part, url, self._folder)) for part in parts]
            for name, parts in self._sources.items()
        }

    def _read_stamps(self) -> dict[Path, tuple[int, ...]]:
        """What differs once another file, or another content, is where rows are looked at: that of Parquet files."""
        paths = {path for parts in self._found.values() for _, several in parts for path in several}
        stats = {path: path.stat() for path in paths if path.suffix.lower() == ".parquet"}
        return {path: (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for path, stat in stats.items()}

    def _read_digests(self) -> dict[Path, str]:
        paths = {path for parts in self._found.values() for _, several in parts for path in several}
        return {path: cache_folder.digest_of(path) for path in paths}


class Summaries(dict[SummaryKey, Any]):
    """Summaries by key, those of earlier runs among them: each is a file of its own, written as soon as it is made."""

    def __init__(self, folder: Path, settings: Settings, is_as_read: Callable[[], bool]):
        """`is_as_read` says whether the rows that are looked at where they are stand unchanged."""
        super().__init__()
        self._folder, self._decisive, self._is_as_read = folder, _decisive(settings), is_as_read

    def under(self, settings: Settings) -> dict[SummaryKey, Any]:
        """The summaries under settings: where these decide otherwise, nothing that follows is written."""
        return self if _decisive(settings) == self._decisive else dict(self)

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) or self._has_read(key)

    def __missing__(self, key: SummaryKey) -> Any:
        if self._has_read(key):
            return self[key]
        raise KeyError(key)

    def get(self, key: SummaryKey, default: Any = None) -> Any:
        """The summary of a key, else the default."""
        try:
            return self[key]
        except KeyError:
            return default

    def __setitem__(self, key: SummaryKey, value: Any) -> None:
        super().__setitem__(key, value)
        with suppress(OSError, NotKept):  # another run makes it anew
            if _is_held(key) and self._is_as_read():
                cache_folder.write_checked(self._file(to_bytes(key)), (key, value))

    def _has_read(self, key: Any) -> bool:
        """Whether a summary is in its file; from then on it is at hand."""
        if not _is_held(key):
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
    """The entry of the files that are named, where the settings ask for a cache; without one, why it cannot be had."""
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
    except (OSError, DataError):  # reading says it better
        return None, ""


def unusable(error: Exception) -> Phrase:
    """Why nothing is kept, in a sentence."""
    message = error.text if isinstance(error, DataError) else getattr(error, "strerror", None) or str(error)
    return Phrase(
        "The cache cannot be used: {reason}.", reason=message if isinstance(message, Phrase) else _line(message)
    )


def _summaries_of(cleaned: date) -> str:
    """The name of a folder for summaries: whoever has opened an entry may outlive it, and write what is not of it."""
    return f"summaries-{cleaned}"


def _line(text: str) -> str:
    return text.partition("\n")[0].rstrip(".")


def _is_held(key: Any) -> bool:
    """Whether a summary is kept between runs: not what others give in no time, nor what somebody's own metrics say."""
    is_summary = isinstance(key, SummaryKey) and not isinstance(key, DerivedKey)
    return is_summary and not key.metrics and key.name not in _NOT_HELD


def _decisive(settings: Settings) -> dict[str, Any]:
    """The settings that tables and summaries depend on."""
    every = msgspec.to_builtins(settings)
    parts: dict[str, dict] = {name: every[name] for name in ("data", "report", "definitions", "at_risk")}
    parts["report"] = {name: value for name, value in every["report"].items() if name not in _LOOKS}
    parts["data"] = {name: value for name, value in every["data"].items() if name not in RESOURCES}
    return parts | {"follow_ups": every["follow_ups"]}


@cache
def _code() -> str:
    """A digest of the package itself."""
    digest = sha256()
    for path in sorted(path for path in _PACKAGE.rglob("*") if path.suffix in _CODE):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(_PACKAGE)} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _rules_of(zone: str) -> bytes:
    """The file of a time zone, of the system's or else of the package's, as `zoneinfo` looks for it."""
    for folder in zoneinfo.TZPATH:
        if (path := Path(folder, zone)).is_file():
            return path.read_bytes()
    return files("tzdata").joinpath("zoneinfo", *zone.split("/")).read_bytes()
