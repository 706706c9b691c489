"""Writes `index.html` of an output folder: all packs, newest first, with headline, figures and links."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from retention_kit import bidi
from retention_kit.errors import Phrase, SettingsError
from retention_kit.metrics.catalogue import METRICS
from retention_kit.periods import EVERY
from retention_kit.report.archive.formats import FILES, files_of
from retention_kit.report.archive.packs import StoredPack, stored_packs
from retention_kit.report.blocks import sparkline, templates_dir
from retention_kit.report.pages.narrative import is_known
from retention_kit.wording import DASH, Words

NAME, GENERATOR = "index.html", "retention-kit, list of reports"


def write_index(output: Path) -> str:
    """Write the index of a folder's packs if it has changed; returns a message if that failed, else "".

    It is written to a temporary file and renamed. A page of that name that is not ours is left unchanged.
    """
    path, text = output / NAME, _page(stored_packs(output))
    try:
        before = path.read_text("utf-8") if path.is_file() else ""
        if before and f'content="{GENERATOR}"' not in before:
            return Phrase("{name} there is not ours, so the reports are not listed in it.", name=NAME)
        if before != text:
            with tempfile.TemporaryDirectory(prefix=".index-", dir=output) as staging:
                (Path(staging) / NAME).write_text(text, "utf-8", newline="")
                (Path(staging) / NAME).replace(path)
    except (OSError, UnicodeDecodeError) as error:
        return Phrase("The reports could not be listed in {name}: {error}.", name=NAME, error=error)
    return ""


def _page(packs: list[StoredPack]) -> str:
    words = _words(packs)
    groups: dict[tuple[str, str, bool], list[StoredPack]] = {}
    for pack in sorted(packs, key=lambda pack: EVERY.index(pack.period.every)):
        key = pack.period.every, _company(pack), bool(_nested(pack.manifest, "data", "synthetic"))
        groups.setdefault(key, []).append(pack)
    companies = {company for _, company, _ in groups}
    only = next(iter(companies)) if len(companies) == 1 else ""

    def title(every: str, company: str, synthetic: bool) -> str:
        sample = words.text("document.sample") if synthetic else ""
        label = words.isolate(company) if len(companies) > 1 else ""
        return " · ".join(filter(None, [words.text(f"index.{every}"), label, sample]))

    return _template().render(
        language=words.language,
        direction=words.direction,
        time_direction=words.time_direction,
        generator=GENERATOR,
        title=words.text("index.titled", company=only) if only else words.text("index.title"),
        counted=words.text("index.one" if len(packs) == 1 else "index.many", count=words.value(len(packs), "count")),
        skip=words.text("document.skip"),
        style=Markup(_stylesheet("report.css")),
        own_style=Markup(_stylesheet("packs.css")),
        groups=[
            {
                "title": title(*key),
                "trends": list(_trends(group, words)),
                "packs": [_entry(pack, words) for pack in reversed(group)],
            }
            for key, group in groups.items()
        ],
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates_dir() / "html"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["sparkline"] = sparkline
    return environment.get_template("packs.html.j2")


def _words(packs: Iterable[StoredPack]) -> Words:
    """Words in the first language of the newest pack, without a currency, as packs may have different ones."""
    newest = max(packs, key=lambda pack: pack.period.end, default=None)
    languages = _nested(newest.manifest, "settings", "report", "languages") if newest else []
    digits, time = (
        _nested(newest.manifest, "settings", "report", name) if newest else None
        for name in ("digits", "time_direction")
    )
    return Words(next(filter(_is_known, languages or []), "en"), digits=digits or "latn", time_direction=time or "")


def _is_known(language: str) -> bool:
    try:
        return bool(Words(str(language)))
    except SettingsError:
        return False


def _trends(group: list[StoredPack], words: Words) -> Iterator[dict[str, Any]]:
    """The leading figures of the whole company with at least two values, over complete periods of one length."""
    group = [pack for pack in group if pack.manifest.get("complete")]
    figures = [_report_of_whole(pack, words)[1].get("figures") or {} for pack in group]
    for metric in dict.fromkeys(name for each in figures for name in each if name in METRICS):
        values = [each[metric] if isinstance(each.get(metric), int | float) else None for each in figures]
        if sum(map(is_known, values)) > 1:
            first, last = (words.period(pack.period, "short") for pack in (group[0], group[-1]))
            span = words.text("charts.interval", low=first, high=last)
            yield {"label": words.say(METRICS[metric].label), "values": values, "span": span}


def _entry(pack: StoredPack, words: Words) -> dict[str, Any]:
    currency = _nested(pack.manifest, "settings", "report", "currency") or words.currency
    pack_words = Words(words.language, currency, words.digits)
    (language_words, whole), marks = _report_of_whole(pack, words), []
    if pack.manifest.get("state") != "ok":
        marks.append({"tone": "failure", "text": words.text("index.failed")})
    if not pack.manifest.get("complete"):
        marks.append({"tone": "plain", "text": words.text("index.incomplete", day=_last_day(pack, words))})
    return {
        "title": words.period(pack.period),
        "headline": _localized(whole, "headline", language_words),
        "goals": _localized(whole, "goals", language_words),
        "other": language_words if language_words.language != words.language else None,
        "marks": marks,
        "figures": [
            {"label": words.say(METRICS[metric].label), "value": pack_words.value(value, METRICS[metric].unit)}
            for metric, value in (whole.get("figures") or {}).items()
            if metric in METRICS and isinstance(value, int | float)
        ],
        "reports": list(_reports(pack, words)),
    }


def _reports(pack: StoredPack, words: Words) -> Iterator[dict[str, Any]]:
    """Links to the existing files, by segment value and language."""
    reports, place = _reports_of(pack), _place_of_languages(pack)
    several = len({key.partition(".")[0] for key in reports}) > 1
    for key in sorted(reports, key=lambda key: (key.partition(".")[2], place(key))):
        if not re.fullmatch(r"[\w.-]+", key, re.ASCII):
            continue
        match reports[key].get("only"):
            case [str(column), str(value)]:
                name = words.text("document.filtered", column=column, value=value)
            case _:
                name = ""
        name = " ".join(filter(None, [name, words.isolate(key.partition(".")[0]) if several else ""]))
        links = [
            {
                "href": f"{pack.folder.name}/{file}",
                "text": text,
                "label": " ".join(filter(None, [words.period(pack.period), name, words.isolate(text)])),
            }
            for kind in FILES
            for file in files_of(kind, key)
            if (pack.folder / file).is_file() and (text := _kind(file, words))
        ]
        if links:
            yield {"name": name, "links": links}


def _kind(file: str, words: Words) -> str:
    """The text of a link to a file, such as "HTML" or "One page PDF"."""
    kind = file.rpartition(".")[2].upper()
    return words.text("index.brief", kind=kind) if file.startswith("brief.") else kind


def _report_of_whole(pack: StoredPack, words: Words) -> tuple[Words, dict]:
    """The manifest's entry on the whole company, and words of its language: that of `words`, if the pack has it.

    The entry is empty if the pack has reports on segment values only.
    """
    reports = {key: report for key, report in _reports_of(pack).items() if "." not in key and _is_known(key)}
    key = words.language if words.language in reports else min(reports, default="", key=_place_of_languages(pack))
    return Words(key, words.currency, words.digits) if key else words, reports.get(key, {})


def _place_of_languages(pack: StoredPack) -> Callable[[str], tuple[int, str]]:
    """Where a report stands among those of a pack: in the order of the settings' languages, others behind them."""
    named = _nested(pack.manifest, "settings", "report", "languages")
    order = {str(language): index for index, language in enumerate(named if isinstance(named, list) else [])}
    return lambda key: (order.get(key.partition(".")[0], len(order)), key)


def _localized(report: dict, name: str, words: Words) -> str:
    """A sentence of a manifest, with bidi isolates if it is right-to-left."""
    sentence = str(report.get(name) or "")
    return bidi.isolate_literals(sentence, {}) if words.direction == "rtl" else sentence


def _reports_of(pack: StoredPack) -> dict[str, dict]:
    """The manifest's entries on reports: language and suffix → headline, figures."""
    reports = _nested(pack.manifest, "reports")
    return (
        {key: report for key, report in reports.items() if isinstance(report, dict)}
        if isinstance(reports, dict)
        else {}
    )


def _last_day(pack: StoredPack, words: Words) -> str:
    """The last day of a pack's data, formatted."""
    try:
        return words.date(date.fromisoformat(str(pack.manifest.get("as_of"))) - timedelta(days=1))
    except ValueError:
        return DASH


def _company(pack: StoredPack) -> str:
    return str(_nested(pack.manifest, "settings", "report", "company") or "")


def _nested(node: Any, *names: str) -> Any:
    """The value at nested keys; None if a key is missing."""
    for name in names:
        node = node.get(name) if isinstance(node, dict) else None
    return node


def _stylesheet(name: str) -> str:
    return (templates_dir() / "html" / name).read_text("utf-8")
