"""What all tests share: the real data beside the checkout, repeatable random cases, and no silent skips."""

import os
from pathlib import Path

import hypothesis
import pytest

# The same cases on every run and machine; a slow machine is no fault.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and test vectors, ../shared beside the checkout; it is no part of the project."""
    folder = Path(__file__).parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("../shared, the real data, is not beside this checkout")
    return folder


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
