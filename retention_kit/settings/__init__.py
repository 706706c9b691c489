"""Reads `retention.toml` into frozen settings; an unknown key or invalid value is an error of one sentence."""

from __future__ import annotations

import codecs
import re
import tomllib
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct, field

from retention_kit.errors import Listed, Phrase, SettingsError, check_choice, did_you_mean
from retention_kit.settings.addresses import check_engine
from retention_kit.settings.alerts import Alert, check_alerts
from retention_kit.settings.follow_ups import FollowUp, check_follow_ups
from retention_kit.settings.goals import Goal, check_forms, check_types, goals_by_id
from retention_kit.settings.mail import Mail, Recipients, check_mail

TABLES = ("orders", "subscriptions", "responses")
SIDE_TABLES = ("rates", "known_customers", "tickets", "invitations")  # tables without figures of their own
RESOURCES = ("cache", "memory_limit")  # keys of [data] that no figure hangs on
FORMATS = ("html", "pdf", "brief")  # of a report; the brief is one page, as HTML and PDF

_hints = cache(get_type_hints)

# An option of an address that contains a secret instead of the name of a variable.
_SECRET = (
    r"(?i)[;?&](\w*(?:password|passwd|pwd|token|secret|api_?key|access_?key|credential)\w*)"
    r"=(?!\$\{\w+\}(?:[;&]|$))[^;&]+"
)


class Table(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a table comes from and how its columns are named there: `[data.TABLE]`.

    A path is relative to the `retention.toml`. `columns` maps our names to theirs, or to SQL expressions on them.
    Unknown keys raise SettingsError with the nearest valid one. docs/settings.md has every key with an example.
    """

    path: str  # a file, a glob, or with an engine a table or a query
    rows: Literal["orders", "lines"] = "orders"  # for orders: what one row is; lines are summed by order_id
    where: str | None = None
    leave_out: dict[str, str] = field(
        default_factory=dict
    )  # why = an SQL condition: such rows are counted by that name
    layout: str | None = None  # of the export that `import` recognised; the report names its limitations
    sheet: str | None = None  # of a workbook with several
    encoding: str | None = None  # of a text file that is no UTF-8, such as "cp1252"; else the one that fits is taken
    delimiter: str | None = None  # of a text file, one character; else the one that fits is taken
    header_rows: Annotated[int, Meta(ge=1, le=3)] = 1  # names stand in the first, what is blank there in the next
    timezone: str | None = None  # of naive times; else the report's
    case: Literal["keep", "fold"] = "keep"  # fold: ids that differ only in case are one
    decimal: Literal[".", ","] | None = None  # how amounts are written; else as their digits show
    survey: Literal["nps", "csat", "ces"] | None = None  # for responses: the survey all rows belong to
    scale: str | None = None  # for responses: "0-10", "1-5", "good/bad", …
    columns: dict[str, str] = field(default_factory=dict)  # ours = a column of theirs or an SQL expression
    keep: list[str] | None = None  # the columns that become segments; else a rule chooses (data/segments.py)


class Data(Struct, frozen=True, forbid_unknown_fields=True):
    """The three tables, any of which may be missing or stacked from several sources, and rates between currencies."""

    engine: str | None = (
        # the database that the tables are in, such as "postgresql://${PGUSER}@localhost/shop"; else they are files
        None
    )
    memory_limit: Annotated[str, Meta(pattern=r"^(?=.*[1-9])\d+(\.\d+)? ?[MGT]i?B$")] | None = (
        None  # what the embedded engine holds in memory, such as "6GB"; the rest lies on disk meanwhile
    )
    orders: str | Table | list[Table] | None = None
    subscriptions: str | Table | list[Table] | None = None
    responses: str | Table | list[Table] | None = None
    rates: str | Table | list[Table] | None = None  # date, currency, rate: the report's currency per unit of it
    known_customers: str | Table | list[Table] | None = (
        None  # customer_id, first_at: who was there before the data begin
    )
    tickets: str | Table | list[Table] | None = None  # customer_id, opened_at, closed_at: what follow-ups look at
    invitations: str | Table | list[Table] | None = None  # invited_at, survey: who was asked to answer
    cache: bool = False  # whether cleaned tables and summaries are kept for the next run
    first_known: date | None = None  # who is first seen from then on is new: no customer of before is missing

    def sources(self, table: str) -> list[Table]:
        """The long form of a table's sources."""
        entries = getattr(self, table)
        entries = entries if isinstance(entries, list) else [entries] if entries else []
        return [Table(path=source) if isinstance(source, str) else source for source in entries]


class Report(Struct, frozen=True, forbid_unknown_fields=True):
    """How the report looks and which time and money it speaks of: `[report]`.

    `timezone` is an IANA name, without it UTC; `currency` an ISO 4217 code.
    `as_of` is the first local date that is not known yet, without it the day after the last event.
    """

    company: str = ""
    every: Literal["week", "month", "quarter", "year"] = "month"
    timezone: str | None = None
    currency: str = "XXX"  # ISO 4217 for "no currency": figures print without a symbol
    languages: Annotated[list[str], Meta(min_length=1)] = field(default_factory=lambda: ["en"])
    digits: Literal["latn", "arab"] = "latn"  # arab: ٠١٢, in a language that knows them
    hijri: bool = False  # whether the months of the Umm al-Qura calendar stand beside the period
    time_direction: Literal["ltr", "rtl"] | None = None  # of charts; without it, as each language is read
    formats: Annotated[list[Literal["html", "pdf", "brief"]], Meta(min_length=1)] = field(
        default_factory=lambda: ["html", "pdf"]
    )
    segments: list[str] = field(default_factory=list)
    as_of: date | None = None
    plugins: list[str] = field(
        default_factory=list
    )  # Python files that declare metrics, relative to the retention.toml
    fonts: list[str] = field(default_factory=list)  # font files for what ours lacks, relative to the retention.toml


class Definitions(Struct, frozen=True, forbid_unknown_fields=True):
    """The choices between competing rules: `[definitions]`; each default is the rule of the field.

    They change figures, so every pack's manifest holds them.
    Values of another type or range raise SettingsError.
    """

    basis: Literal["orders", "subscriptions"] | None = None  # subscriptions where that table exists, else orders
    inactivity_days: Annotated[int, Meta(ge=1)] | None = (
        None  # basis orders: how long after a purchase one is a customer
    )
    churn_mode: Literal["endpoint", "event"] = "endpoint"  # who is gone at the period's end, or every departure in it
    count: Literal["orders", "days"] = "orders"  # what a repeat purchase is counted in
    returning: Literal["before", "shopify"] = "before"  # first bought before the period, or has ordered more than once
    zero_orders: Literal["ignore", "purchase"] = "ignore"
    lifespan_years: Annotated[float, Meta(gt=0)] | None = None  # instead of the lifespan that churn implies
    mrr_mode: Literal["snapshot", "event"] = (
        "snapshot"  # MRR at the period's start against its end, or every change in it
    )
    quick_ratio_reactivation: bool = True  # whether MRR won back counts as gained
    answers: Literal["last", "all"] = "last"  # of one customer in a period
    nps_interval: Literal["adjusted", "wald"] = "adjusted"
    csat_top: Annotated[int, Meta(ge=1, le=9)] | None = (
        None  # how many of the best answers are "satisfied"; else 2, of 0-2 one
    )
    ces_top: Annotated[int, Meta(ge=1, le=9)] | Literal["mean"] | None = None  # how many are "easy"; else 3, of 1-5 two
    min_n: Annotated[int, Meta(ge=1)] = 1  # rates and means of fewer are not shown
    comment_min_n: Annotated[int, Meta(ge=1)] = 5  # words and groups of fewer customers are not shown of comments
    discount: Annotated[float, Meta(ge=0, le=1)] = 0.10  # a year, of money that is expected
    horizon_months: Annotated[int, Meta(ge=1, le=60)] = 12  # how far forecasts look


class AtRisk(Struct, frozen=True, forbid_unknown_fields=True):
    """The lists of customers at risk and of second purchases: `[at_risk]`.

    `capacity` is how many customers a list names at most: as many as a team can ask in a period.
    The figure counts all of them; the report says where a list is shorter.
    """

    capacity: Annotated[int, Meta(ge=1)] = 100


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that a `retention.toml` can hold, frozen.

    `read_settings` makes it from a file, `make_settings` from nested plain values, `override` from another one;
    each raises SettingsError, in one sentence, for an unknown key or an impossible value.
    """

    data: Data = field(default_factory=Data)
    report: Report = field(default_factory=Report)
    definitions: Definitions = field(default_factory=Definitions)
    goals: dict[str, Goal] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)
    follow_ups: list[FollowUp] = field(default_factory=list)
    at_risk: AtRisk = field(default_factory=AtRisk)
    mail: Mail = field(default_factory=Mail)


# Encodings of Python's that are of names and of source code, and one that reads nothing.
_NO_TEXT_FILES = {"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape"}


def check_top(name: str, top: int, low: int, high: int) -> None:
    """Raise SettingsError if the `top` boxes are none or all of a scale."""
    if not 1 <= top <= high - low:
        template = "{name} is {top} on a scale of {low}-{high}: choose from 1 to {most}."
        raise SettingsError(template, name=name, top=top, low=low, high=high, most=high - low)


def read_settings(path: Path) -> Settings:
    """The settings of a `retention.toml`; raises SettingsError with the file, the key and the nearest valid one."""
    raw = parse_toml(path.read_bytes(), path.name)
    try:
        return make_settings(raw)
    except SettingsError as error:
        raise SettingsError("{file}: {error}", file=path.name, error=error) from None


def parse_toml(content: bytes, name: str) -> dict[str, Any]:
    """The values of a TOML file, with or without a byte order mark; raises SettingsError if it is invalid."""
    text = ""
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
        return tomllib.loads(text)
    except ValueError as error:  # of the syntax, of the encoding, or a number of thousands of digits
        reason = str(error).partition(";")[0]
        if at := re.search(r"at line (\d+)", reason):
            line = text.split("\n")[int(at[1]) - 1].strip()
            template = "{name} is not valid TOML: {reason}: {line!r}."
            raise SettingsError(template, name=name, reason=reason, line=line) from error
    except RecursionError:
        reason = Phrase("brackets within brackets go too deep")
    raise SettingsError("{name} is not valid TOML: {reason}.", name=name, reason=reason)


def make_settings(raw: dict[str, Any]) -> Settings:
    """Checked settings from nested plain values; raises SettingsError."""
    _refuse_unknown({name: part for name, part in raw.items() if name != "goals"}, Settings, "")
    if "goals" in raw:
        raw = raw | {"goals": goals_by_id(raw["goals"])}
        _refuse_unknown({"goals": raw["goals"]}, Settings, "")
        check_types(raw["goals"], _sentence)
    try:
        settings = msgspec.convert(raw, Settings)
    except msgspec.ValidationError as error:
        raise SettingsError(_sentence(str(error), raw)) from None
    tables = [source for name in (*TABLES, *SIDE_TABLES) for source in settings.data.sources(name)]
    if settings.data.engine is not None:
        if not settings.data.engine.startswith("${"):
            check_engine(settings.data.engine)
        if re.search(r"://[^@]*:(?!\$\{\w+\}@)[^@]+@", settings.data.engine):
            raise SettingsError(
                "data.engine holds a password: write ${PGPASSWORD} for it and set that in the environment."
            )
        if secret := re.search(_SECRET, settings.data.engine):
            template = (
                "data.engine holds a secret, {secret}: write ${{{variable}}} for it and set that in the environment."
            )
            raise SettingsError(template, secret=secret[1], variable=secret[1].upper())
    for name in (*TABLES[1:], *SIDE_TABLES):
        if any(source.rows == "lines" for source in settings.data.sources(name)):
            raise SettingsError('data.{name}.rows: only orders may be given as "lines".', name=name)
    for source in tables:
        _check_text(source)
    for zone in [settings.report.timezone, *(source.timezone for source in tables)]:
        _check_zone(zone)
    check_forms(settings.goals)
    check_alerts(settings.alerts)
    check_follow_ups(settings.follow_ups)
    check_mail(settings.mail)
    return settings


def override(settings: Settings, values: dict[str, Any]) -> Settings:
    """The settings with keys of [report] and [definitions], or `cache` and `first_known` of [data], replaced.

    `values` are flat, by key; raises SettingsError for others.
    """
    raw = msgspec.to_builtins(settings)
    sections = dict.fromkeys(Definitions.__struct_fields__, "definitions") | dict.fromkeys(
        Report.__struct_fields__, "report"
    )
    names = [*sections, "cache", "first_known"]
    for name, value in values.items():
        check_choice(SettingsError, "There is no setting {name!r}: {hint}", names, name=name)
        raw[sections.get(name, "data")][name] = value
    return make_settings(raw)


def _refuse_unknown(raw: Any, kind: type[Struct], where: str) -> None:
    """Raise SettingsError for the first unknown key or choice in nested tables and lists of tables."""
    if not isinstance(raw, dict):
        return
    inner: dict[str, type[Struct]] = {
        "data": Data,
        "report": Report,
        "definitions": Definitions,
        "alerts": Alert,
        "follow_ups": FollowUp,
        "at_risk": AtRisk,
        "mail": Mail,
        "recipients": Recipients,
    }
    inner |= dict.fromkeys((*TABLES, *SIDE_TABLES), Table)
    fields = dict(zip(kind.__struct_encode_fields__, kind.__struct_fields__, strict=True))
    for key, value in raw.items():
        template = "[{where}] has no setting {key!r}: {hint}" if where else "there is no setting {key!r}: {hint}"
        check_choice(SettingsError, template, fields, where=where, key=key)
        path = f"{where}.{key}".lstrip(".")
        for text in value if isinstance(value, list) else [value]:
            choices = _choices(_hints(kind)[fields[key]])
            if choices and isinstance(text, str):
                check_choice(SettingsError, "{path} cannot be {text!r}: {hint}", choices, path=path, text=text)
        if key == "goals" and isinstance(value, dict):
            for name, goal in value.items():
                _refuse_unknown(goal, Goal, f"{path}.{name}")
        elif key in inner:
            for part in value if isinstance(value, list) else [value]:
                _refuse_unknown(part, inner[key], path)


def _choices(hint: Any) -> list[str]:
    """The strings that a `Literal` nested in a type allows."""
    return [choice for part in get_args(hint) for choice in ([part] if isinstance(part, str) else _choices(part))]


# The types of TOML values: msgspec's name and a description.
_WORDS = {
    "str": "text in quotation marks",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "date": "a date",
    "array": "a list in brackets",
    "object": "a table",
}
_BOUNDS = {">=": "of at least", ">": "above", "<=": "of at most", "<": "below"}


def _sentence(message: str, raw: dict[str, Any] | None = None) -> Phrase:
    """msgspec's message as a sentence that begins with the key; list entries are given by their `name`."""
    text, _, path = message.partition(" - at `$.")
    path = path.rstrip("`")
    problem = Phrase(f"{text[0].lower()}{text[1:]}" if path else text)
    if named := re.match(r"(\w+)\[(\d+)\]", path):
        name = (raw or {}).get(named[1], {})[int(named[2])].get("name") if raw else None
        path = path.replace(named[0], f"{named[1]}.{name}", 1) if isinstance(name, str) else path
    if "matching regex" in text and path == "mail.keep_outbox":
        problem = Phrase("not a span of time, write it like 1 year")
    elif "matching regex" in text:
        problem = Phrase("not a size, write it like {example}", example="5MB" if path.startswith("mail") else "6GB")
    elif "RFC3339" in text:
        problem = Phrase("not a date, write it like 2011-12-10")
    elif text == "Expected `array`, got `object`" and "." not in path:
        problem = Phrase("write it in double brackets, [[{path}]]", path=path)
    elif of_type := re.fullmatch(r"Expected `(.+)`, got `(.+)`", text):
        expected = Listed((_word(kind) for kind in of_type[1].split(" | ") if kind != "null"), " or ")
        is_date = "date" in of_type[1]
        template = "write {wanted} such as 2011-12-10, not {given}" if is_date else "write {wanted}, not {given}"
        problem = Phrase(template, wanted=expected, given=_word(of_type[2]))
    elif of_size := re.fullmatch(r"Expected `(\w+)` ([<>]=?) (\S+)", text):
        template = f"write {{kind}} {_BOUNDS[of_size[2]]} {{bound}}"
        problem = Phrase(template, kind=_word(of_size[1]), bound=of_size[3].removesuffix(".0"))
    elif text == "Expected `array` of length >= 1":
        problem = Phrase("name one at least")
    elif missing := re.fullmatch(r"Object missing required field `(\w+)`", text):
        problem = Phrase("the key {key!r} is missing", key=missing[1])
    return Phrase("{path}: {problem}.", path=path, problem=problem) if path else Phrase("{problem}.", problem=problem)


def _word(kind: str) -> Phrase:
    return Phrase(_WORDS.get(kind, kind))


def _check_text(source: Table) -> None:
    """Raise SettingsError for an invalid encoding or delimiter."""
    if source.encoding is not None:
        try:
            codec = codecs.lookup(source.encoding)
            is_text = codec._is_text_encoding and codec.name not in _NO_TEXT_FILES
        except LookupError:
            is_text = False
        if not is_text:
            similar = ("utf-8", "utf-16", "cp1252", "cp1256", "cp1251", "shift_jis", "iso-8859-1")
            template = "There is no encoding {encoding!r}: {hint}"
            raise SettingsError(template, encoding=source.encoding, hint=did_you_mean(source.encoding, similar))
    if source.delimiter is not None and (len(source.delimiter) != 1 or source.delimiter in '"\r\n\0'):
        template = 'delimiter cannot be {delimiter!r}: write one character, such as ";" or "\\t".'
        raise SettingsError(template, delimiter=source.delimiter)


def _check_zone(zone: str | None) -> None:
    try:
        zone is None or ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        template = "There is no time zone {zone!r}: use an IANA name such as Europe/London."
        raise SettingsError(template, zone=zone) from None
