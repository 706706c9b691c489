"""Builds packs: runs notebooks, assembles, renders and checks them in a copy, and replaces the old pack with it."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from retention_kit.errors import Listed, Phrase
from retention_kit.periods import Period
from retention_kit.report.archive import manifest as manifests
from retention_kit.report.archive.folder import output_lock, staging_dir, swap, wrap_os_errors
from retention_kit.report.archive.formats import FILES, files_of
from retention_kit.report.archive.index import write_index
from retention_kit.report.archive.pack import Pack
from retention_kit.report.build import provenance
from retention_kit.report.build.figures import Figures, compute_figures
from retention_kit.report.build.rendering import RenderedFile, render
from retention_kit.report.build.restatements import digest_of_sent, restatements
from retention_kit.report.execution import templates as library
from retention_kit.report.execution.plan import Plan, make_plan
from retention_kit.report.execution.runner import Execution, NotebookRun, Progress, Workers, run_notebooks, runs_others
from retention_kit.report.export.csv_files import rows_csv, write_lists
from retention_kit.report.export.drawing import refuse_fork

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
    languages: str | Iterable[str] | None = None,
    formats: str | Iterable[str] | None = None,
    output: str | Path = "reports",
    only: str | Iterable[str] = (),
    templates: str | Path | None = None,
    static: bool = False,
    jobs: int = 2,
    force: bool = False,
    progress: Progress | None = None,
) -> Pack:
    """Build the report pack of one period in `output`/<period> and return it.

    - `period`: such as `2011-11`; by default the last complete one. `every`: its length, where the period is not given.
    - `segment`: `country` breaks figures down, `country=France` looks at that value alone; `languages`, `formats`
      (`html`, `pdf`, `brief`): all three by default as in the settings. Names are given as a list or as `"en,ar"`.
    - `only`: names of sections to run again; the others are kept where they speak of the same figures.
    - `templates`: a folder of own notebook templates, which come before ours; `static`: HTML without scripts.
    - `jobs`: notebooks that run at once; `progress`: called with the section that is done, how many are, and how many
      there are.
    - `force`: build although a pack made from the same data, settings and code stands there, which is otherwise kept.

    A section that fails is marked in the pack and named in `Pack.failures`. Raises SettingsError, DataError,
    PeriodError or TemplateError for wrong input before anything is written, and ReportError where the pack cannot be
    made or written; whatever goes wrong, the previous pack stays as it was.
    """
    plan = make_plan(data, period, every, segment, languages, formats, only, templates, static)
    (pack,) = build_packs([plan], Path(output), force, jobs, lambda _, *done: progress(*done) if progress else None)
    return pack


def build_packs(
    plans: Iterable[Plan], output: Path, force: bool, jobs: int, progress: Callable[[Plan, str, int, int], None]
) -> Generator[Pack]:
    """Build a pack for each plan, as `build_report` does, and yield it; `progress` gets the plan, too.

    While one pack is finished, the notebooks of the next one run. If the next cannot be started, this one is finished
    first. If the generator is closed or interrupted, both old packs are unchanged.
    """
    pending: deque[PendingPack] = deque()  # two at most
    index_notes: list[str] = []  # what `write_index` returned, while the index is up to date

    def finish_first() -> Pack:
        try:
            pack = pending.popleft().finish()
            index_notes[:] = [write_index(output)]
            return pack.with_note(index_notes[0])
        except BaseException:
            cancel_all()
            raise

    def cancel_all() -> None:
        while pending:
            pending.popleft().cancel()

    refuse_fork()
    with output_lock(output), Workers(jobs) as workers:
        try:
            for plan in plans:
                period = str(plan.page.period)
                folder = output / period
                # The user's templates may import modules, of which we have no digests.
                if not force and not plan.folder:
                    # The pending build may change earlier packs, or this pack (the build of another segment).
                    if pending and (provenance.is_current(plan, folder) or _is_rebuilt(plan, folder, pending[0])):
                        yield finish_first()
                    if _is_current(plan, folder):
                        index_notes[:] = index_notes or [write_index(output)]
                        yield Pack(folder, period, is_new=False).with_note(index_notes[0])
                        continue
                pending.append(start_pack(plan, folder, output, workers, partial(progress, plan)))
                if len(pending) > 1:
                    yield finish_first()
        except Exception:  # the next one cannot be started
            if pending:
                yield finish_first()
            raise
        else:
            if pending:
                yield finish_first()
        finally:
            cancel_all()


def _is_rebuilt(plan: Plan, folder: Path, other: PendingPack) -> bool:
    """Whether `other`, the build of another segment, is about to replace the existing pack of a plan."""
    return folder == other.folder and not manifests.read(folder).get("inputs", {}).keys().isdisjoint(
        plan.names.values()
    )


def _is_current(plan: Plan, folder: Path) -> bool:
    """Whether the existing pack is up to date, by digests of earlier packs or, if they differ, by their figures."""
    if provenance.is_current(plan, folder, sent=digest_of_sent(plan, folder.parent)):
        return True
    return provenance.is_current(plan, folder) and provenance.is_current(
        plan, folder, restated=restatements(plan, folder.parent).restated
    )


def make_pack(plan: Plan, folder: Path, output: Path, progress: Progress) -> Pack:
    """Build one pack at `folder`; `output` is the folder with earlier packs, and may be another one."""
    with Workers() as workers:
        return start_pack(plan, folder, output, workers, progress).finish()


def start_pack(plan: Plan, folder: Path, output: Path, workers: Workers, progress: Progress) -> PendingPack:
    """Compute the figures of a pack, start its notebooks, and prepare its message meanwhile.

    `output` is the folder with earlier packs.
    """
    from retention_kit.report.execution import kernels

    progress("", 0, len(plan.languages) * len(plan.chosen))
    with ExitStack() as resources:
        staging = resources.enter_context(staging_dir(folder))
        wait_for_imports = resources.enter_context(_import_meanwhile(plan))
        kernels.prepare(runs_others(plan))  # imports in the fork server while we compute
        figures = compute_figures(plan)
        reused, plan, notes = reuse_sections(plan, folder, figures.scorecard)
        wait_for_imports()
        notebooks = resources.enter_context(run_notebooks(plan, workers, progress))
        from retention_kit.report.checks import gate  # noqa: F401  imported while notebooks run
        from retention_kit.report.message import mail

        parts = {language: mail.parts(page) for language, page in plan.pages.items()}
        return PendingPack(plan, folder, output, staging, figures, reused, parts, notes, notebooks, resources.pop_all())


@dataclass(frozen=True)
class PendingPack:
    """A pack whose notebooks are running: `finish` replaces the old pack, `cancel` leaves it unchanged."""

    plan: Plan
    folder: Path
    output: Path
    staging: Path
    figures: Figures
    reused: dict[str, NotebookNode]  # reused sections of the old pack, by stem
    parts: dict[str, Parts | None]  # of the message, by language
    notes: list[str]
    notebooks: NotebookRun
    resources: ExitStack

    def finish(self) -> Pack:
        """Wait for the notebooks, render and check the reports, and replace the old pack. Can be called only once.

        The files are written into a copy of the existing pack, which may be new: by the build of another segment.
        """
        plan, figures = self.plan, self.figures
        from retention_kit.report.message import mail

        with self.resources:
            executed = self.notebooks.result()
            compared, building = restatements(plan, self.output), copy_pack(self.folder, self.staging)
            with wrap_os_errors(self.folder):
                write_lists(plan.page, figures.lists, building)
                remove_stale(plan, building, figures.scorecard)
            rendered = render(plan, self.reused | executed.notebooks, figures.checks, compared)
            failures = [*executed.failures, *(failure for file in rendered for failure in file.failures)]
            boxes = {file.name: file.boxes for file in rendered} | mail.boxes(plan.names, self.parts)
            notes = [*self.notes, *boxes_notes(boxes), *(note for file in rendered for note in file.notes)]
            with wrap_os_errors(self.folder):
                write_files(building, rendered, executed, figures.scorecard, plan.suffix)
                manifest = provenance.build_manifest(plan, building, failures, figures.checks, compared)
                manifest |= {"notes": notes, "missing_characters": provenance.missing_characters(building, boxes)}
                blocked = pass_gate(plan, building, manifest, failures, self.parts)
                manifests.write(building, manifest)
                swap(building, self.folder, self.staging)
        broken = (f"the identity of {check.name} does not hold" for check in figures.checks if check.broken)
        return Pack(self.folder, str(plan.page.period), (*failures, *broken, *blocked), note=Listed(notes, " "))

    def cancel(self) -> None:
        """Stop the notebooks and remove the staging directory."""
        self.resources.close()


def boxes_notes(boxes: Mapping[str, dict[str, str]]) -> list[str]:
    """A note for each file with characters that are missing from all fonts."""
    from retention_kit.report.export import fonts

    return [
        Phrase("{file}: {note}", file=name, note=fonts.note(missing, name.startswith("message")))
        for name, missing in boxes.items()
        if missing
    ]


def reuse_sections(plan: Plan, folder: Path, scorecard: str) -> tuple[dict[str, NotebookNode], Plan, list[str]]:
    """With `only`: the other executed sections of the old pack by stem, the plan, and notes.

    If the figures have changed since, none are reused: then the plan is for all sections, and a note says so.
    """
    import nbformat

    reused = {}
    if plan.chosen != plan.everything and _has_text(folder / f"scorecard{plan.suffix}.csv", scorecard):
        files = {stem: folder / "notebooks" / f"{stem}.ipynb" for stem in plan.stems(plan.everything)}
        reused = {stem: nbformat.read(path, as_version=4) for stem, path in files.items() if path.is_file()}
    if (manifests.sections(folder) & plan.stems(plan.everything)) - plan.stems(plan.chosen) - {*reused}:
        note = Phrase("the figures are no longer those of the pack before, so every section was made.")
        return {}, plan.choose(plan.everything), [note]
    return reused, plan, []


def _has_text(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text("utf-8") == text


def copy_pack(folder: Path, staging: Path) -> Path:
    """Copy the existing pack at `folder`, if there is one, to the staging directory, and return the copy's path."""
    building = staging / folder.name
    with wrap_os_errors(folder):
        if folder.is_dir():
            shutil.copytree(folder, building)
        (building / "notebooks").mkdir(parents=True, exist_ok=True)
    return building


def remove_stale(plan: Plan, building: Path, scorecard: str) -> None:
    """Remove files that contradict this build: sections that no longer exist, and formats with other figures."""
    before = building / f"scorecard{plan.suffix}.csv"
    is_restated, stems = before.is_file() and not _has_text(before, scorecard), plan.stems(plan.everything)
    for name in plan.names.values():
        notebooks = (building / "notebooks").glob(f"*.{name}.ipynb")
        stale = [path for path in notebooks if path.stem not in stems]
        stale += (building / "tables").glob(f"{name}-*.csv")
        stale += [building / file for kind in FILES if is_restated for file in files_of(kind, name)]
        for path in stale:
            path.unlink(missing_ok=True)


def write_files(
    building: Path, rendered: Sequence[RenderedFile], executed: Execution, scorecard: str, suffix: str
) -> None:
    """Write reports with their tables, executed notebooks and the scorecard; older versions of failed files go."""
    for file in rendered:
        for name, rows in file.tables.items():
            (building / name).parent.mkdir(exist_ok=True)
            (building / name).write_text(rows_csv(rows), "utf-8", newline="")
        path = building / file.name
        path.write_bytes(file.body) if file.body else path.unlink(missing_ok=True)
    for stem, notebook in executed.notebooks.items():
        path = building / "notebooks" / f"{stem}.ipynb"
        path.write_text(library.serialized(_without_times(notebook)), "utf-8", newline="")
    (building / f"scorecard{suffix}.csv").write_text(scorecard, "utf-8", newline="")


def _without_times(notebook: NotebookNode) -> NotebookNode:
    """The notebook without times and random ids, so that the same run gives the same bytes."""
    notebook.metadata["papermill"] = {"parameters": notebook.metadata.get("papermill", {}).get("parameters", {})}
    for number, cell in enumerate(notebook.cells):
        for name in ("papermill", "execution"):
            cell.metadata.pop(name, None)
        if "injected-parameters" in cell.metadata.get("tags", []) or not cell.get("id"):
            cell["id"] = f"run-{number}"
    return notebook


def pass_gate(
    plan: Plan, building: Path, manifest: dict[str, Any], failures: list[str], parts: Mapping[str, Parts | None]
) -> list[str]:
    """Check the reports, then write the messages with their notices and check those.

    Returns the reasons for blocking that are not failures of the build. Writes the verdicts into `manifest`, and adds
    messages that cannot be written to `failures`. `parts` are the prepared parts of the message of each language.
    """
    from retention_kit.report.checks import gate, record
    from retention_kit.report.message import mail

    blocked: list[str] = []
    leaks = gate.check_files(building, manifest)
    for language, name in plan.names.items():
        findings = leaks + gate.check_report(building, manifest, name)
        notices = gate.notices(findings, building, manifest, name)
        failures += mail.write_message(plan.pages[language], building, name, notices, parts[language])
        findings += gate.check_message(building, manifest, name, findings)
        verdict = gate.verdict_of(findings)
        manifest["gate"][name] = {"state": verdict.state, "reasons": verdict.reasons}
        manifest["record"][name] = record.record(building, name, plan.suffix)
        blocked += [finding.reason for finding in findings if finding.state == "blocked" and not finding.is_reported]
    manifest["state"] = "failed" if failures else manifest["state"]
    if failures or any(manifest["gate"][name]["state"] == "blocked" for name in plan.names.values()):
        # Without digests it is built again, even after a later build of another language.
        manifest["inputs"] |= {name: {} for name in plan.names.values()}
    return list(dict.fromkeys(blocked))


@contextmanager
def _import_meanwhile(plan: Plan) -> Iterator[Callable[[], None]]:
    """Import the packages for running and rendering notebooks in a thread; yields a function that waits for it.

    Waits after an error as well, since the process must not exit during an import.
    """

    def load() -> None:
        with suppress(Exception):  # raised again, and reported, at first use
            import papermill  # noqa: F401

            from retention_kit.report.export import exporters

            exporters.prepare(plan.formats, plan.static, plan.page.data.settings.report.fonts)

    thread = Thread(target=load, daemon=True)
    thread.start()
    try:
        yield thread.join
    finally:
        thread.join()
