"""The folder of the cache: this user's alone, each entry whole or not there, the least used deleted first."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from time import time
from typing import Any, TypeVar
from uuid import uuid4
from zlib import crc32

from retention_kit.data.cache_values import NotKept, from_bytes, to_bytes
from retention_kit.data.engines.private_folders import has_ended
from retention_kit.errors import DataError

LARGEST = 10 * 2**30  # bytes of all entries; of a smaller disk, half of what is free besides them
_PART = 2**25  # bytes that a thread looks at
_DAY = 86_400
_DIGEST = 32  # bytes
_TABLES, _DESCRIPTION = "tables", "dataset"  # the files of an entry
T = TypeVar("T")


def own_folder() -> Path:
    """The folder of this user's cache, made where it is missing; raises DataError where others could look or write
    there, and OSError.
    """
    from platformdirs import user_cache_path

    folder = user_cache_path("retention-kit", appauthor=False) / "data"
    name = str(folder).encode(errors="backslashreplace").decode()
    if "?" in name or name != str(folder):  # DuckDB finds neither
        raise DataError("the name of the folder {folder!r} has a question mark, or is not UTF-8", folder=name)
    with suppress(FileExistsError):  # by itself: of parents that are made the mode is not heeded
        folder.parent.mkdir(mode=0o700, parents=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    for path, others in ((folder.parent, 0o022), (folder, 0o077)):
        if not _is_own(path, others):
            raise DataError("the folder {folder!r} is not yours alone", folder=str(path))
    return folder


def _is_own(folder: Path, others: int) -> bool:
    """Whether a folder, no link to one, is this user's and others have none of these rights."""
    status = folder.lstat()
    is_own = os.name == "nt" or (status.st_uid == os.getuid() and not status.st_mode & others)
    return stat.S_ISDIR(status.st_mode) and is_own


def is_file(path: Path) -> bool:
    """Whether a path is a file itself, in a folder that is one itself: no link leads anywhere else."""
    try:
        return stat.S_ISREG(path.lstat().st_mode) and stat.S_ISDIR(path.parent.lstat().st_mode)
    except OSError:
        return False


def remove_left(folder: Path) -> None:
    """Delete what killed processes have left unfinished."""
    for left in folder.glob(".*-*"):
        with suppress(OSError, ValueError):
            if has_ended(int(left.name[1:].partition("-")[0])) or time() - left.lstat().st_mtime > _DAY:
                remove(left)


def put_in_place(building: Path, entry: Path) -> None:
    """Let a finished folder be the entry."""
    try:
        building.rename(entry)
    except OSError:  # another of that name: of another day, damaged, or just made by another process
        old = beside(entry)
        entry.rename(old)
        building.rename(entry)
        remove(old)


def beside(path: Path) -> Path:
    """A path in the same folder for what is not finished, which tells whose it is."""
    return path.with_name(f".{os.getpid()}-{uuid4().hex}")


def remove(path: Path) -> None:
    """Delete a folder with what is in it, a file or a link."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def prune(kept: Path, parts: Collection[Path], code: str) -> None:
    """Delete entries, but not `kept` and its `parts`, until the rest is small enough: those of other code first, then
    the least recently used.
    """
    sizes = {
        entry: sum(file.lstat().st_size for file in entry.rglob("*"))
        for entry in kept.parent.iterdir()
        if not entry.name.startswith(".")
    }
    used = sum(sizes.values())
    most = min(LARGEST, (shutil.disk_usage(kept).free + used) // 2)
    for entry in sorted(sizes, key=lambda path: (path.name.startswith(code), path.lstat().st_mtime)):
        if used > most and entry != kept and entry not in parts:
            remove(entry)
            used -= sizes[entry]


def begin_entry(building: Path) -> Path:
    """Begin an entry: the path of the file for its tables. Raises OSError."""
    building.mkdir(mode=0o700)
    return building / _TABLES


def describe_entry(building: Path, description: Any) -> None:
    """Write what the tables of an entry are, and how to see that they are whole. Raises OSError and NotKept."""
    tables = building / _TABLES
    tables.chmod(0o600)
    write_checked(building / _DESCRIPTION, (checksums(tables), description))


def open_entry(entry: Path, is_wanted: Callable[[Any], bool]) -> tuple[Path, list[int], Any] | None:
    """The file of an entry's tables, its checksums and what the tables are; used now. None where they are not wanted
    or not as written.
    """
    description, tables = read_checked(entry / _DESCRIPTION), entry / _TABLES
    try:
        if (
            description is None
            or not is_file(tables)
            or not is_wanted(description[1])
            or checksums(tables) != description[0]
        ):
            return None
    except OSError:
        return None
    with suppress(OSError):
        os.utime(entry)
    return tables, *description


def write_checked(path: Path, value: Any) -> None:
    """Write a value at once with its digest; whoever reads it meanwhile sees the one before, or none.

    Raises OSError and NotKept.
    """
    new, content = beside(path), to_bytes(value)
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(sha256(content).digest() + content)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def read_checked(path: Path) -> Any:
    """What `write_checked` wrote; None where there is no such file, or not as it was written."""
    try:
        raw = path.read_bytes() if is_file(path) else b""
    except OSError:
        return None
    content = raw[_DIGEST:]
    if len(raw) < _DIGEST or sha256(content).digest() != raw[:_DIGEST]:
        return None
    with suppress(NotKept, ValueError):
        return from_bytes(content)
    return None


def digest_of(path: Path) -> str:
    """A digest of a file's bytes, of large files by several threads: the SHA-256 of those of its parts."""

    def read_part(start: int) -> bytes:
        digest = sha256()
        for block in _blocks(path, start):
            digest.update(block)
        return digest.digest()

    return sha256(b"".join(_each_part(path, read_part))).hexdigest()


def checksums(path: Path) -> list[int]:
    """The CRC-32 of each part of a file, by which damage is seen."""

    def part_checksum(start: int) -> int:
        checksum = 0
        for block in _blocks(path, start):
            checksum = crc32(block, checksum)
        return checksum

    return _each_part(path, part_checksum)


def _each_part(path: Path, function: Callable[[int], T]) -> list[T]:
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return [*threads.map(function, range(0, path.stat().st_size, _PART))]


def _blocks(path: Path, start: int) -> Iterator[bytes]:
    """The bytes of a part."""
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        remaining = _PART
        while remaining > 0 and (block := file.read(min(remaining, 2**20))):
            remaining -= len(block)
            yield block
