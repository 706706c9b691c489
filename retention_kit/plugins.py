"""Metrics of one's own: Python files that a `retention.toml` names under [report] plugins."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from hashlib import sha256
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import NoReturn

from retention_kit.errors import RetentionKitError, SettingsError, which_file


class _SourceLoader(SourceFileLoader):
    """Compiles the file anew: bytecode kept beside it tells no edit of the same second and size."""

    def path_stats(self, path: str) -> NoReturn:
        raise OSError(path)  # the hook's way to say that no bytecode fits


def run_plugins(files: Iterable[str | Path]) -> None:
    """Run the files, so that what they declare with `@metric` is known; an edited file counts anew.

    Raises SettingsError, naming the file, where one is missing or fails.
    """
    for file in map(Path, files):
        if not file.is_file():
            template = "report.plugins: there is no file {file!r}: {hint}"
            raise SettingsError(template, file=str(file), hint=which_file(file, (".py",)))
        digest = sha256(str(file.resolve()).encode()).hexdigest()[:8]  # two projects may each have a shop.py
        name = f"retention_kit_plugin_{file.stem}_{digest}"
        spec = spec_from_file_location(name, file, loader=_SourceLoader(name, str(file)))
        if file.suffix != ".py" or spec is None or spec.loader is None:
            raise SettingsError("report.plugins: {file} is no Python file.", file=file.name)
        module = sys.modules[spec.name] = module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except RetentionKitError as error:
            raise SettingsError("report.plugins: {file}: {error}", file=file.name, error=error) from error
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # sys.exit() too: nothing was done, whatever code it names
            template = "report.plugins: {file} fails: {kind}: {error}"
            raise SettingsError(template, file=file.name, kind=type(error).__name__, error=error) from error
