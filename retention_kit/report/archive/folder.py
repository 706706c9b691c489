"""Writes to an output folder: one run at a time, packs are built in a staging directory and then renamed."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from retention_kit.errors import PeriodError, Phrase, ReportError, SettingsError
from retention_kit.periods import Period

LOCK = ".retention-kit.lock"
BEFORE = "before"
LOCKED_ERRNOS = {errno.EAGAIN, errno.EACCES}  # locked by another run; EACCES on Windows
UNSUPPORTED_ERRNOS = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK}  # on some network drives
_held = threading.local()  # real paths of output folders that this thread writes to → whether they are locked


@contextmanager
def output_lock(output: Path) -> Iterator[bool]:
    """Hold the lock of an output folder; yields whether it is really locked. Re-entrant within a thread.

    Removes what killed runs have left first; raises ReportError if that fails. Raises SettingsError at once if the
    folder cannot be written to or another run holds the lock, since waiting could take forever. The operating system
    releases the lock when the process exits; if the file system has no locks, nothing is locked.
    """
    held, path = vars(_held), os.path.realpath(output)
    if path in held:
        yield held[path]
        return
    try:
        created = [folder for folder in (output, *output.parents) if not folder.exists()]
        output.mkdir(parents=True, exist_ok=True)
        lock, held[path] = _lock(output / LOCK)
    except OSError as error:
        reason = Phrase("it is a file") if output.is_file() else error.strerror
        raise SettingsError("No pack can be written to {folder!r}: {why}.", folder=str(output), why=reason) from error
    try:
        if held[path]:
            with wrap_os_errors(output):
                _remove_leftovers(output)
        yield held[path]
    finally:
        del held[path]
        with lock, suppress(OSError):  # Windows cannot remove an open file; it is harmless
            (output / LOCK).unlink()
        with suppress(OSError):  # removes empty folders only
            for folder in created:
                folder.rmdir()


@contextmanager
def staging_dir(folder: Path) -> Iterator[Path]:
    """A temporary directory beside a pack's folder; raises the errors of `output_lock`."""
    with output_lock(folder.parent):
        with wrap_os_errors(folder):
            if folder.exists() and not folder.is_dir():
                raise SettingsError("No pack can be written to {folder!r}: it is a file.", folder=str(folder))
            temporary = tempfile.TemporaryDirectory(
                prefix=f".{folder.name}-", dir=folder.parent, ignore_cleanup_errors=True
            )
        with temporary as staging:
            yield Path(staging)


@contextmanager
def wrap_os_errors(folder: Path) -> Iterator[None]:
    """Turn an OSError while a pack is written into a ReportError that names the pack."""
    try:
        yield
    except OSError as error:
        template = "The pack could not be written to {folder!r}: {reason}."
        raise ReportError(template, folder=str(folder), reason=_reason(error)) from error


def swap(building: Path, folder: Path, staging: Path) -> None:
    """Move the old pack to the staging directory and the new one to its place; on an error the old one is restored."""
    try:
        if folder.exists():
            folder.rename(staging / BEFORE)
        building.rename(folder)
    except BaseException as error:
        if not folder.exists() and (staging / BEFORE).exists():
            (staging / BEFORE).rename(folder)
        if isinstance(error, OSError):
            template = "The pack could not be put in place at {folder}: {reason}."
            raise ReportError(template, folder=folder, reason=error.strerror) from error
        raise


def _reason(error: OSError) -> str:
    """The system's message; for a folder that could not be copied, that of the first file."""
    if isinstance(error, shutil.Error):
        return str(error.args[0][0][2]).rpartition("] ")[2].partition(":")[0]
    return error.strerror or str(error)


def _lock(path: Path) -> tuple[IO[str], bool]:
    """The open lock file of an output folder, with our process id in it, and whether it is really locked.

    Raises SettingsError if another run holds the lock, OSError on other errors.
    """
    while True:
        try:
            file = path.open("a+", encoding="utf-8")
        except PermissionError as error:
            try:  # left by another user's killed run, it can be locked anyway
                file = path.open(encoding="utf-8")
            except FileNotFoundError:  # nothing can be written here
                raise error from None
        try:
            _try_lock(file)
        except OSError as error:
            if error.errno in UNSUPPORTED_ERRNOS:
                return file, False
            with file:
                if error.errno not in LOCKED_ERRNOS:
                    raise
                file.seek(0)
                holder = file.read().strip()
            holder_text = Phrase(" (process {number})" if holder else "", number=holder)
            template = "Another run{who} is writing to {folder!r}: wait until it is done, or give another --output."
            raise SettingsError(template, who=holder_text, folder=str(path.parent)) from None
        with suppress(OSError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):  # else its owner removed it meanwhile
                with suppress(OSError):
                    file.truncate(0)
                    file.write(str(os.getpid()))
                    file.flush()
                return file, True
        file.close()


def _try_lock(file: IO[str]) -> None:
    """Lock an open file, or raise OSError at once if it is locked."""
    if sys.platform == "win32":
        import msvcrt

        file.seek(1 << 20)  # beyond the text, which others may read
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _remove_leftovers(output: Path) -> None:
    """Remove the staging directories of killed runs, and restore a pack that one was about to replace."""
    for folder in output.glob(".*-*"):
        name, _, random = folder.name[1:].rpartition("-")
        if not re.fullmatch(r"\w{8}", random) or not folder.is_dir() or not _is_period(name):
            continue
        if (folder / BEFORE).is_dir() and not (output / name).exists():
            (folder / BEFORE).rename(output / name)
        shutil.rmtree(folder)


def _is_period(name: str) -> bool:
    try:
        return str(Period.parse(name)) == name
    except PeriodError:
        return False
