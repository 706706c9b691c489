"""Writes manifests, which record the inputs of a pack, and compares the inputs of an existing pack with a plan's."""

from __future__ import annotations

import hashlib
import inspect
import json
import platform
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from retention_kit import bidi
from retention_kit.data.dataset import Dataset
from retention_kit.errors import RetentionKitError
from retention_kit.metrics.catalogue import ranked
from retention_kit.metrics.identities import Identity
from retention_kit.metrics.scorecard import METRICS
from retention_kit.report.archive.manifest import (
    BUILD,
    PACKAGES,
    SCHEMA,
    altered,
    as_json,
    builds,
    digest_if,
    digest_of,
    read,
)
from retention_kit.report.blocks import templates_dir
from retention_kit.report.changes import Restatements
from retention_kit.report.execution.plan import Plan
from retention_kit.report.page import Page
from retention_kit.report.pages.narrative import is_known
from retention_kit.settings import RESOURCES, Settings, read_settings
from retention_kit.settings.alerts import Alert
from retention_kit.settings.follow_ups import FollowUp
from retention_kit.wording import money_decimals

OWN_FILES = ("plugins", "fonts")  # keys of [report] that name files


def is_current(plan: Plan, folder: Path, **compared: object) -> bool:
    """Whether the folder has a complete pack with the same inputs and unaltered files.

    Figures in earlier packs are inputs, too: `compared` is either `sent`, a digest of those packs, or `restated`, the
    restatements. Without a keyword they are not compared.
    """
    manifest = read(folder)
    inputs = manifest.get("inputs", {})
    recorded = inputs if isinstance(inputs, dict) else {}
    return (
        manifest.get("state") == "ok"
        and all(
            isinstance(recorded.get(name), dict) and digests.items() <= recorded[name].items()
            for name, digests in _inputs(plan, **compared).items()
        )
        and not altered(folder, manifest)
    )


def describe(plan: Plan) -> dict[str, Any]:
    """The inputs of one build (with the keys of `BUILD`), for building it again and for explaining changes since."""
    data, period = plan.page.data, plan.page.period
    report = msgspec.to_builtins(data.settings.report)
    return {
        "complete": period.is_complete(data.as_of),
        "as_of": str(data.as_of),
        "parameters": {
            "segment": plan.segment,
            "languages": plan.languages,
            "formats": plan.formats,
            "sections": [section.name for section in plan.chosen],
            "static": plan.static,
            "templates": plan.folder,
        },
        "data": {
            "synthetic": data.is_sample,
            "origin": data.origin,
            "overrides": overrides(data),
            "basis": data.basis,
            "start": str(data.start),
            "sources": data.sources,
            "quality": data.quality.to_dict("records"),
        },
        "settings": {
            "report": report | {key: [Path(name).name for name in report[key]] for key in OWN_FILES},
            "definitions": msgspec.to_builtins(data.settings.definitions),
            "goals": msgspec.to_builtins(data.settings.goals),
            "alerts": [_alert_inputs(alert) for alert in data.settings.alerts],
            "follow_ups": [_follow_up_inputs(follow_up) for follow_up in data.settings.follow_ups],
            "hosts": _hosts(data.settings),
            "first_known": msgspec.to_builtins(data.settings.data.first_known),
        },
        "metrics": {
            name: {"formula": metric.formula, "definition": metric.definition, "function": _function(metric.function)}
            for name, metric in METRICS.items()
        },
        "templates": {section.name: section.digest for section in plan.everything},
        "code": {"retention-kit": _code()} | _own_files(data.settings),
        "versions": {"python": platform.python_version()} | _versions(),
    }


def _own_files(settings: Settings) -> dict[str, str]:
    """The digests of plug-ins and fonts, by name."""
    files = [Path(name) for key in OWN_FILES for name in getattr(settings.report, key)]
    return {file.name: digest_if(file) for file in files}


def _alert_inputs(alert: Alert) -> dict[str, Any]:
    """The settings of an alert that change a report: not its recipients."""
    actions = [action for action in alert.then if action in ("list", "notice")]
    return msgspec.to_builtins(msgspec.structs.replace(alert, then=actions))


def _follow_up_inputs(follow_up: FollowUp) -> dict[str, Any]:
    """The settings of a follow-up that change a report: not its text and contacts."""
    return msgspec.to_builtins(msgspec.structs.replace(follow_up, text="", contact=None, then=[]))


def _hosts(settings: Settings) -> list[str]:
    """The hosts that a report may link to."""
    mail = settings.mail
    hosts = (urlsplit(link or "").hostname for link in (mail.link, mail.unsubscribe))
    return sorted({host for host in (*hosts, *mail.allowed_hosts) if host})


def build_manifest(
    plan: Plan, building: Path, failures: list[str], checks: list[Identity], compared: Restatements
) -> dict[str, Any]:
    """The manifest of a pack, without its files and new verdicts of the gate; entries of its other builds are kept."""
    before, page = read(building), plan.page
    failed = {failure.partition(":")[0] for failure in failures}
    states = {
        plan.stem(section, language): "failed" if f"{section.name} ({language})" in failed else "ok"
        for section in plan.chosen
        for language in plan.languages
    }
    sections = {
        name: state
        for name, state in {**before.get("sections", {}), **states}.items()
        if (building / "notebooks" / f"{name}.ipynb").is_file()
    }
    return {
        "schema": SCHEMA,
        "state": "failed"
        if failures or "failed" in sections.values() or any(check.broken for check in checks)
        else "ok",
        "period": str(page.period),
        "every": page.every,
        "start": str(page.period.start),
        "end": str(page.period.end),
        "suffix": plan.suffix,
        **json.loads(as_json(describe(plan))),
        "identities": [msgspec.to_builtins(check) for check in checks],
        "restated": [figure._asdict() for figure in compared.restated],
        "reports": {**before.get("reports", {}), **_reports(plan)},
        "lists": {**before.get("lists", {}), **_lists(page)},
        "sections": sections,
        "inputs": {**before.get("inputs", {}), **_inputs(plan, **compared._asdict())},
        "gate": before.get("gate", {}),
        "record": before.get("record", {}),
        "siblings": {
            suffix: {name: build[name] for name in BUILD}
            for suffix, build in builds(before).items()
            if suffix != plan.suffix
        },
    }


def missing_characters(building: Path, by_file: Mapping[str, Mapping[str, str]]) -> dict[str, list[dict[str, str]]]:
    """The characters missing from all fonts, by file; those of files from an earlier build are taken from its manifest.

    `by_file` has those of this build: file → character → the first text with it.
    """
    entries = {
        file: before
        for file, before in read(building).get("missing_characters", {}).items()
        if (building / file).is_file()
    }
    new = {
        file: [{"character": character, "text": text} for character, text in characters.items()]
        for file, characters in by_file.items()
    }
    return {file: characters for file, characters in (entries | new).items() if characters}


def overrides(data: Dataset) -> dict[str, Any]:
    """The settings that were given by keyword or option and differ from the file's, as keywords for `load`."""
    origin = Path(data.origin or "(sample)")
    path = origin / "retention.toml" if origin.is_dir() else origin
    try:
        file_settings = read_settings(path) if path.suffix == ".toml" else Settings()
    except (RetentionKitError, OSError):
        file_settings = Settings()
    parts = [(getattr(data.settings, part), getattr(file_settings, part)) for part in ("report", "definitions")]
    keywords = {
        name: value
        for own_value, file_value in parts
        for name, value in msgspec.to_builtins(own_value).items()
        if value != msgspec.to_builtins(file_value)[name]
    }
    if data.settings.data.first_known != file_settings.data.first_known:
        keywords["first_known"] = msgspec.to_builtins(data.settings.data.first_known)
    for key in [key for key in OWN_FILES if key in keywords]:  # the same files, though the paths may differ
        if [Path(name).name for name in keywords[key]] == [
            Path(name).name for name in getattr(file_settings.report, key)
        ]:
            del keywords[key]
    if "plugins" in keywords:
        keywords["plugins"] = [Path(name).name for name in keywords["plugins"]]
    if "fonts" in keywords:
        keywords["fonts"] = [*map(str, data.given.get("fonts", ()))]
    return keywords


def _reports(plan: Plan) -> dict[str, dict]:
    """The headline and leading figures of each report for the index of packs, by language and suffix."""
    page = plan.page
    now = {row.metric: row.value for row in page.now(ranked("headline")).itertuples()}
    figures = {name: value if is_known(value) else None for name, value in now.items()}
    return {
        f"{language}{plan.suffix}": {
            "only": page.alone or (),  # segment column and value
            "headline": bidi.plain(translated.headline().data["text"]),
            "figures": figures,
            "goals": bidi.plain(translated.goals_in_a_line()),
        }
        for language, translated in plan.pages.items()
    }


def _lists(page: Page) -> dict[str, dict]:
    """Number of customers of each list, by file; their money, and whether that is at stake."""
    decimals = money_decimals(page.data.settings.report.currency)
    risks = page.risk_totals()
    return {
        page.list_file(name): {
            "customers": total.customers,
            "money": round(total.money, decimals),
            "at_stake": name in risks,
        }
        for name, total in (page.list_totals() | risks).items()
    }


def _inputs(plan: Plan, **compared: object) -> dict[str, dict[str, str]]:
    """Digests of all inputs, by language and suffix; `compared` as for `is_current`."""
    data = plan.page.data
    settings = msgspec.to_builtins(data.settings)
    settings["data"] = {name: value for name, value in settings["data"].items() if name not in RESOURCES}
    parameters = {
        "sources": data.sources,
        "settings": settings,
        "known": [str(data.as_of), data.is_sample, data.origin],
        "asked": [str(plan.page.period), plan.segment, plan.formats, plan.static],
        "templates": {section.name: section.digest for section in plan.chosen},
        "metrics": {name: vars(metric) | {"function": _source(metric.function)} for name, metric in METRICS.items()},
        "code": [_code(), platform.python_version(), *_versions().values(), _own_files(data.settings)],
    }
    digests = {name: _digest_of(value) for name, value in ({"given": parameters} | compared).items()}
    return dict.fromkeys(plan.names.values(), digests)


def _digest_of(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


@cache
def _source(function: Callable) -> str:
    """A digest of the module that defines a metric; empty if it was defined in an interactive session."""
    try:
        return digest_of(Path(inspect.getsourcefile(function) or ""))
    except (OSError, TypeError):
        return ""


@cache
def _function(function: Callable) -> str:
    """A digest of the source of a metric's function alone; empty if it is in no file."""
    try:
        return hashlib.sha256(inspect.getsource(function).encode()).hexdigest()[:16]
    except (OSError, TypeError):
        return ""


@cache
def _versions() -> dict[str, str]:
    """The versions of the packages that a report depends on."""
    return {name: version(name) for name in PACKAGES}


@cache
def _code() -> str:
    """A digest of the package: code, SQL, translations and templates."""
    folders = (Path(__file__).parents[2], templates_dir())
    files = [
        path
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".py", ".sql", ".toml", ".j2", ".css", ".js", ".typ")
    ]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
