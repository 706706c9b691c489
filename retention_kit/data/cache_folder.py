"""The cache folder: private to its user, with entries that are complete or missing, the least used deleted first."""

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

LARGEST = 10 * 2**30  # bytes of all entries; on a smaller disk, half of the space that is free without them
_PART = 2**25  # bytes read by a thread at a time
_DAY = 86_400
_DIGEST = 32  # bytes
_TABLES, _DESCRIPTION = "tables", "dataset"  # the files of an entry
T = TypeVar("T")


def own_folder() -> Path:
    """The cache folder of this user, created if it is missing; raises OSError, and DataError if others have access."""
    from platformdirs import user_cache_path

    folder = user_cache_path("retention-kit", appauthor=False) / "data"
    name = str(folder).encode(errors="backslashreplace").decode()
    if "?" in name or name != str(folder):  # DuckDB can open neither
        raise DataError("the name of the folder {folder!r} has a question mark, or is not UTF-8", folder=name)
    with suppress(FileExistsError):  # apart, as `parents=True` ignores the mode for parents
        folder.parent.mkdir(mode=0o700, parents=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    for path, others in ((folder.parent, 0o022), (folder, 0o077)):
        if not _is_own(path, others):
            raise DataError("the folder {folder!r} is not yours alone", folder=str(path))
    return folder


def _is_own(folder: Path, others: int) -> bool:
    """Whether a folder, not a link to one, is this user's and gives `others` none of these permissions."""
    status = folder.lstat()
    is_own = os.name == "nt" or (status.st_uid == os.getuid() and not status.st_mode & others)
    return stat.S_ISDIR(status.st_mode) and is_own


def is_file(path: Path) -> bool:
    """Whether a path is a regular file in a real folder, neither of them a link."""
    try:
        return stat.S_ISREG(path.lstat().st_mode) and stat.S_ISDIR(path.parent.lstat().st_mode)
    except OSError:
        return False


def remove_left(folder: Path) -> None:
    """Delete unfinished entries of killed processes."""
    for left in folder.glob(".*-*"):
        with suppress(OSError, ValueError):
            if has_ended(int(left.name[1:].partition("-")[0])) or time() - left.lstat().st_mtime > _DAY:
                remove(left)


def put_in_place(building: Path, entry: Path) -> None:
    """Move a finished folder into the place of an entry."""
    try:
        building.rename(entry)
    except OSError:  # an entry exists: of another day, damaged, or just written by another process
        old = beside(entry)
        entry.rename(old)
        building.rename(entry)
        remove(old)


def beside(path: Path) -> Path:
    """A path in the same folder for unfinished files, with the id of this process."""
    return path.with_name(f".{os.getpid()}-{uuid4().hex}")


def remove(path: Path) -> None:
    """Delete a folder with its content, a file or a link."""
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
    """Create the folder of an entry and return the path for its file of tables; raises OSError."""
    building.mkdir(mode=0o700)
    return building / _TABLES


def describe_entry(building: Path, description: Any) -> None:
    """Write the description of an entry, with checksums of its tables; raises OSError and NotKept."""
    tables = building / _TABLES
    tables.chmod(0o600)
    write_checked(building / _DESCRIPTION, (checksums(tables), description))


def open_entry(entry: Path, is_wanted: Callable[[Any], bool]) -> tuple[Path, list[int], Any] | None:
    """The path of an entry's tables, their checksums and their description, or None.

    None if `is_wanted` refuses the description, or if anything is missing or damaged. The entry counts as used now.
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
    """Replace a file by a value with its digest, atomically; raises OSError and NotKept."""
    new, content = beside(path), to_bytes(value)
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(sha256(content).digest() + content)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def read_checked(path: Path) -> Any:
    """The value that `write_checked` wrote; None if the file is missing or damaged."""
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
    """The SHA-256 of the SHA-256 digests of a file's parts, which are read by several threads."""

    def read_part(start: int) -> bytes:
        digest = sha256()
        for block in _blocks(path, start):
            digest.update(block)
        return digest.digest()

    return sha256(b"".join(_each_part(path, read_part))).hexdigest()


def checksums(path: Path) -> list[int]:
    """The CRC-32 of each part of a file, to detect damage."""

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
