"""The README says what the code does; its table of metrics is written from METRICS (`make readme`)."""

import re
import sys
from pathlib import Path

from retention_kit.metrics.catalogue import METRICS
from retention_kit.plugins import run_plugins
from retention_kit.settings import Definitions

README = Path(__file__).parents[1] / "README.md"
TABLE = re.compile(r"(<!-- metrics: .*? -->\n).*?(<!-- end of metrics -->)", re.DOTALL)


def with_table(text: str) -> str:
    """The README with one row for every metric."""
    rows = [f"| `{one.name}` | {one.definition} | {one.formula} |" for one in METRICS.values()]
    table = "\n".join(["| metric | what it is | formula |", "|---|---|---|", *rows])
    return TABLE.sub(lambda found: f"{found[1]}\n{table}\n\n{found[2]}", text)


def test_the_table_lists_every_metric():
    text = README.read_text("utf-8")
    assert with_table(text) == text, "run `make readme`"


def test_every_definition_has_its_option_in_the_readme():
    text = README.read_text("utf-8")
    assert [name for name in Definitions.__struct_fields__ if f"{name} =" not in text] == []


if __name__ == "__main__":
    run_plugins(sys.argv[1:])  # metrics of one's own join the table
    README.write_text(with_table(README.read_text("utf-8")), "utf-8")
