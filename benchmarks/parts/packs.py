"""Packs of one month against other ways to make them, in several languages, and of many months."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import environments
from environments import BEFORE, BIN, HERE, Company, NotThere, browser, wide_company
from measure import Failed, Sample, case, measure_rounds, run, together
from results import Claim, Part, agreement, ratios, rows_of, seconds

TEMPLATES = HERE.parent / "templates"
PERIOD = "2025-12"  # the last month of the company's data
_PICTURE = re.compile(r'<img[^>]*src="data:image/svg')  # a chart, where nbconvert lays it out
BACKFILL, APART = 24, 4  # months, of which every fourth is made by a command of its own
SECTIONS, SEGMENTS = 8, 10
PLAIN = (
    "The plain notebook is `peers/plain_report.ipynb`, by `papermill` and `jupyter nbconvert --to html`: tables and "
    "charts in pandas and Altair of six summaries of clean data. It has no cleaning or checks of its data, no other "
    "metrics, intervals, forecasts, segments or goals, no lists, no PDF, no message and no record of what was sent."
)


def pack(companies: list[Company], rounds: int) -> list[Part]:
    """One month's pack against a shell loop over the same notebooks, and against the floor of one warm process."""
    company = companies[0]
    with TemporaryDirectory() as folder:
        own, notebooks = sections(Path(folder, "templates"))
        part = Part(f"Pack of {len(notebooks)} sections, HTML and PDF, {company.name}")
        output, floor = Path(folder, "reports"), [sys.executable, HERE / "floor.py", company.folder, PERIOD, folder]
        run(_report(company, output, own))  # what is kept between runs is made, and the disk is read
        cases = [
            case("retention-kit report", [*_report(company, output, own), "--force"]),
            case("floor: the same cells in one warm process", [*floor, *notebooks]),
            lambda: _loop(company, notebooks, Path(folder, "loop")),
            lambda: _plain(company, Path(folder, "plain")),
        ]
        by_case = measure_rounds(cases, rounds)
    plain = by_case.pop("plain notebook")
    drawn = {samples[0].output["charts"] for samples in by_case.values() if samples[0].output}
    if len(drawn) != 1:
        raise Failed(f"The loop and the floor did not draw the same charts: {' and '.join(map(str, drawn))}.")
    ours, floor, html, *pdf = (seconds(samples) for samples in by_case.values())
    part.rows = rows_of(by_case | {"a plain notebook of the six summaries, HTML": plain})
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
    figures = run([sys.executable, HERE / "ways.py", "orders", company.folder]).output["figures"]
    part.notes.append(
        f"{PLAIN} {agreement({'the scorecard': figures, 'the plain notebook': plain[0].output['figures']})}"
    )
    text = "pack against a plain notebook of the six summaries, HTML alone: time"
    part.claims.append(Claim(text, ratios(ours, seconds(plain)), 1, is_bound=False))
    return [part]


def before(companies: list[Company], rounds: int) -> list[Part]:
    """One month's pack against that of an earlier commit: of the sample, and of a large company."""
    try:
        earlier_code = environments.before()
    except NotThere as error:
        return [Part("Pack against the commit before", notes=[f"It was not measured: {error}."])]
    parts, earlier = [], {"PYTHONPATH": str(earlier_code)}
    with TemporaryDirectory() as folder:
        for name, command in _packs(companies[0], Path(folder)).items():
            part = Part(f"Pack against the commit before, {BEFORE}, {name}")
            for environment in ({}, earlier):
                run([*command, "--force"], **environment)
            cases = [case("this commit", [*command, "--force"]), case("before", [*command, "--force"], **earlier)]
            by_case = measure_rounds(cases, rounds)
            part.rows = rows_of(by_case)
            part.claims = _time_claims(f"pack against the commit before, {name}", *by_case.values(), 0.75)
            parts.append(part)
    return parts


def languages(companies: list[Company], rounds: int) -> list[Part]:
    """One month's pack in two languages at once against one language: of the sample, and of a large company."""
    parts = []
    with TemporaryDirectory() as folder:
        for name, command in _packs(companies[0], Path(folder)).items():
            part = Part(f"Pack in two languages, {name}")
            cases = [
                case(language, [*command, "--force", "--language", language]) for language in ("en", "ar", "en,ar")
            ]
            run([*command, "--force"])
            by_case = measure_rounds(cases, rounds)
            part.rows = rows_of(by_case)
            english, _, both = by_case.values()
            part.claims = _time_claims(f"en,ar against en, {name}", both, english, 1.4)
            parts.append(part)
    return parts


def segments(companies: list[Company], rounds: int) -> list[Part]:
    """One month's packs of ten segment values in one command against the pack of one of them."""
    cities = companies[0]._replace(folder=wide_company("values", companies[0]))
    part = Part(f"Packs of {SEGMENTS} segment values, {cities.name}")
    with TemporaryDirectory() as folder:
        single, many = ([*_report(cities, Path(folder, name)), "--force"] for name in ("single", "many"))
        chosen = [argument for number in range(SEGMENTS) for argument in ("--segment", f"city=City {number}")]
        run([*single, *chosen[:2]])
        cases = [
            case("one segment value", [*single, *chosen[:2]]),
            case(f"{SEGMENTS} segment values", [*many, *chosen]),
        ]
        by_case = measure_rounds(cases, rounds)
        if len([*Path(folder, "many").rglob("report.en.city-*.html")]) != SEGMENTS:
            raise Failed("Not every segment value has a report.")
    single_pack, ten = by_case.values()
    part.rows = rows_of(by_case)
    part.claims = _time_claims(f"packs of {SEGMENTS} segment values against one, {cities.name}", ten, single_pack, 4)
    return [part]


def backfill(companies: list[Company], rounds: int) -> list[Part]:
    """24 months in one command against one month, and against a command each; and the month after them."""
    company = companies[0]
    part = Part(f"Backfill of {BACKFILL} months, {company.name}")
    months = [f"{number // 12}-{number % 12 + 1:02}" for number in range(2026 * 12 - BACKFILL - 1, 2026 * 12)]
    with TemporaryDirectory() as folder:
        single, many = Path(folder, "single"), Path(folder, "many")

        def together_and_next() -> dict[str, Sample]:
            shutil.rmtree(many, ignore_errors=True)
            command = [*_report(company, many, period=None), "--from", months[0], "--to"]
            names = f"{BACKFILL} months in one command", "the month after, with the others there"
            return {name: run([*command, month]) for name, month in zip(names, months[-2:], strict=True)}

        def apart() -> dict[str, Sample]:
            some = [run([*_report(company, single, period=month), "--force"]) for month in months[1::APART]]
            return {f"{BACKFILL} commands, from every {APART}th": together(some * APART)}

        run(_report(company, single))
        month = case("one month", [*_report(company, single), "--force"])
        by_case = measure_rounds([month, together_and_next, month, apart, month], rounds)
    often, ours, following, each = (seconds(samples) for samples in by_case.values())
    month_means = [fmean(often[begin : begin + 3]) for begin in range(0, len(often), 3)]  # of each round
    part.rows = rows_of(by_case)
    part.notes.append("One month is measured before, between and after, and the mean of the three counts.")
    text, used = f"{BACKFILL} months in one command", [samples[0].memory for samples in by_case.values()]
    part.claims = [
        Claim(f"{text} against one month: time", ratios(ours, month_means), 7),
        Claim(
            f"the month after {BACKFILL} that are there against one month: time", ratios(following, month_means), 1.1
        ),
        Claim(f"{text} against {BACKFILL} commands: faster by", ratios(each, ours), 2, is_floor=True),
        Claim(f"{text} against one month: memory", [used[1] / used[0]], 1.7, is_bound=False),
    ]
    return [part]


def _packs(company: Company, folder: Path) -> dict[str, list[str | Path]]:
    """The commands for one month's pack of the sample company and of a large one, by the company's name."""
    sample: list[str | Path] = [BIN / "retention-kit", "report", "--output", folder / "sample"]
    return {"the sample company": sample, company.name: _report(company, folder / "reports")}


def _time_claims(text: str, ours: list[Sample], other: list[Sample], bound: float) -> list[Claim]:
    """The clock's time against a bound, and the processor's for information."""
    used = ([sample.processor for sample in samples] for samples in (ours, other))
    return [
        Claim(f"{text}: time", ratios(seconds(ours), seconds(other)), bound),
        Claim(f"{text}: processor's time", ratios(*used), bound, is_bound=False),
    ]


def _report(company: Company, output: Path, own: Path | None = None, period: str | None = PERIOD) -> list[str | Path]:
    command: list[str | Path] = [BIN / "retention-kit", "report", "--data", company.folder / "retention.toml"]
    command += ["--output", output, *(["--templates", own] if own else [])]
    return [*command, *(["--period", period] if period else [])]


def sections(own: Path) -> tuple[Path | None, list[Path]]:
    """The notebooks of the sections, filled up to eight with a page for one metric as a template of one's own."""
    notebooks = [path for path in sorted(TEMPLATES.glob("*.ipynb")) if path.stem != "kpi"]
    missing = range(len(notebooks), SECTIONS)
    for number in missing:
        own.mkdir(exist_ok=True)
        notebooks.append(Path(shutil.copy(TEMPLATES / "kpi.ipynb", own / f"own_{number}.ipynb")))
    return own if missing else None, notebooks


def _loop(company: Company, notebooks: list[Path], folder: Path) -> dict[str, Sample]:
    """What one would otherwise do: papermill and nbconvert for each notebook, one command after another."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    steps: dict[str, list[Sample]] = {"papermill": [], "html": [], "pdf": []}
    same = {"PYTHONPATH": f"{HERE.parent}:{HERE}", "JUPYTER_PREFER_ENV_PATH": "1"}  # the kernel of this Python
    settings = {"period": PERIOD, "segment": "country", "data": str(company.folder / "retention.toml")}
    parameters = [part for name, value in settings.items() for part in ("-p", name, value)]
    convert = [BIN / "jupyter", "nbconvert", "--log-level=ERROR", "--to"]
    pdf = ["chromium_pdf.ChromiumPDFExporter", "--WebPDFExporter.disable_sandbox=True"]
    for notebook in notebooks:
        source, executed = folder / notebook.name, folder / f"{notebook.stem}.out.ipynb"
        source.write_text(json.dumps(with_drawn_charts(json.loads(notebook.read_text()))))
        papermill = [BIN / "papermill", "--no-progress-bar", "-k", "python3", source, executed, *parameters]
        steps["papermill"].append(run(papermill, **same))
        steps["html"].append(run([*convert, "html", executed], **same))
        if browser():
            steps["pdf"].append(run([*convert, *pdf, executed], **same))
    charts = {"charts": sum(len(_PICTURE.findall(path.read_text())) for path in folder.glob("*.html"))}
    without = [*steps["papermill"], *steps["html"]]
    samples = {"shell loop, HTML only": together(without)._replace(output=charts)}
    return samples | ({"shell loop, HTML and webpdf": together([*without, *steps["pdf"]])} if browser() else {})


def _plain(company: Company, folder: Path) -> dict[str, Sample]:
    """The notebook that one would write without us, with the figures that it shows."""
    folder.mkdir(exist_ok=True)
    same = {"PYTHONPATH": str(HERE), "JUPYTER_PREFER_ENV_PATH": "1"}
    papermill = [BIN / "papermill", "--no-progress-bar", "-k", "python3", "--cwd", folder]
    target = folder / "plain_report.ipynb"
    steps = [
        run([*papermill, HERE / "peers" / target.name, target, "-p", "folder", company.folder], **same),
        run([BIN / "jupyter", "nbconvert", "--log-level=ERROR", "--to", "html", target], **same),
    ]
    figures = json.loads((folder / "figures.json").read_text())
    return {"plain notebook": together(steps)._replace(output={"figures": figures})}


def with_drawn_charts(notebook: dict) -> dict:
    """The same notebook, which imports `drawn` after its parameters."""
    cells = notebook["cells"]
    index = 1 + next(i for i, cell in enumerate(cells) if "parameters" in cell["metadata"].get("tags", []))
    drawn = {"cell_type": "code", "id": "drawn", "metadata": {}, "source": "import drawn"}
    return notebook | {"cells": [*cells[:index], drawn | {"execution_count": None, "outputs": []}, *cells[index:]]}
