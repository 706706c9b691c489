"""Where packs are written: one run at a time, each pack beside the one that stands and then in its place."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from retention_kit.errors import PeriodError, ReportError, SettingsError
from retention_kit.periods import Period

LOCK = ".retention-kit.lock"
BEFORE = "before"
_TAKEN = {errno.EAGAIN, errno.EACCES}  # by another run; EACCES as Windows says it
# There are no locks, as on some network drives.
_UNKNOWN = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK}
_held = threading.local()  # by the real path of each output folder that this thread writes to: whether it is locked


@contextmanager
def writing(output: Path) -> Iterator[bool]:
    """Nobody else writes to this folder of packs meanwhile; gives whether that is sure. A part of the run may ask again.

    What a killed run has left is cleared first; raises ReportError where that cannot be done. Raises SettingsError,
    before anything is run, where no pack can be written or another run is writing there: waiting for it could take
    forever. The lock is the system's, so it ends with its process, however that ends; where the system has none, the
    run goes on without.
    """
    held, here = vars(_held), os.path.realpath(output)
    if here in held:
        yield held[here]
        return
    try:
        made = [place for place in (output, *output.parents) if not place.exists()]
        output.mkdir(parents=True, exist_ok=True)
        lock, held[here] = _lock(output / LOCK)
    except OSError as error:
        why = "it is a file" if output.is_file() else error.strerror
        raise SettingsError(f"No pack can be written to {str(output)!r}: {why}.") from error
    try:
        if held[here]:
            with told_of(output):
                _clear(output)
        yield held[here]
    finally:
        del held[here]
        with lock, suppress(OSError):  # Windows: not before it is closed, and then it does no harm
            (output / LOCK).unlink()
        with suppress(OSError):  # a run that wrote nothing leaves nothing
            for place in made:
                place.rmdir()


@contextmanager
def place_for(folder: Path) -> Iterator[Path]:
    """A temporary folder beside a pack's, for this run alone; raises as `writing` does."""
    with writing(folder.parent):
        with told_of(folder):
            if folder.exists() and not folder.is_dir():
                raise SettingsError(f"No pack can be written to {str(folder)!r}: it is a file.")
            beside = tempfile.TemporaryDirectory(
                prefix=f".{folder.name}-", dir=folder.parent, ignore_cleanup_errors=True
            )
        with beside as place:
            yield Path(place)


@contextmanager
def told_of(folder: Path) -> Iterator[None]:
    """What of a pack cannot be written is said in a sentence: raises ReportError for OSError."""
    try:
        yield
    except OSError as error:
        raise ReportError(f"The pack could not be written to {str(folder)!r}: {_reason(error)}.") from error


def swap(building: Path, folder: Path, place: Path) -> None:
    """The new pack takes the old one's name; the old one is gone only then."""
    try:
        if folder.exists():
            folder.rename(place / BEFORE)
        building.rename(folder)
    except BaseException as error:
        if not folder.exists() and (place / BEFORE).exists():
            (place / BEFORE).rename(folder)
        if isinstance(error, OSError):
            raise ReportError(f"The pack could not be put in place at {folder}: {error.strerror}.") from error
        raise


def _reason(error: OSError) -> str:
    """What the system says; of a folder that could not be copied, of its first file."""
    if isinstance(error, shutil.Error):
        return str(error.args[0][0][2]).rpartition("] ")[2].partition(":")[0]
    return error.strerror or str(error)


def _lock(path: Path) -> tuple[IO[str], bool]:
    """The open lock of an output folder, with our process id in it, and whether the system keeps it.

    Raises SettingsError where it is another's, OSError where it cannot be had for another reason.
    """
    while True:
        try:
            file = path.open("a+", encoding="utf-8")
        except PermissionError:  # another user's, whose run was killed: it can be locked all the same
            file = path.open(encoding="utf-8")
        try:
            _take(file)
        except OSError as error:
            if error.errno in _UNKNOWN:
                return file, False
            with file:
                if error.errno not in _TAKEN:
                    raise
                file.seek(0)
                holder = file.read().strip()
            who = f" (process {holder})" if holder else ""
            raise SettingsError(
                f"Another run{who} is writing to {str(path.parent)!r}: wait until it is done, or give another --output."
            ) from None
        with suppress(OSError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):  # else it was freed in between
                with suppress(OSError):
                    file.truncate(0)
                    file.write(str(os.getpid()))
                    file.flush()
                return file, True
        file.close()


def _take(file: IO[str]) -> None:
    """Lock an open file, or raise OSError at once where it is locked."""
    if os.name == "nt":
        import msvcrt

        file.seek(1 << 20)  # far behind what is written, which others may read
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _clear(output: Path) -> None:
    """Take away what a run that was killed has left, and put back a pack that it was about to replace."""
    for left in output.glob(".*-*"):
        name, _, lot = left.name[1:].rpartition("-")
        if not re.fullmatch(r"\w{8}", lot) or not left.is_dir() or not _is_period(name):
            continue
        if (left / BEFORE).is_dir() and not (output / name).exists():
            (left / BEFORE).rename(output / name)
        shutil.rmtree(left)


def _is_period(name: str) -> bool:
    try:
        return str(Period.parse(name)) == name
    except PeriodError:
        return False
