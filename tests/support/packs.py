"""Packs that many tests read, each made once in a run."""

import os
from collections.abc import Callable
from pathlib import Path
from time import sleep


def built_once(tmp_path_factory, name: str, make: Callable[[Path], Path]) -> Path:
    """What `make` gives, made by the first worker of a run that asks for it; the others wait for it."""
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    folder, marker = root / name, root / f"{name}.made"
    try:
        folder.mkdir()
    except FileExistsError:
        while not marker.exists():
            sleep(0.2)
    else:
        path = ""
        try:
            path = str(make(folder))
        finally:
            (root / f"{name}.part").write_text(path, "utf-8")
            (root / f"{name}.part").rename(marker)
    assert marker.read_text("utf-8"), f"{name} could not be made, as another test says"
    return Path(marker.read_text("utf-8"))
