"""Writes a selection as a notebook: the template of its metric with its parameters."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from retention_kit.errors import ReportError
from retention_kit.metrics.catalogue import METRICS
from retention_kit.report.blocks import templates_dir
from retention_kit.report.execution import templates as library
from retention_kit.widgets.selection import Selection
from retention_kit.wording import Words

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset

_LINE = re.compile(r"(?P<name>\w+)(?P<hint>\s*:[^=]+?)?\s*=\s*(?P<value>.*?)(?P<comment>\s+#.*)?")


def write_notebook(data: Dataset, selection: Selection, folder: Path) -> Path:
    """Copy the template of the selection's metric into a folder, under a new name; returns its path.

    Raises ReportError if the notebook could not open the same data, or cannot be written.
    """
    import nbformat

    if data.given and not data.origin.startswith("("):  # DataFrames cannot be reopened in any case
        settings = ", ".join(f"{name}={value!r}" for name, value in data.given.items())
        words = Words.of(data.settings.report)
        raise ReportError(words.text("explorer.given", settings=settings))
    section = _section(data, selection)
    parameters = selection.parameters(data) | ({"metric": section.metric} if section.metric else {})
    notebook = library.check(section, {**parameters})
    cell = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    cell.source = "\n".join(_set(line, parameters) for line in cell.source.splitlines())
    text, number = nbformat.writes(notebook), 1
    while True:
        more = f"-{number}" if number > 1 else ""
        path = folder / f"{section.path.stem}_{selection.period}{more}.ipynb"
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
            return path
        except FileExistsError:
            number += 1
        except OSError as error:
            template = "No notebook can be written to {folder!r}: {reason}."
            raise ReportError(template, folder=str(folder), reason=error.strerror) from error


def _section(data: Dataset, selection: Selection) -> library.Section:
    """The section of a metric, or the template for any metric."""
    template = METRICS[selection.metric].template
    sections = library.sections(data, is_whole=not selection.only)
    matches = (section for section in sections if section.path.stem == template and not section.metric)
    return next(matches, library.Section(templates_dir() / "kpi.ipynb", selection.metric))


def _set(line: str, parameters: dict[str, str]) -> str:
    match = _LINE.fullmatch(line)
    if not match or match["name"] not in parameters:
        return line
    value = json.dumps(parameters[match["name"]], ensure_ascii=False)
    return f"{match['name']}{match['hint'] or ''} = {value}{match['comment'] or ''}"
