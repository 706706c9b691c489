"""The shape of the house: imports point one way, modules stay small, notebooks stay empty."""

import ast
import inspect
import json
import re
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import msgspec
import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "retention_kit"
MODULES = sorted(PACKAGE.rglob("*.py"))
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
NOTEBOOKS = sorted(path for folder in ("templates", "notebooks") for path in (ROOT / folder).glob("*.ipynb"))

COMMON = "lazy errors periods settings bidi wording display"
# Each room and what it may import of ours; a room's name stands for all that is in it, and a room may import itself.
# Rows are in the order in which data flows, so a row names earlier ones only. Where two rows fit, the longer one
# counts.
MAY_IMPORT = {
    "lazy": "",
    "errors": "",
    "periods": "errors",
    "settings": "errors periods",
    "bidi": "",
    "word_files": "errors bidi",
    "sentences": "word_files",
    "wording": "errors periods bidi word_files sentences",
    "hijri": "periods wording",
    "display": "errors wording",
    "plugins": "errors",
    "fonts": "errors",
    "data.checks": "",
    "data.schema": "wording",
    "data.engines": f"{COMMON}",
    "data.values": f"{COMMON} data.checks data.engines",
    "data.layouts": "errors data.engines",
    "data.cache_values": "lazy",
    "data.cache_folder": "errors data.cache_values data.engines",
    "data.readers": f"{COMMON} data.cache_values data.cache_folder data.checks data.schema data.engines data.values data.layouts",
    "data.summary_key": "",
    "data.choose_engine": f"{COMMON} data.engines data.readers",
    "data.cleaning": f"{COMMON} data.checks data.schema data.engines data.values data.readers",
    "data.importing": f"{COMMON} data.checks data.schema data.choose_engine data.engines data.values data.layouts data.readers data.cleaning",
    "data.sample": "",
    "data": f"{COMMON} plugins fonts data",
    "metrics.summary_rows": "settings",
    "metrics.catalogue": f"{COMMON} metrics.summary_rows",
    "metrics.formulas": "metrics.catalogue",
    "metrics.decomposition": "wording",
    "metrics.insights": "lazy periods metrics.catalogue metrics.decomposition metrics.formulas",
    "metrics.models": "errors wording",
    "metrics.goals.pace": "",
    "metrics.goals.outlook": "",
    "metrics.goals.states": "periods settings.goals metrics.goals.pace metrics.goals.outlook",
    "metrics.goals.rules": f"{COMMON} metrics.catalogue metrics.goals.pace",
    "metrics.alerts.language": "errors settings",
    "metrics.alerts.states": "settings",
    "metrics.alerts.conditions": "errors settings metrics.catalogue metrics.goals.rules metrics.alerts.language",
    "metrics.alerts.evaluate": "periods wording metrics.catalogue metrics.alerts.language metrics.alerts.states metrics.insights",
    "metrics.queries": f"{COMMON} data metrics.summary_rows",
    "metrics.comments": "data metrics.queries periods",
    "metrics.forecasts": f"{COMMON} data metrics.summary_rows metrics.catalogue metrics.formulas metrics.models metrics.queries",
    "metrics.definitions": f"{COMMON} data.values metrics.summary_rows metrics.catalogue metrics.formulas",
    "metrics": f"{COMMON} plugins data metrics",
    "report.blocks": "errors bidi",
    "report.charts": f"{COMMON} bidi",
    "report.pages": f"{COMMON} hijri data metrics report.blocks report.charts",
    "report.page": "metrics.catalogue report.blocks report.pages",
    "report.export": f"{COMMON} metrics report.blocks report.charts report.page",
    "report.changes": "",
    "report.archive": f"{COMMON} metrics.catalogue report.blocks report.pages.narrative",
    "report.appendix": f"{COMMON} metrics report.blocks report.charts report.pages report.page report.archive report.changes",
    "report.execution": f"{COMMON} data metrics report.blocks report.charts report.pages report.page report.export "
    "report.archive report.changes",
    "report.message": f"{COMMON} metrics report.blocks report.charts report.pages report.page report.export",
    "report.checks": f"{COMMON} metrics report.blocks report.pages report.export report.archive",
    "report.build": f"{COMMON} data metrics report",
    "report": "",
    "delivery": f"{COMMON} data metrics.alerts report.archive report.checks report.message",
    "delivery.follow_ups": f"{COMMON} data metrics report.export report.archive delivery",
    "widgets": f"{COMMON} data metrics report",
    "survey.questions": "errors",
    "survey.words": "errors",
    "survey.limits": "",
    "survey.links": "errors survey.questions",
    "survey.store": "errors survey.questions",
    "survey.page": "survey.questions survey.words",
    "survey": f"{COMMON} data.engines data.readers data.values report.export survey",
    "cli": f"{COMMON} bidi word_files plugins data metrics report delivery widgets survey",
}


def name_of(path: Path) -> str:
    """`data.engine` for retention_kit/data/engine.py, `data` for its __init__, nothing for the front door."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


NAMES = {name_of(path) for path in MODULES}


def is_in(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


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
    package = max((package for package in MAY_IMPORT if is_in(name, package)), key=len, default=None)
    assert package, f"{name} has no row in MAY_IMPORT"
    imported = {
        module.removeprefix("retention_kit").lstrip(".") for module in imports(path) if is_in(module, "retention_kit")
    }
    forbidden = {
        module
        for module in imported
        if not any(is_in(module, allowed) for allowed in [package, *MAY_IMPORT[package].split()])
    }
    assert forbidden == set(), f"{name} may import {MAY_IMPORT[package] or 'nothing of ours'}"


def test_a_room_may_import_earlier_ones_only():
    earlier: list[str] = []
    for package, allowed in MAY_IMPORT.items():
        assert [
            name
            for name in allowed.split()
            if not any(is_in(other, name) or is_in(name, other) for other in [*earlier, package])
        ] == []
        earlier.append(package)


def test_no_two_modules_import_each_other():
    arrows = {
        name_of(path): {imported.removeprefix("retention_kit.") for imported in imports(path)} & NAMES
        for path in MODULES
    }
    while leaves := {name for name, imported in arrows.items() if not imported}:
        arrows = {name: imported - leaves for name, imported in arrows.items() if name not in leaves}
    assert arrows == {}


@pytest.mark.parametrize("package", ["ipywidgets", "anywidget"])
def test_only_the_widgets_import(package):
    """Whoever has no JupyterLab has neither."""
    users = [name_of(path) for path in MODULES if any(is_in(module, package) for module in imports(path))]
    assert [name for name in users if not is_in(name, "widgets")] == []


def test_what_is_imported_is_declared():
    """An import of something that another dependency happens to bring would break when that one lets go of it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    requirements = project["dependencies"] + [
        requirement for name, extra in extras.items() if name != "dev" for requirement in extra
    ]
    declared = {re.match(r"[\w.-]+", requirement)[0].lower() for requirement in requirements}
    distributions = packages_distributions()
    used = {module.split(".")[0] for path in MODULES for module in imports(path)} - sys.stdlib_module_names
    used -= {"retention_kit"}
    known_by = {
        name: {name, *(module.lower().replace("_", "-") for module in distributions.get(name, []))} for name in used
    }
    assert [name for name, distribution in sorted(known_by.items()) if not distribution & declared] == []


def test_no_two_files_of_tests_bear_one_name():
    """pytest imports them by name alone, and would leave one of the two out."""
    names = sorted(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert names == sorted(set(names))


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
    assert loaded("retention_kit", heavy) == []
    # What sends a pack, or asks for its state, computes nothing.
    assert loaded("retention_kit.delivery.status", ["numpy", "pandas", "scipy"]) == []
    assert loaded("retention_kit.metrics.scorecard", ["numpy", "scipy"]) == []


def loaded(module: str, others: list[str]) -> list[str]:
    """Which of the others come with a module."""
    program = f"import sys, {module}; print(*sorted(set({others}) & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return result.stdout.split()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: name_of(path) or "retention_kit")
def test_modules_stay_small(path):
    assert len(path.read_text("utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", MODULES, ids=lambda path: name_of(path) or "retention_kit")
def test_functions_stay_small(path):
    functions = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, FUNCTIONS)]
    assert [function.name for function in functions if function.end_lineno - body_of(function) >= 60] == []


def body_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The line that the code begins in: what explains it does not count."""
    return function.body[0].end_lineno if ast.get_docstring(function) else function.lineno


def test_what_users_call_is_explained():
    """On the mean in four lines or more: what goes in and comes out, in which unit, what is refused, from which source."""
    import retention_kit as rk
    from retention_kit import settings
    from retention_kit.data.engines.protocol import Engine
    from retention_kit.metrics.catalogue import metric

    exports = [getattr(rk, name) for name in rk.__all__ if name != "METRICS"]
    metrics = [metric.function for metric in rk.METRICS.values()]
    structs = [
        member for member in vars(settings).values() if isinstance(member, type) and issubclass(member, msgspec.Struct)
    ]
    templates = "".join(path.read_text("utf-8") for path in NOTEBOOKS)
    methods = [getattr(rk.Page, name) for name in sorted({*re.findall(r"page\.(\w+)\(", templates)})]
    methods += [method for name, method in inspect.getmembers(Engine, callable) if name[0] != "_"]
    lengths = {
        name: statistics.mean(len((inspect.getdoc(member) or "").splitlines()) for member in group)
        for name, group in {
            "exports": [*exports, metric],
            "metrics": metrics,
            "settings": structs,
            "methods": methods,
        }.items()
    }
    assert {name: mean for name, mean in lengths.items() if mean < 4} == {}


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
