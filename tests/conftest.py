"""What all tests share: the real data beside the checkout, two whole packs, a browser, repeatable random cases, and no
silent skips.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest
from hypothesis.internal.conjecture import providers

from packs import built_once

# The same cases on every run and machine; a slow machine is no fault.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")
# Nor does a case hang on which modules other tests have imported, whose constants Hypothesis would try, too.
assert callable(providers._get_local_constants)
providers._get_local_constants = lambda: providers._local_constants

# A shell lets what it begins in the background ignore Ctrl-C, and whatever that begins in turn: tests interrupt some
# of it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and test vectors, ../shared beside the checkout; it is no part of the project."""
    folder = Path(__file__).parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("../shared, the real data, is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def vectors(shared) -> dict[str, dict]:
    """The published test vectors by id."""
    listed = json.loads((shared / "vectors" / "public.json").read_text())["vectors"]
    return {vector["id"]: vector for vector in listed}


@pytest.fixture(scope="module")
def sample():
    """The sample company."""
    import retention_kit as rk

    return rk.sample()


@pytest.fixture
def kernelless(monkeypatch) -> None:
    """No template runs: the packs hold their appendix."""
    from retention_kit.report.execution import templates

    monkeypatch.setattr(templates, "run", lambda template, *_: (template, ""))


@pytest.fixture(scope="session")
def sample_pack(tmp_path_factory) -> Path:
    """The pack of the sample company, made once by kernels: only for reading."""
    import retention_kit as rk

    return built_once(tmp_path_factory, "sample", lambda folder: rk.build_report(rk.sample(), output=folder).path)


@pytest.fixture(scope="session")
def retail_pack(shared, tmp_path_factory) -> Path:
    """The pack of Online Retail in November 2011, by country, made once by kernels: only for reading."""
    import retention_kit as rk
    from test_real_data import invoices

    def make(folder: Path) -> Path:
        data = rk.load(invoices(folder, shared), company="Online Retail", segments=["country"])
        return rk.build_report(data, "2011-11", output=folder / "reports").path

    return built_once(tmp_path_factory, "retail", make)


@pytest.fixture(scope="session")
def cdnow(tmp_path_factory) -> Path:
    """The folder of the CDNOW files, inside a package that is unpacked and not imported."""
    target, package = tmp_path_factory.mktemp("cdnow"), "Lifetimes==0.11.3"
    uv = shutil.which("uv", path=Path(sys.executable).parent)
    tool = [uv, "pip", "install", "--python", sys.executable] if uv else [sys.executable, "-m", "pip", "install"]
    result = subprocess.run(
        [*tool, "--quiet", "--no-deps", "--target", target, package], capture_output=True, check=False
    )
    if result.returncode:
        pytest.skip(f"the package {package}, which holds the CDNOW files, cannot be downloaded")
    return target / "lifetimes" / "datasets"


@pytest.fixture(params=["sample_pack", "retail_pack"])
def any_pack(request) -> Path:
    """Each of the two packs in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def static_report(sample_pack, tmp_path_factory) -> Path:
    """The HTML of the sample company without scripts, from the notebooks of its pack."""
    import retention_kit as rk

    folder = tmp_path_factory.mktemp("static")
    shutil.copytree(sample_pack, folder / sample_pack.name)
    options = {"only": ["overview"], "formats": ["html"], "static": True}
    return rk.build_report(rk.sample(), output=folder, **options).path / "report.en.html"


@pytest.fixture(scope="session")
def chromium():
    """A headless Chromium of this machine."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not (path := shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")):
        pytest.skip("there is no Chromium here")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe() -> Path:
    """The script of npm's axe-core, which the environment variable of its name tells."""
    path = Path(os.environ.get("RETENTION_KIT_AXE", ""))
    if not path.is_file():
        pytest.skip("axe-core is not here: RETENTION_KIT_AXE names no file")
    return path


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Where RETENTION_KIT_ALLOWED_SKIPS is set, turn a skip for any other reason into a failure."""
    allowed = os.environ.get("RETENTION_KIT_ALLOWED_SKIPS")
    if allowed is None or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2]
    if not any(word.strip() in reason for word in allowed.split(",") if word.strip()):
        report.outcome, report.longrepr = "failed", f"{reason}\nno test may be skipped here for this reason"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    report = yield
    _refuse_skip(report)
    return report
