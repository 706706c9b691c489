"""What two builds were made from, compared, and which of the differences may explain a changed figure."""

from __future__ import annotations

from typing import Any, NamedTuple

KINDS = ("data", "definition", "code")  # restated data, another definition or setting, other code or environment
# How a report is made, not what its figures are; and what is compared by itself.
_IGNORED = ("report.as_of", "report.languages", "report.formats", "report.fonts")


class Change(NamedTuple):
    """One difference between what two builds were made from; `metric` where it concerns that one alone."""

    kind: str
    name: str
    before: str
    now: str
    metric: str = ""
    is_look: bool = False  # no figure can depend on it


class Restated(NamedTuple):
    """A figure of an earlier period that an earlier report gave otherwise."""

    period: str
    metric: str
    sent: float | None
    now: float | None
    causes: tuple[str, ...]  # of KINDS: what may explain it


class Restatements(NamedTuple):
    """What a build found in the packs that were sent before."""

    sent: str  # a digest of those packs
    restated: list[Restated]  # the figures that they gave otherwise, the latest period first


def changes(before: dict, now: dict) -> list[Change]:
    """All that differs between what two builds were made from, both as `provenance.describe` gives it."""
    differences = [
        *_changed("data", _sources(before), _sources(now)),
        *_changed("data", {"known up to": before["as_of"]}, {"known up to": now["as_of"]}),
        *_changed("definition", {"basis": before["data"]["basis"]}, {"basis": now["data"]["basis"]}),
        *_changed("definition", _flat(before["settings"]), _flat(now["settings"])),
    ]
    for metric in sorted({*before["metrics"], *now["metrics"]}):
        parts = _changed("definition", before["metrics"].get(metric, {}), now["metrics"].get(metric, {}))
        differences += [part._replace(name=f"{metric}: {part.name}", metric=metric) for part in parts]
    for part in ("versions", "code", "templates"):
        differences += _changed("code", before[part], now[part])
    fonts = {name for build in (before, now) for name in build["settings"]["report"].get("fonts", ())}
    return [
        difference._replace(is_look=difference.name in fonts)
        for difference in differences
        if difference.name not in _IGNORED
    ]


def causes_of(metric: str, differences: list[Change]) -> tuple[str, ...]:
    """The kinds of change that may explain a figure of one metric; none where nothing does.

    Where the metric itself has changed, so has its code, which is no second cause.
    """
    kinds = {
        difference.kind for difference in differences if difference.metric in ("", metric) and not difference.is_look
    }
    if any(difference.metric == metric for difference in differences):
        kinds.discard("code")
    return tuple(kind for kind in KINDS if kind in kinds)


def _changed(kind: str, before: dict[str, Any], now: dict[str, Any]) -> list[Change]:
    pairs = {name: (_short(before.get(name)), _short(now.get(name))) for name in sorted({*before, *now})}
    return [Change(kind, name, then, today) for name, (then, today) in pairs.items() if then != today]


def _short(value: Any) -> str:
    """A value as text; of a digest, its beginning."""
    text = "" if value is None else str(value)
    return text[:12] if len(text) == 64 and set(text) <= set("0123456789abcdef") else text


def _sources(build: dict) -> dict[str, str]:
    """The fingerprint of every source by its name; of two of one name, the second gets a number."""
    digests: dict[str, str] = {}
    for source in build["data"]["sources"]:
        name = f"{source['table']}: {source['name']}"
        digests[name if name not in digests else f"{name} ({len(digests)})"] = source["sha256"]
    return digests


def _flat(settings: dict, before: str = "") -> dict[str, Any]:
    """Nested settings under dotted names."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= _flat(value, f"{before}{name}.") if isinstance(value, dict) else {f"{before}{name}": value}
    return flat
