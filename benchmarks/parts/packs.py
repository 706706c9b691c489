"""Packs of one month against other ways to make them, in several languages, and of many months."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

from environments import BIN, HERE, Company, browser
from measure import Failed, Sample, by_turns, case, run, together
from results import Claim, Part, ratios, rows_of, seconds

TEMPLATES = HERE.parent / "templates"
PERIOD = "2025-12"  # the last month of the company's data
_PICTURE = re.compile(r'<img[^>]*src="data:image/svg')  # a chart, where nbconvert lays it out
BACKFILL = 24  # months
SECTIONS = 8


def pack(companies: list[Company], rounds: int) -> list[Part]:
    """One month's pack against a shell loop over the same notebooks, and against the floor of one warm process."""
    company = companies[0]
    with TemporaryDirectory() as place:
        own, notebooks = sections(Path(place, "templates"))
        part = Part(f"Pack of {len(notebooks)} sections, HTML and PDF, {company.name}")
        output, floor = Path(place, "reports"), [sys.executable, HERE / "floor.py", company.folder, PERIOD, place]
        run(_report(company, output, own))  # what is kept between runs is made, and the disk is read
        cases = [
            case("retention-kit report", [*_report(company, output, own), "--force"]),
            case("floor: the same cells in one warm process", [*floor, *notebooks]),
            lambda: _loop(company, notebooks, Path(place, "loop")),
        ]
        found = by_turns(cases, rounds)
    drawn = {samples[0].told["charts"] for samples in found.values() if samples[0].told}
    if len(drawn) != 1:
        raise Failed(f"The loop and the floor did not draw the same charts: {' and '.join(map(str, drawn))}.")
    ours, floor, html, *pdf = (seconds(samples) for samples in found.values())
    part.rows = rows_of(found)
    part.claims = [
        Claim("pack against the loop without PDF: faster by", ratios(html, ours), 5, is_floor=True),
        Claim("pack against the floor of a warm process (goal 1.3): time", ratios(ours, floor), 1.6),
    ]
    if pdf:
        faster = Claim("pack against the loop with webpdf: faster by", ratios(pdf[0], ours), 10, is_floor=True)
        part.claims.insert(0, faster)
    else:
        part.notes.append("The loop with webpdf is missing: there is no Chromium here.")
    part.notes.append(
        f"The loop: `papermill`, `jupyter nbconvert --to html` and `--to webpdf` for each notebook, all {drawn.pop()} charts "
        "drawn by Altair's SVG renderer. The floor begins when everything is imported."
    )
    return [part]


def languages(companies: list[Company], rounds: int) -> list[Part]:
    """One month's pack in two languages at once against one language: of the sample, and of a large company."""
    parts = []
    with TemporaryDirectory() as place:
        sample: list[str | Path] = [BIN / "retention-kit", "report", "--output", Path(place, "sample")]
        commands = {"the sample company": sample, companies[0].name: _report(companies[0], Path(place, "reports"))}
        for name, command in commands.items():
            part = Part(f"Pack in two languages, {name}")
            cases = [case(asked, [*command, "--force", "--language", asked]) for asked in ("en", "ar", "en,ar")]
            run([*command, "--force"])
            found = by_turns(cases, rounds)
            part.rows = rows_of(found)
            one, _, both = found.values()
            used = [[sample.processor for sample in samples] for samples in (both, one)]
            part.claims = [
                Claim(f"en,ar against en, {name}: time", ratios(seconds(both), seconds(one)), 1.4),
                Claim(f"en,ar against en, {name}: processor's time", ratios(*used), 1.4, is_bound=False),
            ]
            parts.append(part)
    return parts


def backfill(companies: list[Company], rounds: int) -> list[Part]:
    """24 months in one command against one month, and against 24 commands."""
    company = companies[0]
    part = Part(f"Backfill of {BACKFILL} months, {company.name}")
    with TemporaryDirectory() as place:
        output = Path(place, "reports")
        command = [*_report(company, output)[:-2], "--force"]  # without the period
        numbers = range(2026 * 12 - BACKFILL, 2026 * 12)
        months = [f"{number // 12}-{number % 12 + 1:02}" for number in numbers]
        run(_report(company, output))

        def calls() -> dict[str, Sample]:
            return {f"{BACKFILL} commands": together([run([*command, "--period", month]) for month in months])}

        month = case("one month", [*command, "--period", PERIOD])
        ours = case(f"{BACKFILL} months in one command", [*command, "--from", months[0], "--to", PERIOD])
        found = by_turns([month, ours, month, calls, month], rounds)
    often, ours, apart = (seconds(samples) for samples in found.values())
    one = [fmean(often[begin : begin + 3]) for begin in range(0, len(often), 3)]  # of each round
    part.rows = rows_of(found)
    part.notes.append("One month is measured before, between and after, and the mean of the three counts.")
    part.claims = [
        Claim(f"{BACKFILL} months in one command against one month (goal 9): time", ratios(ours, one), 12),
        Claim(
            f"{BACKFILL} months in one command against {BACKFILL} commands: faster by",
            ratios(apart, ours),
            2,
            is_floor=True,
        ),
    ]
    return [part]


def _report(company: Company, output: Path, own: Path | None = None) -> list[str | Path]:
    templates = ["--templates", own] if own else []
    data = ["--data", company.folder / "retention.toml"]
    return [BIN / "retention-kit", "report", *data, "--output", output, *templates, "--period", PERIOD]


def sections(own: Path) -> tuple[Path | None, list[Path]]:
    """The notebooks of the sections, filled up to eight with a page for one metric as a template of one's own."""
    notebooks = [path for path in sorted(TEMPLATES.glob("*.ipynb")) if path.stem != "kpi"]
    missing = range(len(notebooks), SECTIONS)
    for number in missing:
        own.mkdir(exist_ok=True)
        notebooks.append(Path(shutil.copy(TEMPLATES / "kpi.ipynb", own / f"own_{number}.ipynb")))
    return own if missing else None, notebooks


def _loop(company: Company, notebooks: list[Path], place: Path) -> dict[str, Sample]:
    """What one would otherwise do: papermill and nbconvert for each notebook, one command after another."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    steps: dict[str, list[Sample]] = {"papermill": [], "html": [], "pdf": []}
    same = {"PYTHONPATH": f"{HERE.parent}:{HERE}", "JUPYTER_PREFER_ENV_PATH": "1"}  # the kernel of this Python
    settings = {"period": PERIOD, "segment": "country", "data": str(company.folder / "retention.toml")}
    parameters = [part for name, value in settings.items() for part in ("-p", name, value)]
    convert = [BIN / "jupyter", "nbconvert", "--log-level=ERROR", "--to"]
    pdf = ["chromium_pdf.ChromiumPDFExporter", "--WebPDFExporter.disable_sandbox=True"]
    for notebook in notebooks:
        given, made = place / notebook.name, place / f"{notebook.stem}.out.ipynb"
        given.write_text(json.dumps(with_drawn_charts(json.loads(notebook.read_text()))))
        papermill = [BIN / "papermill", "--no-progress-bar", "-k", "python3", given, made, *parameters]
        steps["papermill"].append(run(papermill, **same))
        steps["html"].append(run([*convert, "html", made], **same))
        if browser():
            steps["pdf"].append(run([*convert, *pdf, made], **same))
    charts = {"charts": sum(len(_PICTURE.findall(path.read_text())) for path in place.glob("*.html"))}
    without = [*steps["papermill"], *steps["html"]]
    made = {"shell loop, HTML only": together(without)._replace(told=charts)}
    return made | ({"shell loop, HTML and webpdf": together([*without, *steps["pdf"]])} if browser() else {})


def with_drawn_charts(notebook: dict) -> dict:
    """The same notebook, which imports `drawn` after its parameters."""
    cells = notebook["cells"]
    place = 1 + next(i for i, cell in enumerate(cells) if "parameters" in cell["metadata"].get("tags", []))
    drawn = {"cell_type": "code", "id": "drawn", "metadata": {}, "source": "import drawn"}
    return notebook | {"cells": [*cells[:place], drawn | {"execution_count": None, "outputs": []}, *cells[place:]]}
