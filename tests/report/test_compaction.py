"""What charts repeat stands once in the HTML, and the script turns it back into the very same specifications."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_kit.report.export.compaction import compact, pack

CHARTS = Path(__file__).parents[2] / "templates" / "html" / "charts.js"
KEYS = st.sampled_from(["field", "value", "$", "$$", "$keys", "$rows", "$schema", "a rather long name of a column"])
PARTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=60),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)


def whole(value: Any, shared: list[Any]) -> Any:
    """What `whole` in charts.js does."""
    if isinstance(value, list):
        return [whole(part, shared) for part in value]
    if not isinstance(value, dict):
        return value
    if "$" in value:
        return shared[value["$"]]
    if "$keys" in value:
        keys, rows = whole(value["$keys"], shared), whole(value["$rows"], shared)
        return [dict(zip(keys, row, strict=True)) for row in rows]
    return {key.removeprefix("$"): whole(part, shared) for key, part in value.items()}


def unpacked(packed: list[Any], shared: list[Any]) -> list[Any]:
    known: list[Any] = []
    for spec in shared:
        known.append(whole(spec, known))
    return [whole(spec, known) for spec in packed]


@pytest.mark.long
@given(st.lists(PARTS, max_size=3))
def test_what_is_packed_comes_back(values):
    """Each value twice, so that much of it is shared."""
    packed, shared = pack(values * 2)
    assert unpacked(packed, shared) == values * 2


def test_what_repeats_stands_once():
    axis = {"axis": {"format": "~%", "grid": True, "tickCount": 5, "title": "a title of some length"}}
    rows = [{"period": f"2024-0{month}", "value": month / 7} for month in range(1, 10)]
    charts = [{"y": axis, "mark": mark, "data": rows} for mark in ("line", "point", "area")]
    packed, shared = pack(charts)
    text = compact([packed, shared])
    assert text.count("a title of some length") == 1
    assert text.count('"period"') == 1
    assert len(text) < len(compact(charts)) / 2
    assert unpacked(packed, shared) == charts


@pytest.mark.skipif(not shutil.which("node"), reason="node is not here")
def test_the_script_of_the_page_reads_it_alike():
    source = CHARTS.read_text("utf-8")
    reader = source[source.index("const whole") : source.index("for (const one of")]
    rows = [{"a": number, "$": None, "a name that is long enough to be shared": {}} for number in range(4)]
    values = [{"$schema": "x", "rows": rows, "more": [*rows, *rows], "long": ["the same long text"] * 3}] * 2
    packed, shared = pack(values)
    program = f"const shared = [];\n{reader}\nfor (const one of {compact(shared)}) shared.push(whole(one));\nconsole.log(JSON.stringify(whole({compact(packed)})))"
    result = subprocess.run(["node", "-e", program], capture_output=True, text=True, check=True)
    assert json.loads(result.stdout) == values
