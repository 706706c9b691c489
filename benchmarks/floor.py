"""The floor under a pack: `python benchmarks/floor.py FOLDER PERIOD OUTPUT NOTEBOOK…` prints JSON.

One process that has imported everything before its clock starts: the data read once, the same cells run, and our HTML
and PDF made of what they show. No kernel, no isolation, no appendix, lists, manifest or swap.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import perf_counter

import altair  # noqa: F401  the imports are the point
import duckdb  # noqa: F401
import nbformat
import typst  # noqa: F401
import vl_convert  # noqa: F401
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from nbformat.v4 import new_code_cell, new_notebook, new_output

import retention_kit as rk
from retention_kit.report.export.exporters import RetentionHTMLExporter, RetentionPDFExporter
from retention_kit.report.page import Page  # noqa: F401


def cells(path: Path, shell: InteractiveShell, parameters: dict[str, object]) -> list:
    """The cells of one notebook with their outputs; its parameters keep their defaults but for those given."""
    result = []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type != "code":
            result.append(cell)
            continue
        with capture_output() as captured:
            shell.display_trap.hook = sys.displayhook  # the one that captures, which running a cell would put aside
            shell.run_cell(cell.source).raise_error()
        outputs = [
            new_output("display_data", data=output.data, metadata=output.metadata or {}) for output in captured.outputs
        ]
        result.append(new_code_cell(cell.source, outputs=outputs))
        if "parameters" in cell.metadata.get("tags", []):
            shell.push(parameters)
    return result


def main(folder: str, period: str, output: str, *notebooks: str) -> None:
    shell = InteractiveShell.instance()
    start = perf_counter()
    data = rk.load(Path(folder) / "retention.toml")
    parameters = {"period": period, "every": "month", "segment": "country", "language": "en", "data": data}
    document = new_notebook(cells=[cell for name in notebooks for cell in cells(Path(name), shell, parameters)])
    for exporter in (RetentionHTMLExporter(), RetentionPDFExporter()):
        body, _ = exporter.from_notebook_node(document)
        Path(output, f"report{exporter.file_extension}").write_bytes(body if isinstance(body, bytes) else body.encode())
    charts = sum(
        "vegalite" in kind for cell in document.cells for output in cell.get("outputs", []) for kind in output["data"]
    )
    sys.stdout.write(json.dumps({"seconds": perf_counter() - start, "charts": charts}))


if __name__ == "__main__":
    main(*sys.argv[1:])
