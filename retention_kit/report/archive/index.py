"""`index.html` of an output folder: every pack in it, newest first, with its finding, figures and links."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from retention_kit.metrics.catalogue import METRICS
from retention_kit.periods import EVERY
from retention_kit.report.archive.formats import FILES, files_of
from retention_kit.report.archive.packs import StoredPack, stored_packs
from retention_kit.report.blocks import sparkline, templates_dir
from retention_kit.report.pages.narrative import is_known
from retention_kit.wording import DASH, Words, languages

NAME, OURS = "index.html", "retention-kit, list of reports"


def write_index(output: Path) -> str:
    """Write the list of a folder's packs beside and rename it, where it is another; returns what went wrong, if anything.

    A page of that name that is not ours is left alone.
    """
    path, text = output / NAME, _page([*stored_packs(output)])
    try:
        before = path.read_text("utf-8") if path.is_file() else ""
        if before and f'content="{OURS}"' not in before:
            return f"{NAME} there is not ours, so the reports are not listed in it."
        if before != text:
            with tempfile.TemporaryDirectory(prefix=".index-", dir=output) as place:
                (Path(place) / NAME).write_text(text, "utf-8", newline="")
                (Path(place) / NAME).replace(path)
    except (OSError, UnicodeDecodeError) as error:
        return f"The reports could not be listed in {NAME}: {error}."
    return ""


def _page(packs: list[StoredPack]) -> str:
    words = _words(packs)
    groups: dict[tuple, list[StoredPack]] = {}
    for pack in sorted(packs, key=lambda one: EVERY.index(one.period.every)):
        groups.setdefault(
            (pack.period.every, _company(pack), bool(_at(pack.manifest, "data", "synthetic"))), []
        ).append(pack)
    companies = {company for _, company, _ in groups}
    only = next(iter(companies)) if len(companies) == 1 else ""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(templates_dir() / "html"), autoescape=True,
                                     trim_blocks=True, lstrip_blocks=True)  # fmt: skip
    environment.filters["sparkline"] = sparkline
    said = [
        {
            "title": " · ".join(filter(None, [
                words.text(f"index.{every}"),
                company if len(companies) > 1 else "",
                words.text("document.sample") if synthetic else "",
            ])),
            "trends": list(_trends(group, words)),
            "packs": [_entry(pack, words) for pack in reversed(group)],
        }
        for (every, company, synthetic), group in groups.items()
    ]  # fmt: skip
    return environment.get_template("packs.html.j2").render(
        language=words.language,
        direction=words.direction,
        generator=OURS,
        title=words.text("index.titled", company=only) if only else words.text("index.title"),
        counted=words.text("index.one" if len(packs) == 1 else "index.many", count=words.value(len(packs), "count")),
        skip=words.text("document.skip"),
        style=Markup(_skin("report.css")),
        own_style=Markup(_skin("packs.css")),
        groups=said,
    )


def _words(packs: Iterable[StoredPack]) -> Words:
    """In the first language of the newest pack; the currency is each pack's own."""
    newest = max(packs, key=lambda pack: pack.period.end, default=None)
    wanted = _at(newest.manifest, "settings", "report", "languages") if newest else []
    found = [language for language in wanted or [] if language in languages()]
    return Words(found[0] if found else "en")


def _trends(group: list[StoredPack], words: Words) -> Iterator[dict]:
    """The leading figures of the whole, over all complete periods of one length, where there is more than one."""
    group = [pack for pack in group if pack.manifest.get("complete")]
    told = [_whole(pack).get("figures") or {} for pack in group]
    for metric in dict.fromkeys(name for figures in told for name in figures if name in METRICS):
        values = [figures.get(metric) if isinstance(figures.get(metric), int | float) else None for figures in told]
        if sum(map(is_known, values)) > 1:
            first, last = (words.period(pack.period, "short") for pack in (group[0], group[-1]))
            span = words.text("charts.interval", low=first, high=last)
            yield {"label": METRICS[metric].label, "values": values, "span": span}


def _entry(pack: StoredPack, words: Words) -> dict[str, Any]:
    own = Words(words.language, _at(pack.manifest, "settings", "report", "currency") or words.currency)
    whole, marks = _whole(pack), []
    if pack.manifest.get("state") != "ok":
        marks.append({"tone": "failure", "text": words.text("index.failed")})
    if not pack.manifest.get("complete"):
        marks.append({"tone": "plain", "text": words.text("index.incomplete", day=_last_day(pack, words))})
    return {
        "title": words.period(pack.period),
        "headline": whole.get("headline", ""),
        "marks": marks,
        "figures": [
            {"label": METRICS[metric].label, "value": own.value(value, METRICS[metric].unit)}
            for metric, value in (whole.get("figures") or {}).items()
            if metric in METRICS and isinstance(value, int | float)
        ],
        "reports": list(_reports(pack, words)),
    }


def _reports(pack: StoredPack, words: Words) -> Iterator[dict]:
    """The files of each language and segment value that are there."""
    told = _told(pack)
    several = len({key.partition(".")[0] for key in told}) > 1
    for key in sorted(told, key=lambda key: (key.partition(".")[2], key)):
        if not re.fullmatch(r"[\w.-]+", key, re.ASCII):
            continue
        match told[key].get("only"):
            case [str(column), str(value)]:
                name = words.text("document.filtered", column=column, value=value)
            case _:
                name = ""
        name = " ".join(filter(None, [name, key.partition(".")[0] if several else ""]))
        links = [
            {
                "href": f"{pack.folder.name}/{file}",
                "text": text,
                "label": " ".join(filter(None, [words.period(pack.period), name, text])),
            }
            for made in FILES
            for file in files_of(made, key)
            if (pack.folder / file).is_file() and (text := _kind(file, words))
        ]
        if links:
            yield {"name": name, "links": links}


def _kind(file: str, words: Words) -> str:
    """What a link to a file is called: HTML, or one page PDF."""
    kind = file.rpartition(".")[2].upper()
    return words.text("index.brief", kind=kind) if file.startswith("brief.") else kind


def _whole(pack: StoredPack) -> dict:
    """What the pack says of the whole company, in its first language; empty where it holds segment values only."""
    told = _told(pack)
    return next((told[key] for key in sorted(told) if "." not in key), {})


def _told(pack: StoredPack) -> dict[str, dict]:
    """What the manifest says of each report: language and segment value → finding, figures."""
    told = _at(pack.manifest, "reports")
    return {key: one for key, one in told.items() if isinstance(one, dict)} if isinstance(told, dict) else {}


def _last_day(pack: StoredPack, words: Words) -> str:
    """The last day that a pack knows, in words."""
    try:
        return words.date(date.fromisoformat(str(pack.manifest.get("as_of"))) - timedelta(days=1))
    except ValueError:
        return DASH


def _company(pack: StoredPack) -> str:
    return str(_at(pack.manifest, "settings", "report", "company") or "")


def _at(node: Any, *names: str) -> Any:
    """What lies under these names; None where a broken manifest has nothing there."""
    for name in names:
        node = node.get(name) if isinstance(node, dict) else None
    return node


def _skin(name: str) -> str:
    return (templates_dir() / "html" / name).read_text("utf-8")
