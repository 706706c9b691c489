"""Where what the benchmarks need is kept between runs: generated companies, and the environments of other packages."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
KEPT = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "retention-kit" / "benchmarks"
UV = Path(sys.executable).with_name("uv")
PACKAGES = {
    "repeatradar": ("repeatradar==1.0.0", "pandas<3", "pyarrow"),
    "lifetimes": ("lifetimes==0.11.3", "pandas<2", "numpy<2", "pyarrow<15"),  # reads what pandas 2 has removed
}

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class NotThere(Exception):
    """An environment that cannot be made here, with the reason."""


def environment(name: str) -> Path:
    """The Python of an environment that holds a package, made where there is none."""
    place = KEPT / f"{name}-{_digest(' '.join(PACKAGES[name]) + sys.version)}"
    python, done = place / "bin" / "python", place / "done"
    if not done.is_file():
        try:
            subprocess.run([UV, "venv", "--quiet", "--clear", "--python", sys.executable, place], check=True)
            install = [UV, "pip", "install", "--quiet", "--python", python, *PACKAGES[name]]
            subprocess.run(install, check=True, capture_output=True, text=True, timeout=300)
        except (OSError, subprocess.SubprocessError) as error:
            said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
            raise NotThere(f"it cannot be installed here ({said[-1] if said else type(error).__name__})") from error
        done.touch()
    return python


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


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
