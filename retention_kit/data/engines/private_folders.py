"""Private files and folders for rows on disk and copies of sources."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from retention_kit.errors import DataError


@contextmanager
def private_folder(folder: Path | None = None) -> Iterator[Path]:
    """A folder for copies of sources, deleted afterwards; if the process is killed, by the next one."""
    folder = folder or private_path()
    try:
        folder.mkdir(mode=0o700)
        yield folder
    except OSError as error:
        raise DataError("A copy of what is read cannot be written: {error}.", error=error) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def private_path() -> Path:
    """A path of its own for rows on disk, in a folder that only this user may open.

    What a killed process has left there is deleted by the next one.
    """
    name = f"{os.getpid()}-{uuid4().hex}"
    if os.name == "nt":  # where the folder for temporary files is the user's own
        return Path(tempfile.gettempdir(), f"retention-kit-{name}")
    folder = Path(tempfile.gettempdir(), f"retention-kit-{os.getuid()}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if status.st_uid != os.getuid() or status.st_mode & 0o077:
            raise PermissionError(f"{folder} is not ours alone")
        for left in folder.iterdir():
            if has_ended(int(left.name.partition("-")[0])):
                shutil.rmtree(left, ignore_errors=True)
    except (OSError, ValueError):
        folder = Path(tempfile.mkdtemp(prefix="retention-kit-"))
    return folder / name


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only this user can read, synced to the disk; replaces an existing one. Raises OSError."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace_private(path: Path, content: bytes) -> None:
    """Write a private file atomically, also with concurrent writers. Raises OSError."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write_private(part, content)
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def has_ended(process: int) -> bool:
    """Whether there is no process with this id."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):  # a number that no process can have
        return True
    except PermissionError:  # another user's, of that number
        pass
    return False
