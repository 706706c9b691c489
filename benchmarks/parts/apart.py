"""What has no company: the start of a process, a shop's export, and the fit of a lifetime model."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from environments import BIN, HERE, Company, NotThere, customers, environment
from measure import case, measure_rounds, run
from results import Claim, Part, agreement, ratios, rows_of, seconds
from shop_export import LINES, write_export

EXPORT = 200  # MB
IMPORTS = 20  # how often a start of a tenth of a second is repeated in a round


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
    by_case = measure_rounds(cases, rounds * IMPORTS, lambda _: None)
    package, pandas, ours, bare, _ = (seconds(samples) for samples in by_case.values())
    part.rows = rows_of(by_case)
    part.claims = [
        Claim("import retention_kit against import pandas: time", ratios(package, pandas), 0.15),
        Claim("retention-kit --help against a bare parser: time", ratios(ours, bare), 2),
    ]
    return [part]


def export(_: list[Company], rounds: int) -> list[Part]:
    """A shop's export of 200 MB loaded and checked, against DuckDB reading the same file once."""
    part = Part(f"An export of {LINES:,} lines, {EXPORT} MB")
    with TemporaryDirectory() as folder:
        write_export(Path(folder, "orders_export_1.csv"))
        ways = {"retention-kit, loaded and checked": "export", "floor: DuckDB reads it once": "export_scan"}
        cases = [case(name, [sys.executable, HERE / "ways.py", way, folder]) for name, way in ways.items()]
        by_case = measure_rounds(cases, rounds)
    part.rows = rows_of(by_case)
    ours, scan = by_case.values()
    part.notes.append(agreement({name: samples[0].output["figures"] for name, samples in by_case.items()}))
    part.claims = [
        Claim(f"an export of {EXPORT} MB, loaded and checked", seconds(ours), 15, unit="s"),
        Claim(f"an export of {EXPORT} MB: memory", [sample.memory / 10**6 for sample in ours], 500, unit="MB"),
        Claim(
            "an export against one read of it by DuckDB: time",
            ratios(seconds(ours), seconds(scan)),
            10,
            is_bound=False,
        ),
    ]
    return [part]


def lifetimes(_: list[Company], rounds: int) -> list[Part]:
    """BG/NBD fitted to 100,000 customers against lifetimes, and to 10 million; seconds are those of the processor."""
    few, many = customers(100_000), customers(10_000_000)
    part = Part("BG/NBD, CPU seconds of a fit")
    command = [sys.executable, HERE / "bg_nbd_fit.py"]
    cases = [case("retention-kit, 100,000 customers", [*command, few])]
    try:
        peer = [environment("lifetimes"), HERE / "peers" / "lifetimes_fit.py", few]
        cases.append(case("lifetimes, 100,000 customers", peer))
    except NotThere as error:
        part.notes.append(f"lifetimes is missing: {error}")
    cases.append(case("retention-kit, 10 million customers", [*command, many]))
    by_case = measure_rounds(cases, rounds)
    part.rows = rows_of(by_case)
    fits = list(by_case.values())
    if len(fits) == 3:
        figures = [samples[0].output["figures"] for samples in fits[:2]]
        part.notes.append(agreement({"ours": figures[0], "lifetimes": figures[1]}, within=1e-3))
        text = "BG/NBD of 100,000 customers against lifetimes: CPU time"
        part.claims.append(Claim(text, ratios(seconds(fits[0]), seconds(fits[1])), 0.5))
    used = [sample.memory / 2**30 for sample in fits[-1]]
    part.claims.append(Claim("BG/NBD of 10 million customers: memory", used, 1, unit="GiB"))
    return [part]
