"""Why two builds give different figures: what they were made from, compared."""

from __future__ import annotations

from typing import Any, NamedTuple

KINDS = ("data", "definition", "code")  # restated data, another definition or setting, other code or environment
# How a report is made, not what its figures are; and what is compared by itself.
_ASIDE = ("report.as_of", "report.languages", "report.formats")


class Change(NamedTuple):
    """One thing that two builds were made from otherwise; `metric` where it concerns that one alone."""

    kind: str
    name: str
    before: str
    now: str
    metric: str = ""


class Restated(NamedTuple):
    """A figure of an earlier period that an earlier report gave otherwise."""

    period: str
    metric: str
    sent: float | None
    now: float | None
    causes: tuple[str, ...]  # as `causes.KINDS` has them: what may explain it


def changes(before: dict, now: dict) -> list[Change]:
    """All that differs between what two builds were made from, as `provenance.describe` tells it."""
    found = [
        *_changed("data", _sources(before), _sources(now)),
        *_changed("data", {"known up to": before["as_of"]}, {"known up to": now["as_of"]}),
        *_changed("definition", {"basis": before["data"]["basis"]}, {"basis": now["data"]["basis"]}),
        *_changed("definition", _flat(before["settings"]), _flat(now["settings"])),
    ]
    for metric in sorted({*before["metrics"], *now["metrics"]}):
        parts = _changed("definition", before["metrics"].get(metric, {}), now["metrics"].get(metric, {}))
        found += [one._replace(name=f"{metric}: {one.name}", metric=metric) for one in parts]
    for part in ("versions", "code", "templates"):
        found += _changed("code", before[part], now[part])
    return [one for one in found if one.name not in _ASIDE]


def causes_of(metric: str, found: list[Change]) -> tuple[str, ...]:
    """The kinds of change that may explain a figure of one metric; none where nothing does.

    Where the metric itself is another, its code is, too: that is no second cause.
    """
    kinds = {one.kind for one in found if one.metric in ("", metric)}
    if any(one.metric == metric for one in found):
        kinds.discard("code")
    return tuple(kind for kind in KINDS if kind in kinds)


def _changed(kind: str, before: dict[str, Any], now: dict[str, Any]) -> list[Change]:
    names = sorted({*before, *now})
    pairs = [(name, _shown(before.get(name)), _shown(now.get(name))) for name in names]
    return [Change(kind, name, *pair) for name, *pair in pairs if pair[0] != pair[1]]


def _shown(value: Any) -> str:
    """A value on one line; of a digest, its beginning."""
    text = "" if value is None else str(value)
    return text[:12] if len(text) == 64 and set(text) <= set("0123456789abcdef") else text


def _sources(build: dict) -> dict[str, str]:
    """The fingerprint of every source; of two of one name, told apart by their place."""
    found: dict[str, str] = {}
    for source in build["data"]["sources"]:
        name = f"{source['table']}: {source['name']}"
        found[name if name not in found else f"{name} ({len(found)})"] = source["sha256"]
    return found


def _flat(settings: dict, before: str = "") -> dict[str, Any]:
    """Nested settings under dotted names."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= _flat(value, f"{before}{name}.") if isinstance(value, dict) else {f"{before}{name}": value}
    return flat
