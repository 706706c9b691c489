"""All benchmarks in one run: `make bench` writes RESULTS.md beside this file.

`make bench SIZE=100` goes up to 100 million orders, `ONLY=pack,startup` runs some parts and prints them without
writing, `ROUNDS=5` repeats more often.
"""

from __future__ import annotations

import argparse
import compileall
import os
import platform
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path

from environments import Company, company
from measure import Failed, say
from parts import PARTS
from results import page

import retention_kit

FILE = Path(__file__).with_name("RESULTS.md")
SIZES = (1.0, 10.0)  # millions of orders
ROUNDS = {
    "pack": 2,
    "before": 3,
    "languages": 3,
    "segments": 2,
    "backfill": 2,
    "scorecard": 2,
    "cache": 2,
    "peers": 2,
    "redraw": 2,
    "wide": 2,
    "startup": 2,
    "export": 2,
    "lifetimes": 3,
}
PACKAGES = (
    "retention-kit",
    "duckdb",
    "pandas",
    "numpy",
    "altair",
    "vl-convert-python",
    "typst",
    "nbconvert",
    "papermill",
    "playwright",
    "pyarrow",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=float, default=SIZES[-1], help="the largest company, in millions of orders")
    parser.add_argument("--only", default="", help=f"some of {', '.join(PARTS)}, with commas between")
    parser.add_argument("--rounds", type=int, default=0, help="how often each case is run (default: as each part says)")
    chosen = parser.parse_args()
    names = [name.strip() for name in chosen.only.split(",") if name.strip()]
    if unknown := [name for name in names if name not in PARTS]:
        parser.error(f"there is no part {unknown[0]!r}: choose from {', '.join(PARTS)}")
    _compile()
    sizes = [*(size for size in SIZES if size < chosen.size), chosen.size]
    companies = [Company(size, company(size)) for size in sizes]
    parts, failed = [], []
    for name in names or PARTS:
        say(f"== {name}")
        try:
            parts += PARTS[name](companies, chosen.rounds or ROUNDS[name])
        except Failed as error:
            say(str(error))
            failed.append(name)
    text = page(parts, machine())
    if names or failed:
        sys.stdout.write(text)
    else:
        FILE.write_text(text, "utf-8")
        say(f"{FILE.name} is written.")
    if failed:
        say(f"{FILE.name} is left as it is: {', '.join(failed)} failed.")
    return 1 if failed else 0


def _compile() -> None:
    """Compile all packages, as installers and first runs do: else every process would, where no bytecode may be
    written.
    """
    for folder in (sysconfig.get_path("purelib"), retention_kit.__path__[0], FILE.parent):
        compileall.compile_dir(folder, quiet=2, workers=0)


def machine() -> list[str]:
    """What the figures hang on: processor, memory, system and versions; no name and no path of the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "") if sys.platform == "linux" else ""
    return [
        f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB of memory",
        f"{system or platform.system()}, {platform.python_implementation()} {platform.python_version()}",
        ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    ]


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.is_file() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())


if __name__ == "__main__":
    sys.exit(main())
