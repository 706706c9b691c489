"""Where what the benchmarks need is kept between runs: generated companies, and the environments of other packages."""

from __future__ import annotations

import compileall
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
KEPT = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "retention-kit" / "benchmarks"
UV = BIN / "uv"
PACKAGES = {
    "polars": ("polars==2.1.0",),
    "repeatradar": ("repeatradar==1.0.0", "pandas<3", "pyarrow"),
    "lifetimes": ("lifetimes==0.11.3", "pandas<2", "numpy<2", "pyarrow<15"),  # reads what pandas 2 has removed
    "lifelines": ("lifelines==0.30.3",),
    "pymc_marketing": ("pymc-marketing==1.3.0",),
}
OTHER_PYTHON = {"pymc_marketing": os.environ.get("RETENTION_KIT_PYTHON", "3.12")}  # newer than ours may be

BEFORE = "2704f89d3e77"  # the commit that a pack is measured against
LARGE = 10  # millions of orders that natural SQL, pandas, a cache and the explorer are still asked for
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class NotThere(Exception):
    """An environment that cannot be made here, with the reason."""


class Company(NamedTuple):
    """Generated data: millions of orders, and the folder."""

    millions: float
    folder: Path

    @property
    def name(self) -> str:
        return f"{self.millions:g} million orders"


def environment(name: str) -> Path:
    """The Python of an environment that holds a package, made where there is none."""
    own = OTHER_PYTHON.get(name, sys.executable)
    folder = KEPT / f"{name}-{_digest(' '.join(PACKAGES[name]) + sys.version)}"
    python, done = folder / "bin" / "python", folder / "done"
    if not done.is_file():
        try:
            make = [UV, "venv", "--quiet", "--clear", "--no-python-downloads", "--python", own, folder]
            subprocess.run(make, check=True, capture_output=True, text=True)
            install = [UV, "pip", "install", "--quiet", "--python", python, *PACKAGES[name]]
            subprocess.run(install, check=True, capture_output=True, text=True, timeout=300)
        except (OSError, subprocess.SubprocessError) as error:
            lines = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
            raise NotThere(f"it cannot be installed here ({lines[-1] if lines else type(error).__name__})") from error
        done.touch()
    return python


def before() -> Path:
    """The package as it was at the commit `BEFORE`, out of the history of git."""
    folder = KEPT / f"before-{BEFORE}"
    if not (folder / "retention_kit").is_dir():
        try:
            archive = subprocess.run(
                ["git", "-C", HERE.parent, "archive", BEFORE], check=True, capture_output=True
            ).stdout
        except (OSError, subprocess.SubprocessError) as error:
            raise NotThere(f"git does not have {BEFORE} here") from error
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(part, filter="data")
        compileall.compile_dir(part / "retention_kit", quiet=2)
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    return folder


def browser() -> str | None:
    """Where a Chromium is, if there is one."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def company(millions: float) -> Path:
    """The folder of a generated company, made where there is none."""
    orders = round(millions * 1_000_000)
    script = HERE / "company.py"
    folder = KEPT / f"company-{orders}-{_digest(script.read_text())}"
    if not (folder / "retention.toml").is_file():
        subprocess.run([sys.executable, script, str(orders), folder], check=True)
    return folder


def wide_company(kind: str, company: Company) -> Path:
    """The folder of a company of as many rows with many segment values (`values`) or many periods (`years`)."""
    script = HERE / "wide.py"
    folder = KEPT / f"{kind}-{company.folder.name}-{_digest(script.read_text())}"
    if not (folder / "retention.toml").is_file():
        subprocess.run([sys.executable, script, kind, company.folder, folder], check=True)
    return folder


def with_setting(company: Company, folder: Path, line: str) -> Company:
    """The same company in a new folder, with this line of [data]; its tables are links."""
    settings = re.sub(rf"(?m)^{line.split()[0]} = .*\n", "", (company.folder / "retention.toml").read_text())
    folder.mkdir()
    (folder / "retention.toml").write_text(settings.replace("[data]", f"[data]\n{line}"))
    for path in company.folder.glob("*.parquet"):
        (folder / path.name).symlink_to(path)
    return company._replace(folder=folder)


def customers(n: int) -> Path:
    """The file of made-up customers of a BG/NBD world, made where there is none."""
    script = HERE / "bg_nbd_fit.py"
    path = KEPT / f"customers-{n}-{_digest(script.read_text())}.npz"
    if not path.is_file():
        KEPT.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, script, path, str(n)], check=True)
    return path


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
