"""The message's HTML as npm's caniemail and html-validate judge it: every mail program that they know, and the markup."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from email import message_from_bytes, policy
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

# What some programs ignore, and why nothing is lost there.
IGNORED = {
    "<body> element": "they put the content into an element of their own; what it carries stands on the sheet's table too",
    "<style> element": "it holds only what adapts to a phone and to the night; all else is inline",
    "@media": "likewise",
    "aria-hidden attribute": "a screen reader then reads the preheader, which says what the headline says",
    "display:none": "the preheader, which is also without height, room and colour",
    "height attribute": "pictures keep their proportions by their width",
    "width attribute": "widths are in styles too",
    "height property": "it takes line-height for it; the bars of goals are then as high as a line",
    "lang attribute": "how words are spoken and broken; all text is in one language",
    "role attribute": "a screen reader then announces the tables that lay out",
    "white-space": "figures may then break at a space",
    "word-break": "a name without spaces may then be wider than a phone",
}


@pytest.fixture(scope="module")
def modules() -> Path:
    """The npm modules, which an environment variable names."""
    folder = Path(os.environ.get("RETENTION_KIT_MAIL_CHECKS", ""))
    if not (folder / "caniemail").is_dir() or not shutil.which("node"):
        pytest.skip("caniemail is not here: RETENTION_KIT_MAIL_CHECKS names no node_modules")
    return folder


def run_checks(modules: Path, html: str) -> dict:
    script = Path(__file__).with_name("mail_checks.mjs")
    result = subprocess.run(["node", script, modules], input=html, capture_output=True, encoding="utf-8", check=True)
    return json.loads(result.stdout)


def test_programs_miss_nothing_that_matters_and_the_markup_is_sound(modules, any_pack):
    message = message_from_bytes((any_pack / "message.en.eml").read_bytes(), policy=policy.default)
    result = run_checks(modules, message.get_body(("html",)).get_content())
    assert result["markup"] == []
    assert len(result["clients"]) > 30
    assert {feature for features in result["clients"].values() for feature in features} <= IGNORED.keys()


def test_the_judges_see_what_is_wrong(modules):
    result = run_checks(modules, '<!doctype html><html lang="en"><body><p style="display:grid">a<b>b</p></body></html>')
    assert any("grid" in feature for features in result["clients"].values() for feature in features)
    assert result["markup"] != []
