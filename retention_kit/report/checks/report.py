"""Checks of one report of a pack, from its files and manifest alone."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from retention_kit.errors import Phrase
from retention_kit.report.archive import manifest as manifests
from retention_kit.report.archive.formats import FILES, files_of
from retention_kit.report.blocks import templates_dir
from retention_kit.report.checks.figures import (
    Figures,
    PdfFigures,
    Record,
    flat,
    pages_of_pdf,
    summarise,
    text_of_html,
    text_of_pdf,
)
from retention_kit.report.checks.message import named_customers
from retention_kit.report.export.csv_files import read_scorecard
from retention_kit.wording import Words

State = Literal["ok", "degraded", "blocked"]
STATES: tuple[State, ...] = ("ok", "degraded", "blocked")
REBUILD = Phrase("build the report again")
LOADING_ATTRIBUTES = {"src", "srcset", "href", "xlink:href", "poster", "data", "background", "action"}
TEXT_ATTRIBUTES = {"aria-label", "alt", "title", "data-label"}
_EXTERNAL_TAG = re.compile(r"<[A-Za-z][^<>]*//[^<>]*>")  # that may have an external address
_EXTERNAL_ADDRESS = re.compile(r"\s*(?:https?:)?//", re.IGNORECASE)
_EXTERNAL_LINK = re.compile(r"(?i)(?:[a-z][a-z0-9+.-]*:)?//|(?!mailto:|#)[a-z][a-z0-9+.-]*:")
_EXTERNAL_STYLE = re.compile(r"""url\(\s*["']?(?:https?:)?//|@import\b""", re.IGNORECASE)
_SHAPE = re.compile(r"<(?:path|rect|text|line|circle)\b")


class Finding(NamedTuple):
    """One finding of a check."""

    state: State
    reason: str
    is_reported: bool = False  # by the build already
    notice: str = ""  # for readers: the name of a text under `mail`


def blocked(template: str, /, *, is_reported: bool = False, **values: Any) -> Finding:
    """A finding that blocks a report, with a template and its values as the reason."""
    return Finding("blocked", Phrase(template, **values), is_reported)


def degraded(template: str, /, *, is_reported: bool = False, notice: str = "", **values: Any) -> Finding:
    """A finding with which a report may be sent, marked."""
    return Finding("degraded", Phrase(template, **values), is_reported, notice)


def _differing(parts: Iterable[str], where: str, is_reported: bool = False) -> Iterator[Finding]:
    """A finding that blocks a report if there are any differing parts."""
    if reason := summarise(parts, where):
        yield Finding("blocked", reason, is_reported)


@dataclass(frozen=True)
class Report:
    """One report of a pack, of one language and of one segment value or the whole, read from its files and manifest."""

    folder: Path
    manifest: dict[str, Any]
    name: str  # en, or en.country-France

    @property
    def language(self) -> str:
        return self.name.partition(".")[0]

    @property
    def suffix(self) -> str:
        return self.name[len(self.language) :]

    @cached_property
    def about(self) -> dict[str, Any]:
        """The part of the manifest about its build; that of another segment value has an entry of its own."""
        return manifests.builds(self.manifest).get(self.suffix, self.manifest)

    @cached_property
    def words(self) -> Words:
        report = self.about["settings"]["report"]
        return Words(self.language, report["currency"], report.get("digits", "latn"))

    @cached_property
    def figures(self) -> Figures:
        return Figures(
            read_scorecard(self.folder / f"scorecard{self.suffix}.csv"), str(self.manifest["period"]), self.words
        )

    @cached_property
    def sections(self) -> dict[str, str]:
        """The states of its sections by the stems of their files."""
        return {stem: state for stem, state in self.manifest["sections"].items() if stem.endswith(f".{self.name}")}

    @cached_property
    def record(self) -> Record:
        record = Record()
        for stem in self.sections:
            record.add(json.loads((self.folder / "notebooks" / f"{stem}.ipynb").read_text("utf-8")), self.words)
        return record

    @cached_property
    def customers(self) -> list[str]:
        """The ids of the customers in the lists of the pack."""
        names: dict[str, None] = {}
        for path in sorted((self.folder / "lists").glob("*.csv")):
            with path.open(encoding="utf-8", newline="") as file:
                rows = csv.reader(file)
                column = next(rows).index("customer_id")
                names |= dict.fromkeys(row[column] for row in rows)
        return [*names]

    @cached_property
    def allowed_names(self) -> set[str]:
        """Names that it may show even if a customer has the same."""
        company = self.about["settings"]["report"].get("company") or ""
        return self.figures.named | {company, str(self.manifest["period"])}

    @cached_property
    def own_cells(self) -> str:
        """The cells of templates that are not ours, as one text."""
        return "\n".join(
            json.dumps(notebook["cells"], ensure_ascii=False)
            for stem in self.sections
            if not self._is_ours(stem)
            for notebook in [json.loads((self.folder / "notebooks" / f"{stem}.ipynb").read_text("utf-8"))]
        )

    def _is_ours(self, stem: str) -> bool:
        section = stem.removesuffix(f".{self.name}")
        template = templates_dir() / f"{section.partition('.')[0]}.ipynb"
        return template.is_file() and manifests.digest_of(template) == self.about["templates"].get(section)

    @property
    def is_there(self) -> bool:
        """Whether the pack has any of its files."""
        names = [name for output in FILES for name in files_of(output, self.name)]
        return any((self.folder / name).is_file() for name in [*names, self.file("message", "eml").name])

    def file(self, kind: str, suffix: str) -> Path:
        return self.folder / f"{kind}.{self.name}.{suffix}"


def of_manifest(report: Report) -> Iterator[Finding]:
    """Findings from the manifest: failed sections, identities, figures, missing characters, and incomplete periods."""
    for stem, state in report.sections.items():
        if state != "ok":
            yield blocked("The section {stem} failed.", stem=stem, is_reported=True)
    if report.suffix == report.manifest.get("suffix"):
        for check in report.manifest["identities"]:
            if check["broken"]:
                by_column = "The identity of {identity} by {column} does not hold in {periods}."
                yield blocked(
                    by_column if check["column"] else "The identity of {identity} does not hold in {periods}.",
                    identity=check["name"],
                    column=check["column"],
                    periods=", ".join(check["broken"][:3]),
                    is_reported=True,
                )
    if not report.figures.rows:
        template = "scorecard{suffix}.csv tells nothing of {period}."
        yield blocked(template, suffix=report.suffix, period=report.manifest["period"])
    elif report.figures.is_empty:
        yield blocked("Nobody was active in {period}: its report is empty.", period=report.manifest["period"])
    leading = report.manifest["reports"][report.name]["figures"]
    known = {name: row.value for name, row in report.figures.metrics.items()}
    wrong = [name for name in leading if name in known and known[name] != leading[name]]
    yield from _differing(wrong, Phrase("Scorecard and {manifest} tell different figures", manifest=manifests.NAME))
    yield from _boxes(report)
    if not report.about["complete"]:
        template = "{period} is not over: the data end before {as_of}."
        yield degraded(template, notice="incomplete", period=report.manifest["period"], as_of=report.about["as_of"])


def _boxes(report: Report) -> Iterator[Finding]:
    """Files with boxes for characters that no font has; blocked if most of the company's name is boxes."""
    company = "".join((report.about["settings"]["report"].get("company") or "").split())
    names = [file for output in FILES for file in files_of(output, report.name)]
    for file in [*names, report.file("message", "eml").name]:
        if not (boxes := report.manifest.get("missing_characters", {}).get(file)):
            continue
        first, characters = boxes[0], {box["character"] for box in boxes}
        template = (
            "{file} has boxes for characters that no font of the report has, such as {character} in {text!r}: "
            "name a font that has them in [report] fonts."
        )
        finding = degraded(template, is_reported=True, notice="boxes", file=file, **first)
        is_unreadable = 2 * sum(character in characters for character in company) > len(company)
        yield finding._replace(state="blocked", notice="") if is_unreadable else finding


def of_files(report: Report) -> Iterator[Finding]:
    """Findings from the files: figures other than the scorecard's, missing parts, and content that must not leave."""
    for error in report.record.errors:
        template = "A notebook of {report} ended with an error: {error}."
        yield blocked(template, report=report.name, error=error, is_reported=True)
    wrong = report.record.faults(report.figures)
    yield from _differing(wrong, Phrase("Scorecard and notebooks tell different figures"))
    yield from _check_html(report)
    yield from _check_pdf(report)
    yield from _check_brief(report)


def _check_html(report: Report) -> Iterator[Finding]:
    path = report.file("report", "html")
    if not path.is_file():
        yield from _missing(report, path)
        return
    page = path.read_text("utf-8", "replace")
    bare = re.sub(r"(?s)(<script\b[^>]*>).*?</script>", r"\1", page)
    failed = re.findall(r'(?s)<div class="notice failure"[^>]*>\s*<p class="title">(.*?)</p>', bare)
    for title in failed:
        yield blocked("{file} has a part that failed: {title}.", file=path.name, title=flat(title), is_reported=True)
    is_reported = bool(failed)  # other findings follow from it
    missing_lines = report.record.missing_in(text_of_html(page))
    yield from _differing(missing_lines, Phrase("{file} does not say what was recorded", file=path.name), is_reported)
    pictures = [picture.partition("</figure>")[0] for picture in re.split(r'<figure class="chart\b', bare)[1:]]
    svgs = [picture for picture in pictures if "<svg" in picture and _SHAPE.search(picture.partition("<svg")[2])]
    if missing := max(len(pictures), report.record.charts) - len(svgs):
        template = "{file} lacks {missing} of its {count} charts."
        yield blocked(template, file=path.name, missing=missing, count=len(svgs) + missing, is_reported=is_reported)
    if any(not re.search(r'aria-label="[^"]*\w', picture) for picture in pictures):
        yield blocked("{file} has a chart without a description.", file=path.name)
    yield from _named_customers(report, page)
    for host in foreign_hosts(report, bare):
        state: State = "degraded" if host in report.own_cells else "blocked"
        template = "{file} links to {host}, which [mail] allowed_hosts does not name."
        yield Finding(state, Phrase(template, file=path.name, host=host))
    for fetched in dict.fromkeys(_external_files(bare)):
        yield blocked("{file} asks for a file of another place: {address!r}.", file=path.name, address=fetched[:60])


def _named_customers(report: Report, page: str) -> Iterator[Finding]:
    """Customers named on a page: never allowed in our sections, a notice for an analyst's own."""
    customers = [
        customer for customer in report.customers if re.search(r"[^\d.,\s]", customer)
    ]  # numbers may be figures
    named = named_customers(text_of_html(page), customers, report.allowed_names)
    if in_own := [name for name in named if name in report.own_cells]:
        template = "report.{report}.html names {count} customers in a section of its own."
        yield degraded(template, report=report.name, count=len(in_own))
    if len(named) > len(in_own):
        template = "report.{report}.html names {count} of the customers that the lists hold."
        yield blocked(template, report=report.name, count=len(named) - len(in_own))


def foreign_hosts(report: Report, page: str) -> list[str]:
    """The hosts of links in HTML that are not in the settings."""
    known = {host.lower() for host in report.about["settings"].get("hosts", ())}
    tags = _Tags()
    tags.feed(page)
    links = [value.strip() for _, name, value in tags.attributes if name == "href"]
    hosts = dict.fromkeys(urlsplit(link).hostname or link[:40] for link in links if _EXTERNAL_LINK.match(link))
    return [host for host in hosts if not any(host == domain or host.endswith(f".{domain}") for domain in known)]


def _check_pdf(report: Report) -> Iterator[Finding]:
    path = report.file("report", "pdf")
    if not path.is_file():
        yield from _missing(report, path)
        return
    try:
        text = text_of_pdf(path.read_bytes())
    except ValueError as error:
        yield blocked("{file} {error}.", file=path.name, error=error)
        return
    if is_reported := flat(report.words.text("document.failed")) in text:
        yield blocked("{file} has a part that failed.", file=path.name, is_reported=True)
    missing = report.record.missing_in_pdf(text, is_ordered=report.words.direction == "ltr")
    yield from _differing(missing, Phrase("{file} does not say what was recorded", file=path.name), is_reported)


def _check_brief(report: Report) -> Iterator[Finding]:
    """Check the brief: one page, with the finding of the report and key figures of the scorecard."""
    html, pdf = report.file("brief", "html"), report.file("brief", "pdf")
    expected = [flat(report.manifest["reports"][report.name]["headline"])]
    if html.is_file():
        page = html.read_text("utf-8", "replace")
        cards = [text_of_html(card) for card in re.findall(r'(?s)<li class="card">(.*?)</li>', page)]
        labels = [report.figures.label_of(card) for card in cards]
        wrong = [
            part for label, card in zip(labels, cards, strict=True) for part in report.figures.card_faults(label, card)
        ]
        yield from _differing(wrong, Phrase("{name} tells other figures than the scorecard, which has", name=html.name))
        expected += [report.figures.key_figure(label) for label in labels if label]
        yield from _check_texts(report, html, text_of_html(page), expected)
    else:
        yield from _missing(report, html)
    if not pdf.is_file():
        yield from _missing(report, pdf)
        return
    content = pdf.read_bytes()
    try:
        text, count = text_of_pdf(content), pages_of_pdf(content)
    except ValueError as error:
        yield blocked("{name} {error}.", name=pdf.name, error=error)
        return
    yield from _check_texts(report, pdf, text, expected, is_ordered=report.words.direction == "ltr")
    if count != 1:
        yield blocked("{name} has {count} pages and is to have one.", name=pdf.name, count=count)


def _check_texts(
    report: Report, path: Path, text: str, expected: list[str], *, is_ordered: bool = True
) -> Iterator[Finding]:
    if is_reported := flat(report.words.text("document.failed")) in text:
        yield blocked("{file} has a part that failed.", file=path.name, is_reported=True)
    missing = [part for part in expected if part not in text] if is_ordered else PdfFigures(text).missing(expected)
    yield from _differing(missing, Phrase("{file} does not say", file=path.name), is_reported)


def _missing(report: Report, path: Path) -> Iterator[Finding]:
    parameters = report.about["parameters"]
    output = next(output for output in FILES if path.name in files_of(output, report.name))
    if output in parameters["formats"] and report.language in parameters["languages"]:
        yield blocked("{file} is not there: {todo}.", file=path.name, todo=REBUILD, is_reported=True)


def _external_files(page: str) -> Iterator[str]:
    """Addresses and styles in HTML that load external files; links do not, until they are followed."""
    for style in re.findall(r"(?s)<style\b[^>]*>(.*?)</style>", page):
        yield from (match[0] for match in _EXTERNAL_STYLE.finditer(style))
    tags = _Tags()
    for tag in _EXTERNAL_TAG.findall(page):
        tags.feed(tag)
    for tag, name, value in tags.attributes:
        if name in LOADING_ATTRIBUTES and tag != "a" and _EXTERNAL_ADDRESS.match(value):
            yield value
        elif name not in TEXT_ATTRIBUTES:
            yield from (match[0] for match in _EXTERNAL_STYLE.finditer(value))


class _Tags(HTMLParser):
    """Collects the attributes of all tags."""

    def __init__(self) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
