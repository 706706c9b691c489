"""The same data give the same pack, byte for byte, wherever and whenever it is built."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from test_pack import contents

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def other_pack(sample_pack, tmp_path_factory):
    """The folder of packs of the sample company, as another process makes it: another seed, zone, language, place and
    pace.
    """
    folder = tmp_path_factory.mktemp("elsewhere")
    other = {"PYTHONHASHSEED": "12345", "TZ": "Asia/Kathmandu", "LC_ALL": "C", "COLUMNS": "40"}
    command = [sys.executable, "-m", "retention_kit.cli", "report", "--jobs", "1", "--output", "packs"]
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run(command, cwd=folder, env={**os.environ, **other, **environment}, check=True, capture_output=True)
    assert (folder / "packs" / sample_pack.name).is_dir()
    return folder / "packs"


def test_every_file_is_the_same(sample_pack, other_pack):
    """Figures, pages, lists, notebooks, manifest and the index of all packs."""
    first, second = contents(sample_pack.parent), contents(other_pack)
    assert {*first} == {*second}
    assert {"scorecard.csv", "manifest.json", "report.en.html", "report.en.pdf"} <= {
        name.split("/")[-1] for name in first
    }
    assert [name for name in first if first[name] != second[name]] == []


def test_no_clock_no_place_and_no_user_is_in_a_pack(sample_pack):
    """What would differ between two machines."""
    text = " ".join(content.decode() for name, content in contents(sample_pack).items() if not name.endswith(".pdf"))
    today = datetime.now(UTC)
    assert f"{today:%Y-%m-%d}" not in text
    assert f"{today:%d %b %Y}" not in text
    assert str(sample_pack.parent) not in text
    assert not re.search(r"/(home|Users|root|tmp)/", text)
