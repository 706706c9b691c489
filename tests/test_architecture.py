"""The shape of the house: imports point one way, modules stay small, notebooks stay empty."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "retention_kit"
MODULES = sorted(PACKAGE.rglob("*.py"))
NOTEBOOKS = sorted(path for folder in ("templates", "notebooks") for path in (ROOT / folder).glob("*.ipynb"))

COMMON = "errors periods settings wording cells"
# Each module, or room of modules, and what it may import of ours; a room's name stands for all that is in it.
# The first row that fits a module counts. Rows are in the order in which data flows, so a row names earlier ones only.
MAY_IMPORT = {
    "errors": "",
    "periods": "errors",
    "settings": "errors periods settings",
    "wording": "errors periods",
    "cells": "wording",
    "streams": "",
    "plugins": "errors",
    "data.engine": COMMON,
    "data.sample": "",
    "data": f"{COMMON} plugins data",
    "metrics.grids": COMMON,
    "metrics.views": f"{COMMON} data metrics.grids",
    "metrics.summaries": f"{COMMON} data metrics.grids metrics.views",
    "metrics.models": "errors",
    "metrics.catalogue": COMMON,
    "metrics.formulas": f"{COMMON} metrics.catalogue",
    "metrics.customers": "metrics.catalogue metrics.formulas",
    "metrics.purchases": "metrics.catalogue metrics.formulas",
    "metrics.lifetime": "metrics.catalogue metrics.formulas",
    "metrics.revenue": "metrics.catalogue metrics.formulas",
    "metrics.feedback": f"{COMMON} data.scales data.words metrics.catalogue metrics.formulas",
    "metrics.insights": "errors periods metrics.catalogue metrics.formulas",
    "metrics.shown": f"{COMMON} metrics.catalogue",
    "metrics": f"{COMMON} plugins data metrics",
    "report.kernels": COMMON,
    "report.charts_parts": COMMON,
    "report.charts": f"{COMMON} metrics report.charts_parts",
    "report.story": f"{COMMON} metrics",
    "report.drawing": "errors",
    "report.display": f"{COMMON} metrics report.charts",
    "report.equations": "",
    "report.prose": "report.equations",
    "report.outputs": "report.display report.equations report.prose",
    "report.document": "report.outputs report.prose",
    "report.packing": "",
    "report.exporters": f"{COMMON} report.charts report.display report.document report.drawing report.packing report.prose",
    "report.rules": f"{COMMON} data metrics",
    "report.tables": f"{COMMON} metrics report.display report.story",
    "report.context": f"{COMMON} data metrics report.charts_parts report.display report.story",
    "report.charts_cohorts": f"{COMMON} report.charts_parts",
    "report.charts_value": f"{COMMON} report.charts_parts",
    "report.about_customers": f"{COMMON} metrics report.charts report.charts_cohorts report.charts_value "
    "report.context report.display report.tables",
    "report.about_figures": f"{COMMON} metrics report.charts report.context report.display report.rules report.story report.tables",
    "report.charts_waterfall": f"{COMMON} report.charts_parts",
    "report.charts_feedback": f"{COMMON} report.charts_parts",
    "report.about_money": f"{COMMON} metrics report.charts report.charts_waterfall report.context report.display",
    "report.about_feedback": f"{COMMON} data.scales metrics report.about_figures report.charts report.charts_feedback report.context report.display",
    "report.overview": f"{COMMON} metrics report.charts_parts report.context report.display report.story report.tables",
    "report.page": f"{COMMON} data metrics report",
    "report": f"{COMMON} data metrics report",
    "widgets": f"{COMMON} data metrics report widgets",
    "project": f"{COMMON} data report",
    "cli_import": f"{COMMON} data",
    "cli_mail": f"{COMMON} data metrics report",
    "cli_check": f"{COMMON} data",
    "cli": f"{COMMON} streams data metrics report widgets project cli_check cli_import cli_mail",
}


def name_of(path: Path) -> str:
    """`data.engine` for retention_kit/data/engine.py, `data` for its __init__, nothing for the front door."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


NAMES = {name_of(path) for path in MODULES}


def is_in(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


def imports(path: Path) -> Iterator[str]:
    """The full name of each module that a file imports, at its top or inside a function."""
    package = ["retention_kit", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*above, *filter(None, [node.module])])
            for alias in node.names:
                member = f"{source}.{alias.name}"
                yield member if member.removeprefix("retention_kit.") in NAMES else source


@pytest.mark.parametrize("path", [path for path in MODULES if name_of(path)], ids=name_of)
def test_imports_point_one_way(path):
    name = name_of(path)
    room = next((room for room in MAY_IMPORT if is_in(name, room)), None)
    assert room, f"{name} has no row in MAY_IMPORT"
    ours = {found.removeprefix("retention_kit").lstrip(".") for found in imports(path) if is_in(found, "retention_kit")}
    forbidden = {found for found in ours if not any(is_in(found, allowed) for allowed in MAY_IMPORT[room].split())}
    assert forbidden == set(), f"{name} may import {MAY_IMPORT[room] or 'nothing of ours'}"


def test_no_two_modules_import_each_other():
    arrows = {
        name_of(path): {found.removeprefix("retention_kit.") for found in imports(path)} & NAMES for path in MODULES
    }
    while leaves := {name for name, found in arrows.items() if not found}:
        arrows = {name: found - leaves for name, found in arrows.items() if name not in leaves}
    assert arrows == {}


@pytest.mark.parametrize("package", ["ipywidgets", "anywidget"])
def test_only_the_widgets_import(package):
    """Whoever has no JupyterLab has neither."""
    users = [name_of(path) for path in MODULES if any(is_in(found, package) for found in imports(path))]
    assert [name for name in users if not is_in(name, "widgets")] == []


def test_what_is_imported_is_declared():
    """An import of something that another dependency happens to bring would break when that one lets go of it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    requirements = project["dependencies"] + extras["lab"] + extras["warehouse"] + extras["spark"]
    declared = {re.match(r"[\w.-]+", requirement)[0].lower() for requirement in requirements}
    distributions = packages_distributions()
    used = {found.split(".")[0] for path in MODULES for found in imports(path)} - sys.stdlib_module_names
    used -= {"retention_kit"}
    known_by = {
        name: {name, *(found.lower().replace("_", "-") for found in distributions.get(name, []))} for name in used
    }
    assert [name for name, distribution in sorted(known_by.items()) if not distribution & declared] == []


def test_the_front_door_is_light():
    heavy = [
        "altair",
        "babel",
        "duckdb",
        "nbconvert",
        "nbformat",
        "numpy",
        "pandas",
        "papermill",
        "typst",
        "vl_convert",
    ]
    program = f"import sys, retention_kit; print(*sorted(set({heavy}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: name_of(path) or "retention_kit")
def test_modules_stay_small(path):
    assert len(path.read_text("utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_notebooks_stay_empty(path):
    cells = json.loads(path.read_text("utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["id"] for cell in cells if cell["metadata"].get("tags") == ["parameters"]] == ["parameters"]
    assert len(code) <= 8
    assert [cell["id"] for cell in code if cell["outputs"] or cell["execution_count"] is not None] == []
    assert [cell["id"] for cell in code if len(lines(cell)) > 8] == []
    assert [cell["id"] for cell in code if defines(cell)] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_cell_ids_are_given_by_hand(path):
    ids = [cell["id"] for cell in json.loads(path.read_text("utf-8"))["cells"]]
    assert len(set(ids)) == len(ids)
    drawn_by_lot = r"[0-9a-f]{8}(-[0-9a-f]{4}){0,3}(-[0-9a-f]{12})?"
    assert [
        cell for cell in ids if re.fullmatch(drawn_by_lot, cell) or not re.fullmatch(r"[a-z][a-z0-9-]*", cell)
    ] == []


def lines(cell: dict) -> list[str]:
    return "".join(cell["source"]).splitlines()


def defines(cell: dict) -> bool:
    definitions = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
    return any(isinstance(node, definitions) for node in ast.walk(ast.parse("\n".join(lines(cell)))))
