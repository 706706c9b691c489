"""Notebook templates: the sections of a report, the checks of templates, and their execution."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from retention_kit.errors import DataError, TemplateError, UnknownNameError, check_choice, did_you_mean
from retention_kit.metrics.queries.summaries import missing_reason
from retention_kit.metrics.scorecard import METRICS, missing_metrics
from retention_kit.report.blocks import templates_dir

if TYPE_CHECKING:
    from nbformat import NotebookNode
    from papermill.clientwrap import PapermillNotebookClient

    from retention_kit.data.dataset import Dataset

ORDER = (
    "overview", "retention", "repeat_purchase", "lifetime_value", "revenue", "feedback", "cohorts", "at_risk",
    "goals",
)  # fmt: skip  # words by the line
_RESET = "get_ipython().reset()"
CELL_TIMEOUT = 600  # seconds until a hanging cell is ended
_UNSAFE = re.compile(r'(?i)[\x00-\x1f<>:"/\\|?*]|[. ]$|^ |^(con|prn|aux|nul|com\d|lpt\d)(\.|$)')
_TYPES = {"str": str, "int": int, "float": float, "bool": bool, "list": list, "dict": dict}


@dataclass(frozen=True)
class Section:
    """A template to be run; `metric` is set for `kpi`, the template for any metric."""

    path: Path
    metric: str = ""

    @property
    def name(self) -> str:
        return f"{self.path.stem}.{self.metric}" if self.metric else self.path.stem

    @property
    def is_ours(self) -> bool:
        """Whether it is a template of this package."""
        return self.path.parent == templates_dir()

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def sections(
    data: Dataset, folder: Path | None = None, is_whole: bool = True, has_goals: bool = False
) -> list[Section]:
    """The sections for which there are data, in reading order; templates in `folder` replace ours of the same name.

    A template is included if a metric that names it can be computed; `cohorts` if the data have cohorts and the report
    is on all customers (`is_whole`); `goals` if the settings have goals (`has_goals`). Metrics without a template get a
    section by `kpi`. Templates of `folder` that no metric names come last. Raises TemplateError.
    """
    paths = {
        path.stem: path
        for directory in (templates_dir(), folder)
        if directory
        for path in sorted(directory.glob("*.ipynb"))
    }
    if folder is not None and not list(folder.glob("*.ipynb")):
        raise TemplateError("The folder {folder!r} holds no notebook template (*.ipynb).", folder=str(folder))
    _check_names(paths)
    reasons = missing_metrics(data)
    known = [metric for metric in METRICS.values() if metric.name not in reasons]
    needed = {metric.template for metric in known if metric.template in paths} | {"overview"}
    if is_whole and missing_reason(data, "cohorts") is None:
        needed.add("cohorts")
    if has_goals:
        needed.add("goals")
    own = [name for name in paths if folder and (folder / f"{name}.ipynb") == paths[name]]
    plan: list[Section] = []
    for name in (*ORDER, *sorted({*paths} - {*ORDER, "kpi"})):
        if name in paths and (name in needed or name in own):
            plan.append(Section(paths[name]))
        if name == "retention":  # the figures without a page of their own follow the first one
            plan += [
                Section(paths["kpi"], metric.name)
                for metric in known
                if metric.template not in paths or metric.template == "kpi"
            ]
    return plan


def _check_names(paths: dict[str, Path]) -> None:
    """Raise TemplateError for file names that are invalid on Windows, or equal on case-insensitive file systems."""
    for name, path in paths.items():
        if others := [other for other in paths if other != name and other.lower() == name.lower()]:
            template = "{file} and {other}.ipynb differ in capitals alone: rename one."
            raise TemplateError(template, file=path.name, other=others[0])
        if len(name) > 60 or _UNSAFE.search(name):
            raise TemplateError("{file}: on Windows no file may be called so: rename it.", file=path.name)


def pick(plan: list[Section], names: list[str]) -> list[Section]:
    """The sections with the given names of templates or metrics; raises UnknownNameError and DataError."""
    known = {name: section for section in plan for name in (section.name, section.path.stem, section.metric) if name}
    for name in names:
        if name not in known:
            if name in METRICS or name in ORDER:
                raise DataError("There is no section {name!r} in this report: the data hold nothing for it.", name=name)
            raise UnknownNameError("There is no section {name!r}: {hint}", name=name, hint=did_you_mean(name, known))
    return [section for section in plan if {section.name, section.path.stem, section.metric} & {*names}]


def _syntax_error(source: str, name: str) -> SyntaxError | None:
    """The syntax error in a cell's code, which may have `await`, magics and shell commands."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    if "\0" in source:
        return SyntaxError("a null byte in the code", (name, source.partition("\0")[0].count("\n") + 1, 0, ""))
    try:
        compile(source, name, "exec", flags, dont_inherit=True)
    except SyntaxError:
        from IPython.core.inputtransformer2 import TransformerManager

        try:
            compile(TransformerManager().transform_cell(source), name, "exec", flags, dont_inherit=True)
        except SyntaxError as error:
            return error
    return None


def check(section: Section, parameters: dict[str, object]) -> NotebookNode:
    """Read a template and check its code and that it takes these parameters; raises TemplateError."""
    import nbformat
    from papermill.translators import PythonTranslator

    name = section.path.name
    try:
        notebook = nbformat.read(section.path, as_version=4)
        kinds = [
            (cell.cell_type, str.strip(cell.source), list(cell.metadata.get("tags", []))) for cell in notebook.cells
        ]
    except Exception as error:  # nbformat raises many types
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise TemplateError("{name} is not a notebook: {reason}.", name=name, reason=lines[0]) from None
    tagged = [cell for cell, (*_, tags) in zip(notebook.cells, kinds, strict=True) if "parameters" in tags]
    if len(tagged) != 1:
        template = "{name} needs one cell tagged 'parameters'; it has {number}."
        raise TemplateError(template, name=name, number=len(tagged))
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "code" and (found := _syntax_error(cell.source, name)):
            template = "{name}, cell {number}, line {line}: {problem}."
            raise TemplateError(template, name=name, number=number, line=found.lineno, problem=found.msg)
    known = {parameter.name: parameter.inferred_type_name for parameter in PythonTranslator.inspect(tagged[0])}
    for parameter, value in parameters.items():
        template = "{name} has no parameter {parameter!r}: {hint}"
        check_choice(TemplateError, template, known, name=name, parameter=parameter)
        hint = known[parameter]
        if hint in _TYPES and (not isinstance(value, _TYPES[hint]) or isinstance(value, bool) != (hint == "bool")):
            kind = type(value).__name__
            template = "{name}: the parameter {parameter!r} takes {hint}, and {value!r} is {given}."
            raise TemplateError(template, name=name, parameter=parameter, hint=hint, value=value, given=kind)
    return notebook


class Kernel:
    """A kernel for several runs of templates, one after the other; it ends with the context.

    Its namespace is cleared before each run. State in modules stays, so it is only for templates of this package.
    """

    def __init__(self) -> None:
        self._client: PapermillNotebookClient | None = None

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """End the kernel, if there is one; the next run starts a new one."""
        client, self._client = self._client, None
        if client is not None and client.kc is not None:
            client._cleanup_kernel()

    def execute(self, client: PapermillNotebookClient, environment: dict[str, str]) -> None:
        """Run the notebook of a client; always call it in the same thread."""
        if self._client is not None:
            client.km, client.kc = self._client.km, self._client.kc
            client.wait_for_reply(client.kc.execute(_RESET, silent=True, store_history=False))
        self._client = client
        client.execute(env=environment, cleanup_kc=False)


def run(
    notebook: NotebookNode,
    parameters: dict[str, object],
    environment: dict[str, str],
    clients: list[PapermillNotebookClient],
    kernel: Kernel | None = None,
) -> tuple[NotebookNode, str]:
    """Execute a checked template; returns the executed notebook and the error of a failed cell, or an empty text.

    Without `kernel` a new one is started. The client is added to `clients`, so that another thread can `stop` it.
    """
    from papermill import PapermillExecutionError, execute_notebook
    from papermill.clientwrap import PapermillNotebookClient
    from papermill.engines import NotebookExecutionManager
    from papermill.execute import raise_for_execution_errors

    from retention_kit.report.execution import kernels

    # Only prepared by papermill, which would serialise the executed notebook with its charts, although it has no path.
    prepared = execute_notebook(
        notebook, None, parameters, kernel_name=kernels.NAME, language="python", prepare_only=True
    )
    manager = NotebookExecutionManager(prepared, progress_bar=False)
    manager.notebook_start()
    starting = kernels.KernelManager if kernel is None else kernels.OwnKernelManager
    client = PapermillNotebookClient(
        manager, timeout=CELL_TIMEOUT, kernel_name=kernels.NAME, kernel_manager_class=starting
    )
    clients.append(client)
    try:
        try:
            if kernel is None:
                client.execute(env=environment)
            else:
                kernel.execute(client, environment)
            _print_expected_errors(prepared)
        finally:
            manager.notebook_complete()
        raise_for_execution_errors(prepared, None)
    except PapermillExecutionError as error:
        return prepared, f"{error.ename}: {error.evalue}".splitlines()[0]
    except Exception as error:  # a kernel that died or a cell that hung ends its own section only
        return prepared, _record_error(prepared, error)
    return prepared, _exit_message(prepared)


def _exit_message(notebook: NotebookNode) -> str:
    """A sentence on a cell that ended its notebook with `sys.exit`; empty if none did."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error" and output.ename == "SystemExit":
                return (
                    f"SystemExit: {output.evalue}".rstrip(": ")
                    + ": a cell ended its notebook, so what follows it is missing."
                )
    return ""


def _print_expected_errors(notebook: NotebookNode) -> None:
    """Convert errors in cells with the tag raises-exception to printed text, as papermill would end the run."""
    from nbformat.v4 import new_output

    for cell in notebook.cells:
        if "raises-exception" in cell.metadata.get("tags", []):
            cell.outputs = [
                new_output("stream", name="stdout", text=f"{output.ename}: {output.evalue}\n")
                if output.output_type == "error"
                else output
                for output in cell.outputs
            ]
            cell.metadata.get("papermill", {}).pop("exception", None)


def _record_error(notebook: NotebookNode, error: Exception) -> str:
    """Add an error that ended the run to the cell that was running; returns it as one line."""
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from nbformat.v4 import new_output

    name, sentence = type(error).__name__, str(error).split("\n")[0]
    if isinstance(error, CellTimeoutError):
        sentence = f"A cell ran for more than {CELL_TIMEOUT} seconds and was ended."
    elif isinstance(error, DeadKernelError):
        sentence = "The Python that ran it ended in the middle of a cell."
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    cell = ([cell for cell in cells if cell.metadata.get("papermill", {}).get("start_time")] or cells)[-1]
    where = [line for output in cell.outputs if output.output_type == "error" for line in output.traceback]
    cell.outputs = [output for output in cell.outputs if output.output_type != "error"]
    cell.outputs.append(new_output("error", ename=name, evalue=sentence, traceback=[*where, f"{name}: {error}"]))
    return f"{name}: {sentence}"


def serialized(notebook: NotebookNode) -> str:
    """The text of a notebook's file: the same bytes as by nbformat, in a fifth of the time.

    An invalid notebook, or one with NaN, is left to nbformat, which logs it.
    """
    import msgspec
    import nbformat
    from nbformat.v4.rwbase import split_lines, strip_transient

    try:
        nbformat.validate(notebook)
        strip_transient(split_lines(notebook))
        text = json.dumps(notebook, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
        return msgspec.json.format(text, indent=1) + "\n"
    except (TypeError, ValueError, nbformat.ValidationError):
        return nbformat.writes(notebook) + "\n"


def stop(clients: list[PapermillNotebookClient]) -> None:
    """Kill the kernels of these clients; may be called from any thread, and repeatedly."""
    for client in clients:
        if (process := getattr(getattr(client.km, "provisioner", None), "process", None)) is not None:
            process.kill()
