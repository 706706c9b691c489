"""The pack: templates run, assembled, rendered and written beside, then swapped into place."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from retention_kit.errors import ReportError
from retention_kit.metrics.breakdowns import answer_counts
from retention_kit.metrics.identities import identities
from retention_kit.metrics.queries.customer_lists import customer_lists, list_totals
from retention_kit.metrics.queries.summaries import concentration, needs, swing
from retention_kit.periods import Period
from retention_kit.report.archive import manifest
from retention_kit.report.archive.folder import place_for, swap, told_of, writing
from retention_kit.report.archive.formats import FILES, files_of
from retention_kit.report.archive.index import write_index
from retention_kit.report.archive.pack import Pack
from retention_kit.report.build import provenance
from retention_kit.report.build.assemble import assemble, brief
from retention_kit.report.build.restatements import fingerprint, restated
from retention_kit.report.execution.plan import Plan, make_plan
from retention_kit.report.execution.runner import Workers, executing
from retention_kit.report.export.csv_files import rows_csv, scorecard_of, write_lists
from retention_kit.report.export.drawing import refuse_fork
from retention_kit.report.page import Page

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from retention_kit.data.dataset import Dataset
    from retention_kit.report.message.mail import Parts


def build_report(
    data: Dataset,
    period: str | Period | None = None,
    *,
    every: str | None = None,
    segment: str | None = None,
    languages: Iterable[str] | None = None,
    formats: Iterable[str] | None = None,
    output: str | Path = "reports",
    only: Iterable[str] = (),
    templates: str | Path | None = None,
    static: bool = False,
    jobs: int = 2,
    force: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> Pack:
    """Build the report pack of one period in `output`/<period> and return it.

    The period defaults to the last complete one; segment, languages and formats to the settings. `only` names the
    sections to run again, all of them if the others would speak of other figures; `templates` is a folder of own templates; `static` leaves the charts' script out;
    `jobs` notebooks run at once; `progress` is called with the section, how many are done and how many there are.
    A pack made from the very same data, settings and code is left as it stands unless `force` or `templates` is given.
    A section that fails is marked in the pack and named in `Pack.failures`. Wrong input raises before anything is
    written; whatever goes wrong later leaves the previous pack as it was.
    """
    plan = make_plan(data, period, every, segment, languages, formats, only, templates, static)
    (pack,) = build_packs([plan], Path(output), force, jobs, lambda _, *told: progress(*told) if progress else None)
    return pack


def build_packs(
    plans: Iterable[Plan], output: Path, force: bool, jobs: int, progress: Callable[[str, str, int, int], None]
) -> Iterator[Pack]:
    """The packs of these plans, each of another period, as `build_report` gives them; `progress` is told the period too.

    While one is put together, the notebooks of the next are run. Where that one cannot be begun, this one is finished
    first. Closed or interrupted, it leaves both as they were.
    """
    begun: deque[Generator[Pack | None]] = deque()  # two at most

    def finished() -> Pack:
        making = begun.popleft()
        try:
            return _listed(next(making), output)
        except BaseException:
            making.close()
            dropped()
            raise

    def dropped() -> None:
        while begun:
            begun.popleft().close()

    refuse_fork()
    with writing(output), Workers(jobs) as workers:
        try:
            for plan in plans:
                period = str(plan.page.period)
                folder = output / period
                # Own templates may import helpers, which no digest knows.
                if not force and not plan.folder:
                    if begun and provenance.is_current(plan, folder, by=""):  # but what was sent before may be another
                        yield finished()
                    if _is_current(plan, folder):
                        yield _listed(Pack(folder, period, is_new=False), output)
                        continue
                begun.append(_making(plan, folder, output, workers, partial(progress, period)))
                try:
                    next(begun[-1])
                except BaseException:
                    begun.pop()
                    raise
                if len(begun) > 1:
                    yield finished()
        except Exception:  # of the next one
            if begun:
                yield finished()
            raise
        else:
            if begun:
                yield finished()
        finally:
            dropped()


def _listed(pack: Pack, output: Path) -> Pack:
    """The same, once the list of an output folder has it."""
    return replace(pack, note=" ".join(filter(None, [pack.note, write_index(output)])))


def _is_current(plan: Plan, folder: Path) -> bool:
    """Whether nothing has changed: told by digests of what stands there or, if need be, by computing the figures."""
    if not provenance.is_current(plan, folder, by=""):
        return False
    plan.sent = fingerprint(plan, folder.parent)
    if provenance.is_current(plan, folder, by="sent"):
        return True
    plan.restated = restated(plan, folder.parent)
    return provenance.is_current(plan, folder, by="restated")


def make_pack(plan: Plan, folder: Path, output: Path, jobs: int, progress: Callable[[str, int, int], None]) -> Pack:
    """Make what is planned in a copy of the pack that stands at `folder`, if any, and put it in its place.

    `output` holds the packs that were sent before.
    """
    with Workers(jobs) as workers:
        *_, pack = _making(plan, folder, output, workers, progress)
    return pack


def _making(
    plan: Plan, folder: Path, output: Path, workers: Workers, progress: Callable[[str, int, int], None]
) -> Generator[Pack | None]:
    """Make a pack in two steps: nothing is given while its notebooks still run, then the pack."""
    from retention_kit.report.execution import kernels

    data, page, notes = plan.page.data, plan.page, []
    progress("", 0, len(plan.languages) * len(plan.chosen))
    with place_for(folder) as place, _preparing(plan) as prepared:
        kernels.prepare()  # it imports while we compute, and so do we
        for other in plan.pages.values():
            other.computed = page.computed
        checks = identities(data, page.every, _columns(page))
        if needs(data, "concentration") is None:
            concentration(data, page.period)  # the kernels cannot ask for it
        if needs(data, "scores") is None:
            answer_counts(data, page.every)
        swing(data, page.period)
        lists = customer_lists(data, page.period, page.columns, page.alone)
        list_totals(data, page.period, page.columns, page.alone, lists)
        rows = scorecard_of(page)
        kept = _siblings(plan, folder, rows)
        if (manifest.sections(folder) & plan.stems(plan.everything)) - plan.stems(plan.chosen) - {*kept}:
            kept = {}
            notes.append("the figures are no longer those of the pack before, so every section was made.")
            plan = plan.whole()
        building = place / folder.name
        with told_of(folder):
            if folder.is_dir():
                shutil.copytree(folder, building)
            (building / "notebooks").mkdir(parents=True, exist_ok=True)
        broken = [check.name for check in checks if check.broken]
        prepared()
        with executing(plan, workers, progress) as collected:
            from retention_kit.report.checks import gate  # noqa: F401  while notebooks run, like what they import
            from retention_kit.report.message import mail

            with told_of(folder):
                write_lists(page, lists, building)
            parts = {language: mail.parts(one) for language, one in plan.pages.items()}
            yield None
            executed, failures = collected()
        plan.sent, plan.restated = fingerprint(plan, output), restated(plan, output)
        with told_of(folder):
            _drop_stale(plan, building, rows)
        for language in plan.languages:
            names = [name for made in plan.formats for name in files_of(made, f"{language}{plan.suffix}")]
            documents = {
                name: brief(plan.pages[language], checks) if name.startswith("brief") else None for name in names
            }
            if None in documents.values():
                document = assemble(plan, language, kept | executed, checks)
                documents = {name: known or document for name, known in documents.items()}
            with ThreadPoolExecutor() as both:  # Typst leaves Python to others
                rendered = both.map(
                    _render, documents.values(), names, (plan.static or name.startswith("brief") for name in names)
                )
            for name, (body, problems, boxes, tables) in zip(names, rendered, strict=True):
                _write_tables(building, tables)
                failures += problems
                notes += [boxes] if boxes else []
                with told_of(folder):
                    (building / name).write_bytes(body) if body else (building / name).unlink(missing_ok=True)
        with told_of(folder):
            for stem, notebook in executed.items():
                _write_notebook(notebook, building / "notebooks" / f"{stem}.ipynb")
            (building / f"scorecard{plan.suffix}.csv").write_text(rows, "utf-8", newline="")
            told = provenance.build_manifest(plan, building, failures, checks) | {"notes": notes}
            unsaid = _pass_gate(plan, building, told, failures, parts)
            manifest.write(building, told)
            swap(building, folder, place)
    problems = (*failures, *(f"the identity of {name} does not hold" for name in broken), *unsaid)
    yield Pack(folder, str(page.period), problems, note=" ".join(notes))


def _pass_gate(
    plan: Plan, building: Path, told: dict, failures: list[str], parts: Mapping[str, Parts | None]
) -> list[str]:
    """Check the reports, write the messages that say so, check those; gives what the gate alone has found.

    Its word on each goes into `told`, the manifest; a message that cannot be written joins the failures. `parts` of each
    language's message were made before.
    """
    from retention_kit.report.checks import gate  # what they import has been imported meanwhile
    from retention_kit.report.checks import record as record_checks
    from retention_kit.report.message import mail  # what they import has been imported meanwhile

    unsaid, leaks = [], gate.check_files(building, told)
    names = {language: f"{language}{plan.suffix}" for language in plan.languages}
    for language, name in names.items():
        found = leaks + gate.check_report(building, told, name)
        notices = gate.notices(found, building, told, name)
        failures += mail.write_message(plan.pages[language], building, name, notices, parts[language])
        found += gate.check_message(building, told, name, found)
        verdict = gate.verdict_of(found)
        told["gate"][name] = {"state": verdict.state, "reasons": verdict.reasons}
        told["record"][name] = record_checks.record(building, name, plan.suffix)
        unsaid += [one.reason for one in found if one.state == "blocked" and not one.is_told]
    told["state"] = "failed" if failures else told["state"]
    if failures or any(told["gate"][name]["state"] == "blocked" for name in names.values()):
        # What failed is made again, also where a build of another language has since gone well.
        told["inputs"] |= {name: {} for name in names.values()}
    return list(dict.fromkeys(unsaid))


def _columns(page: Page) -> tuple[str, ...]:
    return (page.alone[0],) if page.alone else tuple(page.columns)


@contextmanager
def _preparing(plan: Plan) -> Iterator[Callable[[], None]]:
    """Load meanwhile; gives what waits for it. A run that fails waits too, lest the process end in the middle of it."""
    thread = Thread(target=_prepare, args=(plan,), daemon=True)
    thread.start()
    try:
        yield thread.join
    finally:
        thread.join()


def _prepare(plan: Plan) -> None:
    """Load what runs and renders notebooks; whatever is wrong with it shows, and is told, where it is used."""
    with suppress(Exception):
        import papermill  # noqa: F401

        from retention_kit.report.export import exporters

        exporters.prepare(plan.formats, plan.static)


def _siblings(plan: Plan, folder: Path, rows: str) -> dict[str, NotebookNode]:
    """With `only`: the other sections as executed before, if they speak of the very same figures."""
    import nbformat

    before = folder / f"scorecard{plan.suffix}.csv"
    if plan.chosen == plan.everything or not before.is_file() or before.read_text("utf-8") != rows:
        return {}
    files = {stem: folder / "notebooks" / f"{stem}.ipynb" for stem in plan.stems(plan.everything)}
    return {stem: nbformat.read(path, as_version=4) for stem, path in files.items() if path.is_file()}


def _drop_stale(plan: Plan, building: Path, rows: str) -> None:
    """Take away what this build would contradict: sections it no longer has, and formats that show other figures."""
    before = building / f"scorecard{plan.suffix}.csv"
    restated, stems = before.is_file() and before.read_text("utf-8") != rows, plan.stems(plan.everything)
    for language in plan.languages:
        for path in (building / "notebooks").glob(f"*.{language}{plan.suffix}.ipynb"):
            if path.stem not in stems:
                path.unlink()
        for path in (building / "tables").glob(f"{language}{plan.suffix}-*.csv"):
            path.unlink()
        for made in FILES if restated else ():
            for name in files_of(made, f"{language}{plan.suffix}"):
                (building / name).unlink(missing_ok=True)


def _render(document: NotebookNode, name: str, static: bool) -> tuple[bytes, list[str], str, dict]:
    """One file, what of it failed, what is to be known of it, and tables beside it; one that failed takes no older one's place."""
    from retention_kit.report.export.exporters import exporter_of

    try:
        body, resources = exporter_of(name.rpartition(".")[2], static).from_notebook_node(document)
    except ReportError as error:
        return b"", [f"{name}: {error}"], "", {}
    failures = [f"{name}: {failure}" for failure in resources.get("failures", [])]
    boxes = f"{name}: {resources['boxes']}" if "boxes" in resources else ""
    return body if isinstance(body, bytes) else body.encode(), failures, boxes, resources["files"]


def _write_tables(building: Path, tables: dict[str, list[list[str]]]) -> None:
    """The whole of the tables that a page has cut, as CSV."""
    for name, rows in tables.items():
        (building / name).parent.mkdir(exist_ok=True)
        (building / name).write_text(rows_csv(rows), "utf-8", newline="")


def _write_notebook(notebook: NotebookNode, path: Path) -> None:
    """Without the clock: the same run gives the same notebook."""
    import nbformat

    parameters = notebook.metadata.get("papermill", {}).get("parameters", {})
    notebook.metadata["papermill"] = {"parameters": parameters}
    for number, cell in enumerate(notebook.cells):
        for name in ("papermill", "execution"):
            cell.metadata.pop(name, None)
        if "injected-parameters" in cell.metadata.get("tags", []) or not cell.get("id"):
            cell["id"] = f"run-{number}"
    nbformat.write(notebook, path)
