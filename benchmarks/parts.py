"""What is measured: a function for each part of the page, which runs its cases by turns and says what has to hold."""

from __future__ import annotations

import json
import re
import shutil
import sys
from itertools import pairwise
from math import isclose
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import NamedTuple

from environments import NotThere, browser, customers, environment
from measure import Case, Failed, Sample, by_turns, case, run, together
from results import Claim, Part, Row, ratios
from shop_export import LINES, write_export

HERE = Path(__file__).parent
TEMPLATES = HERE.parent / "templates"
BIN = Path(sys.executable).parent
PERIOD = "2025-12"  # the last month of the company's data
_PICTURE = re.compile(r'<img[^>]*src="data:image/svg')  # a chart, where nbconvert lays it out
BACKFILL = 24  # months
SECTIONS = 8
LARGE = 10  # millions of orders that natural SQL and pandas are still asked for
OURS = ("orders", "subscriptions")
WAYS = {
    "orders": "scorecard, customers by orders",
    "six": "the same with cohorts and RFM, as the six queries",
    "subscriptions": "scorecard, customers by subscriptions",
    "natural": "six natural SQL queries",
    "pandas": "the six in pandas",
    "scan": "floor: a scan of the needed Parquet columns",
}
EXPORT = 200  # MB
IMPORTS = 20  # how often a start of a tenth of a second is repeated in a round


class Company(NamedTuple):
    """Generated data: millions of orders, and the folder."""

    millions: float
    folder: Path

    @property
    def name(self) -> str:
        return f"{self.millions:g} million orders"


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


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
        found = by_turns(cases, rounds, say)
    drawn = {samples[0].told["charts"] for samples in found.values() if samples[0].told}
    if len(drawn) != 1:
        raise Failed(f"The loop and the floor did not draw the same charts: {' and '.join(map(str, drawn))}.")
    ours, floor, html, *pdf = (_seconds(samples) for samples in found.values())
    part.rows = _rows(found)
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
            found = by_turns(cases, rounds, say)
            part.rows = _rows(found)
            one, _, both = found.values()
            used = [[sample.processor for sample in samples] for samples in (both, one)]
            part.claims = [
                Claim(f"en,ar against en, {name}: time", ratios(_seconds(both), _seconds(one)), 1.4),
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
        found = by_turns([month, ours, month, calls, month], rounds, say)
    often, ours, apart = (_seconds(samples) for samples in found.values())
    one = [fmean(often[begin : begin + 3]) for begin in range(0, len(often), 3)]  # of each round
    part.rows = _rows(found)
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


def scorecard(companies: list[Company], rounds: int) -> list[Part]:
    """All metrics over 13 months, the data loaded, against natural SQL, pandas and a scan; and how it grows."""
    parts, found = [], {}
    for company in companies:
        say(f"-- {company.name}")
        ways = (
            ("orders", "subscriptions", "scan")
            if company.millions > LARGE
            else ("orders", "subscriptions", "natural", "pandas", "scan")
        )
        found[company] = by_turns([_way(way, company) for way in ways], rounds if company.millions <= LARGE else 1, say)
        parts.append(_scorecard_part(company, found[company]))
    if middle := [company for company in companies if company.millions <= LARGE]:
        parts[len(middle) - 1].claims = _against_others(middle[-1], found[middle[-1]])
    for small, large in pairwise(companies):
        for way in OURS:
            before, after = found[small][way], found[large][way]
            for what, seconds in (("", _seconds), (" with loading", _with_loading)):
                times = zip(seconds(after), seconds(before), strict=False)
                growth = [one * small.millions / (other * large.millions) for one, other in times]
                text = f"{WAYS[way]}{what}: time a row at {large.name} against {small.name}"
                parts[-1].claims.append(Claim(text, growth, 1.0, is_bound=not what))  # the scorecard's, the data loaded
    return parts


def _way(way: str, company: Company) -> Case:
    def once() -> dict[str, Sample]:
        made = run([sys.executable, HERE / "ways.py", way, company.folder])
        six = {"six": Sample(made.told["six"], made.told["six_memory"])} if "six" in made.told else {}
        return {way: made, **six}

    return once


def _scorecard_part(company: Company, found: dict[str, list[Sample]]) -> Part:
    part = Part(f"Scorecard of all metrics over 13 months, {company.name}")
    part.rows = _rows({WAYS[way]: samples for way, samples in found.items()})
    for way, samples in found.items():
        if "load" in samples[0].told:
            part.rows.append(Row(f"{WAYS[way]}: loading from Parquet", [one.told["load"] for one in samples]))
    if company.millions > LARGE:
        for way in OURS:
            used = [one.memory / 2**30 for one in found[way]]
            part.claims.append(Claim(f"{WAYS[way]}, loaded from Parquet, {company.name}: memory", used, 8, unit="GiB"))
        part.notes.append("Natural SQL and pandas were not asked for as much: they keep all of it in memory.")
        return part
    part.notes.append(agreement({way: found[way][0].told["figures"] for way in ("natural", *OURS, "pandas")}))
    return part


def _against_others(company: Company, found: dict[str, list[Sample]]) -> list[Claim]:
    """The scorecard, whoever is a customer, against others; with cohorts and RFM, which it does not hold, for
    information.
    """
    times = {way: _seconds(samples) for way, samples in found.items()}
    claims = []
    for way in (*OURS, "six"):
        text = f"{WAYS[way]}, {company.name}, against natural SQL: time"
        claims.append(Claim(text, ratios(times[way], times["natural"]), 1.0, is_bound=way in OURS))
    for way in (*OURS, "six"):
        is_bound = way in OURS
        name, used = f"{WAYS[way]}, {company.name}, against pandas:", [one.memory for one in found[way]]
        claims += [
            Claim(f"{name} faster by", ratios(times["pandas"], times[way]), 3, is_floor=True, is_bound=is_bound),
            Claim(f"{name} memory", ratios(used, [one.memory for one in found["pandas"]]), 0.25, is_bound=is_bound),
        ]
    return claims


def peers(companies: list[Company], rounds: int) -> list[Part]:
    """Cohorts against repeatradar and RFM against lifetimes, the data loaded, each in an environment of its own."""
    company, parts = companies[0], []
    for way, name in (("cohorts", "repeatradar"), ("rfm", "lifetimes")):
        part = Part(f"{'Cohorts' if way == 'cohorts' else 'RFM'} against {name}, {company.name}")
        cases = [case("retention-kit", [sys.executable, HERE / "ways.py", way, company.folder])]
        try:
            python = environment(name)
            cases.append(case(name, [python, HERE / "peers" / f"{name}_{way}.py", company.folder]))
        except NotThere as error:
            part.notes.append(f"{name} is missing: {error}")
        found = by_turns(cases, rounds, say)
        part.rows = _rows(found)
        if name in found:
            part.notes.append(agreement({who: samples[0].told["figures"] for who, samples in found.items()}))
        parts.append(part)
    return parts


def startup(_: list[Company], rounds: int) -> list[Part]:
    """What an import and `--help` take, whole processes, again and again."""
    part = Part("Start-up, whole processes")
    python = [sys.executable, "-c"]
    names = ["import retention_kit", "import pandas", "retention-kit --help", "bare parser --help", "python -c pass"]
    commands = [
        [*python, names[0]],
        [*python, names[1]],
        [BIN / "retention-kit", "--help"],
        [sys.executable, HERE / "bare_help.py", "--help"],
        [*python, "pass"],
    ]
    cases = [case(name, command) for name, command in zip(names, commands, strict=True)]
    for command in commands:
        run(command)
    found = by_turns(cases, rounds * IMPORTS, lambda _: None)
    package, pandas, ours, bare, _ = (_seconds(samples) for samples in found.values())
    part.rows = _rows(found)
    part.claims = [
        Claim("import retention_kit against import pandas: time", ratios(package, pandas), 0.15),
        Claim("retention-kit --help against a bare parser: time", ratios(ours, bare), 2),
    ]
    return [part]


def redraw(companies: list[Company], rounds: int) -> list[Part]:
    """What the explorer takes to follow a change of selection, its summaries kept, against computing them again."""
    company = companies[0]
    part = Part(f"The explorer follows a change of selection, {company.name}")
    names = (
        "change of selection, the median of nine",
        "change of selection, the slowest",
        "the summaries computed again",
    )

    def once() -> dict[str, Sample]:
        made = run([sys.executable, HERE / "ways.py", "redraw", company.folder])
        told = [made.told[key] for key in ("seconds", "slowest", "recomputed")]
        agreement(made.told["figures"])
        return {name: made._replace(seconds=seconds) for name, seconds in zip(names, told, strict=True)}

    found = by_turns([once], rounds, say)
    middle, slowest, again = (_seconds(samples) for samples in found.values())
    part.rows = _rows(found)
    part.claims = [
        Claim(
            f"change of selection in the explorer, {company.name}, against computing the summaries again: time",
            ratios(middle, again),
            0.25,
        ),
        Claim(f"the slowest change of selection, {company.name}", slowest, 0.5, unit="s"),
    ]
    part.notes.append(
        "A change of period, metric, segment column, value or comparison, until cards and the open tab are drawn."
    )
    return [part]


def export(_: list[Company], rounds: int) -> list[Part]:
    """A shop's export of 200 MB loaded and checked, against DuckDB reading the same file once."""
    part = Part(f"An export of {LINES:,} lines, {EXPORT} MB")
    with TemporaryDirectory() as folder:
        write_export(Path(folder, "orders_export_1.csv"))
        ways = {"retention-kit, loaded and checked": "export", "floor: DuckDB reads it once": "export_scan"}
        cases = [case(name, [sys.executable, HERE / "ways.py", way, folder]) for name, way in ways.items()]
        found = by_turns(cases, rounds, say)
    part.rows = _rows(found)
    ours, scan = found.values()
    part.notes.append(agreement({name: samples[0].told["figures"] for name, samples in found.items()}))
    part.claims = [
        Claim(f"an export of {EXPORT} MB, loaded and checked", _seconds(ours), 15, unit="s"),
        Claim(f"an export of {EXPORT} MB: memory", [one.memory / 10**6 for one in ours], 500, unit="MB"),
        Claim(
            "an export against one read of it by DuckDB: time",
            ratios(_seconds(ours), _seconds(scan)),
            10,
            is_bound=False,
        ),
    ]
    return [part]


def lifetimes(_: list[Company], rounds: int) -> list[Part]:
    """BG/NBD fitted to 100,000 customers against lifetimes, and to 10 million; seconds are those of the processor."""
    few, many = customers(100_000), customers(10_000_000)
    part = Part("BG/NBD, CPU seconds of a fit")
    ours = [sys.executable, HERE / "bg_nbd_fit.py"]
    cases = [case("retention-kit, 100,000 customers", [*ours, few])]
    try:
        peer = [environment("lifetimes"), HERE / "peers" / "lifetimes_fit.py", few]
        cases.append(case("lifetimes, 100,000 customers", peer))
    except NotThere as error:
        part.notes.append(f"lifetimes is missing: {error}")
    cases.append(case("retention-kit, 10 million customers", [*ours, many]))
    found = by_turns(cases, rounds, say)
    part.rows = _rows(found)
    fits = list(found.values())
    if len(fits) == 3:
        figures = [one[0].told["figures"] for one in fits[:2]]
        part.notes.append(agreement({"ours": figures[0], "lifetimes": figures[1]}, within=1e-3))
        text = "BG/NBD of 100,000 customers against lifetimes: CPU time"
        part.claims.append(Claim(text, ratios(_seconds(fits[0]), _seconds(fits[1])), 0.5))
    used = [one.memory / 2**30 for one in fits[-1]]
    part.claims.append(Claim("BG/NBD of 10 million customers: memory", used, 1, unit="GiB"))
    return [part]


PARTS = {
    "pack": pack,
    "languages": languages,
    "backfill": backfill,
    "scorecard": scorecard,
    "peers": peers,
    "redraw": redraw,
    "startup": startup,
    "export": export,
    "lifetimes": lifetimes,
}


def agreement(figures: dict[str, dict[str, float]], within: float = 1e-9) -> str:
    """A sentence on how many figures are the same in all ways; raises Failed where one differs."""
    (first, known), *others = figures.items()
    shared = 0
    for name, told in others:
        common = known.keys() & told.keys()
        shared += len(common)
        for key in sorted(common):
            if not isclose(known[key], told[key], rel_tol=within):
                raise Failed(f"{key} is {known[key]} by {first} and {told[key]} by {name}.")
        if not common:
            raise Failed(f"{first} and {name} have no figure in common.")
    return f"The figures of all agree: {shared:,} comparisons."


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


def _rows(found: dict[str, list[Sample]]) -> list[Row]:
    return [Row(name, _seconds(samples), max(one.memory for one in samples)) for name, samples in found.items()]


def _seconds(samples: list[Sample]) -> list[float]:
    return [one.seconds for one in samples]


def _with_loading(samples: list[Sample]) -> list[float]:
    return [one.told["load"] + one.seconds for one in samples]
