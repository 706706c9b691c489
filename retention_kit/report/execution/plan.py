"""What one build is to make: chosen and checked before any of it is made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retention_kit.errors import SettingsError, did_you_mean
from retention_kit.periods import Period
from retention_kit.report.archive.formats import FILES
from retention_kit.report.changes import Restated
from retention_kit.report.execution import templates as library
from retention_kit.report.page import Page

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset


@dataclass
class Plan:
    """What one build makes, checked before any of it is made."""

    pages: dict[str, Page]  # by language
    segment: str
    languages: list[str]
    formats: list[str]
    everything: list[library.Section]
    chosen: list[library.Section]
    static: bool = False
    folder: str = ""  # of own templates, as it was given
    notebooks: dict[str, Any] = field(default_factory=dict)
    restated: list[Restated] = field(default_factory=list)
    sent: str = ""  # a digest of the packs that `restated` compares with

    @property
    def page(self) -> Page:
        """The page of the first language: the figures are those of all."""
        return self.pages[self.languages[0]]

    @property
    def suffix(self) -> str:
        """What a segment value adds to file names."""
        return self.page.suffix

    def parameters(self, section: library.Section, language: str) -> dict[str, object]:
        page = self.page
        own = {"metric": section.metric} if section.metric else {}
        return {
            "period": str(page.period),
            "every": page.every,
            "segment": self.segment,
            "language": language,
            "data": page.data.origin,
            **own,
        }

    def whole(self) -> Plan:
        """The same with every section chosen."""
        notebooks = {one.name: library.check(one, self.parameters(one, self.languages[0])) for one in self.everything}
        return replace(self, chosen=self.everything, notebooks=notebooks)

    def stem(self, section: library.Section, language: str) -> str:
        return f"{section.name}.{language}{self.suffix}"

    def stems(self, sections: list[library.Section]) -> set[str]:
        return {self.stem(section, language) for section in sections for language in self.languages}


def make_plan(
    data: Dataset,
    period: str | Period | None,
    every: str | None,
    segment: str | None,
    languages: Iterable[str] | None,
    formats: Iterable[str] | None,
    only: Iterable[str],
    folder: str | Path | None,
    static: bool,
) -> Plan:
    """The plan of a build; every wrong name raises here, with a sentence, and so does a template that cannot be run."""
    report = data.settings.report
    languages, formats = list(languages or report.languages), list(formats or report.formats)
    for made in formats:
        if made not in FILES:
            raise SettingsError(f"There is no report format {made!r}: {did_you_mean(made, FILES)}")
    segment = ",".join(report.segments) if segment is None else segment
    pages = {language: Page(period or "", every, segment, language, data) for language in languages}
    if folder is not None and not Path(folder).is_dir():
        raise SettingsError(f"There is no folder of templates {str(folder)!r}.")
    everything = library.sections(data, Path(folder) if folder else None, not pages[languages[0]].only)
    chosen = library.pick(everything, list(only)) if only else everything
    plan = Plan(pages, segment, languages, formats, everything, chosen, static, str(folder or ""))
    for section in chosen:
        plan.notebooks[section.name] = library.check(section, plan.parameters(section, languages[0]))
    return plan
