"""Names of zones and cities as programs write them behind an offset: `GMT+0300 (Arabian Standard Time)`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

_LANGUAGES = ("en", "ar")
_YEARS = range(1970, 2038)
MARKS = "\u0640\u064b\u064c\u064d\u064e\u064f\u0650\u0651\u0652"  # of Arabic, that a name is written with or without


@cache
def offsets_of(text: str) -> frozenset[str]:
    """The offsets, such as +03:00, that all the places of a text have or had since 1970; none if one is unknown."""
    offsets = [
        frozenset[str]().union(*(_offsets_of_zone(*zone) for zone in _zones_by_name().get(name.strip(), ())))
        for name in text.casefold().split(",")
    ]
    return frozenset.intersection(*offsets)


@cache
def _zones_by_name() -> dict[str, set[tuple[str, str]]]:
    zones: dict[str, set[tuple[str, str]]] = {}
    for name, zone, kind in _names():
        zones.setdefault(name.translate(dict.fromkeys(map(ord, MARKS))).casefold(), set()).add((zone, kind))
    return zones


def _names() -> Iterator[tuple[str, str, str]]:
    """Each name with a zone, and whether it is that of its standard time, of its daylight time, or of both."""
    from babel import Locale
    from babel.core import get_global

    available, zones = available_timezones(), dict[str, list[str]]()
    for zone, group in get_global("meta_zones").items():
        if zone in available:
            zones.setdefault(group, []).append(zone)
    for zone in available:
        if "/" in zone:
            yield zone, zone, "generic"
            yield zone.rpartition("/")[2].replace("_", " "), zone, "generic"
    for locale in map(Locale.parse, _LANGUAGES):
        for group, names in locale.meta_zones.items():
            for kind, name in names.get("long", {}).items():
                yield from ((name, zone, kind) for zone in zones.get(group, ()))
        for zone in available.intersection(locale.time_zones):
            names = locale.time_zones[zone]
            yield from ((name, zone, kind) for kind, name in names.get("long", {}).items())
            if "city" in names:
                yield names["city"], zone, "generic"


@cache
def _offsets_of_zone(zone: str, kind: str) -> frozenset[str]:
    moments = [datetime(year, month, 1, tzinfo=ZoneInfo(zone)) for year in _YEARS for month in (1, 7)]
    wanted = {"standard": (False,), "daylight": (True,)}.get(kind, (False, True))
    return frozenset(_written(moment) for moment in moments if bool(moment.dst()) in wanted)


def _written(moment: datetime) -> str:
    ahead = moment.utcoffset() or timedelta()
    hours, minutes = divmod(abs(ahead) // timedelta(minutes=1), 60)
    return f"{'-' if ahead < timedelta() else '+'}{hours:02}:{minutes:02}"
