"""The plan of a build: languages, formats and sections, validated before anything is built."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from retention_kit.errors import SettingsError, check_choice
from retention_kit.periods import Period
from retention_kit.report.archive.formats import FILES
from retention_kit.report.execution import templates as library
from retention_kit.report.page import Page
from retention_kit.wording import Words

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from retention_kit.data.dataset import Dataset


@dataclass(frozen=True)
class Plan:
    """What one build makes; immutable."""

    pages: dict[str, Page]  # by language
    segment: str
    languages: list[str]
    formats: list[str]
    everything: list[library.Section]
    chosen: list[library.Section]
    static: bool = False
    folder: str = ""  # of the user's templates, as given
    notebooks: dict[str, NotebookNode] = field(default_factory=dict)  # the checked templates of `chosen`, by name

    @property
    def page(self) -> Page:
        """The page of the first language; the figures of all languages are the same."""
        return self.pages[self.languages[0]]

    @property
    def suffix(self) -> str:
        """The part of file names for a segment value; empty without one."""
        return self.page.suffix

    @property
    def names(self) -> dict[str, str]:
        """By language, the middle part of its file names: en, or en.country-France."""
        return {language: f"{language}{self.suffix}" for language in self.languages}

    def parameters(self, section: library.Section, language: str) -> dict[str, object]:
        """The parameters that the template of a section is run with."""
        page = self.page
        metric = {"metric": section.metric} if section.metric else {}
        return {
            "period": str(page.period),
            "every": page.every,
            "segment": self.segment,
            "language": language,
            "data": page.data.origin,
            **metric,
        }

    def choose(self, sections: list[library.Section]) -> Plan:
        """The same plan for these sections; raises TemplateError if a template cannot be run."""
        notebooks = {
            section.name: library.check(section, self.parameters(section, self.languages[0])) for section in sections
        }
        return replace(self, chosen=sections, notebooks=notebooks)

    def stem(self, section: library.Section, language: str) -> str:
        return f"{section.name}.{self.names[language]}"

    def stems(self, sections: list[library.Section]) -> set[str]:
        return {self.stem(section, language) for section in sections for language in self.languages}


def split_names(texts: str | Iterable[str]) -> list[str]:
    """The unique names of one or several comma-separated lists, in order of appearance."""
    parts = [name.strip() for text in ([texts] if isinstance(texts, str) else texts) for name in text.split(",")]
    return [*dict.fromkeys(filter(None, parts))]


def make_plan(
    data: Dataset,
    period: str | Period | None,
    every: str | None,
    segment: str | None,
    languages: str | Iterable[str] | None,
    formats: str | Iterable[str] | None,
    only: str | Iterable[str],
    folder: str | Path | None,
    static: bool,
) -> Plan:
    """The plan of a build.

    Raises SettingsError, PeriodError or DataError for wrong input, TemplateError for a template that cannot be run.
    """
    report = data.settings.report
    languages, formats = split_names(languages or report.languages), split_names(formats or report.formats)
    for language in languages or ("",):
        Words(language)  # raises for one that there is not
    for kind in formats or ("",):
        check_choice(SettingsError, "There is no report format {kind!r}: {hint}", FILES, kind=kind)
    segment = ",".join(report.segments) if segment is None else segment
    every = None if isinstance(period, Period) else every  # a Period has a length
    pages = {language: Page(str(period or ""), every, segment, language, data) for language in languages}
    for page in pages.values():  # computed once for all languages
        page.computed = pages[languages[0]].computed
    if folder is not None and not Path(folder).is_dir():
        raise SettingsError("There is no folder of templates {folder!r}.", folder=str(folder))
    first = pages[languages[0]]
    everything = library.sections(data, Path(folder) if folder else None, not first.only, first.has_goals())
    only = split_names(only)
    chosen = library.pick(everything, only) if only else everything
    return Plan(pages, segment, languages, formats, everything, chosen, static, str(folder or "")).choose(chosen)
