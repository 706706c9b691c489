"""Translates words of interval, status, scale and score columns into ours, the same for all engines.

Only words with the same meaning everywhere are known here: vendor-specific ones, such as Recurly's `canceled`, belong
in the vendor's mapping.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from retention_kit.data.engines.protocol import Engine
from retention_kit.data.engines.sql_text import NO_TEXT, literal
from retention_kit.data.values.amounts import DIGITS, OUR_DIGITS

INTERVALS = ("day", "week", "month", "quarter", "year")
SCALES = ("0-10", "1-5", "1-7", "1-10", "0-2", "good/bad")
_PER_YEAR = {"day": 365, "week": 52, "month": 12, "quarter": 4, "year": 1}  # intervals in a year
# Intervals are counted in days, weeks or months: each unit as a number of these.
_STEPS = {"day": (1, "day"), "week": (1, "week"), "month": (1, "month"), "quarter": (3, "month"), "year": (12, "month")}
_UNITS = {
    "day": "day", "days": "day", "daily": "day", "d": "day", "dy": "day",
    "week": "week", "weeks": "week", "weekly": "week", "w": "week", "wk": "week", "wks": "week",
    "month": "month", "months": "month", "monthly": "month", "m": "month", "mo": "month", "mon": "month",
    "mos": "month",
    "mth": "month", "mths": "month", "mnth": "month",
    "quarter": "quarter", "quarters": "quarter", "quarterly": "quarter", "q": "quarter", "qtr": "quarter",
    "year": "year", "years": "year", "yearly": "year", "y": "year", "yr": "year", "yrs": "year", "annual": "year",
    "annually": "year", "annum": "year",
}  # fmt: skip  # words by the line
# Ambiguous words, which may mean half a unit or two units, with clear ones.
_AMBIGUOUS = {
    "biweekly": "2 weeks", "bimonthly": "2 months", "bimensual": "2 months", "biyearly": "6 months or 2 years",
    "biannual": "6 months or 2 years", "biannually": "6 months or 2 years", "bianually": "6 months or 2 years",
}  # fmt: skip  # words by the line
_MULTIPLES = {
    "semiannual": (6, "month"), "semiannually": (6, "month"),
    "halfyear": (6, "month"), "halfyearly": (6, "month"), "biennial": (2, "year"), "biennially": (2, "year"),
    "fortnight": (2, "week"), "fortnightly": (2, "week"), "twiceayear": (6, "month"), "twiceyearly": (6, "month"),
    "triennial": (3, "year"), "triennially": (3, "year"), "monthtomonth": (1, "month"), "p.a": (1, "year"),
    "täglich": (1, "day"), "wöchentlich": (1, "week"), "monatlich": (1, "month"), "vierteljährlich": (1, "quarter"),
    "quartalsweise": (1, "quarter"), "halbjährlich": (6, "month"), "jährlich": (1, "year"),
    "hebdomadaire": (1, "week"), "mensuel": (1, "month"), "mensuelle": (1, "month"), "trimestriel": (1, "quarter"),
    "trimestrielle": (1, "quarter"), "semestriel": (6, "month"), "semestrielle": (6, "month"), "annuel": (1, "year"),
    "annuelle": (1, "year"), "semanal": (1, "week"), "mensual": (1, "month"), "mensal": (1, "month"), "trimestral": (1,
    "quarter"),
    "semestral": (6, "month"), "anual": (1, "year"), "أسبوعي": (1, "week"), "أسبوعيا": (1, "week"), "شهري": (1,
    "month"),
    "شهريا": (1, "month"), "ربعسنوي": (1, "quarter"), "سنوي": (1, "year"), "سنويا": (1, "year"),
}  # fmt: skip  # words by the line
_COUNTS = {"one": 1, "two": 2, "three": 3, "four": 4, "six": 6, "twelve": 12, "other": 2}
_STATUSES = {
    "active": "active", "live": "active", "subscribed": "active", "running": "active", "enabled": "active",
    # what ends with its paid period still pays
    "nonrenewing": "active", "notrenewing": "active", "willnotrenew": "active", "autorenewoff": "active",
    "pendingcancel": "active", "pendingcancellation": "active", "pendingcancelation": "active", "willcancel": "active",
    "cancelscheduled": "active", "scheduledforcancellation": "active", "cancelatperiodend": "active",
    "cancelsatperiodend": "active", "canceledatperiodend": "active", "cancelledatperiodend": "active",
    "pastdue": "past_due", "overdue": "past_due", "delinquent": "past_due", "billingretry": "past_due",
    "indunning": "past_due", "dunning": "past_due", "ingraceperiod": "past_due",
    "trialing": "trialing", "trialling": "trialing", "trial": "trialing", "intrial": "trialing", "ontrial": "trialing",
    "freetrial": "trialing", "paused": "paused", "onpause": "paused", "unpaid": "unpaid", "incomplete": "unpaid",
    "incompleteexpired": "unpaid", "free": "free",
    "freeplan": "free", "freemium": "free", "comped": "free",
    "future": "future", "notstarted": "future", "cancelled": "cancelled", "canceled": "cancelled",
    "expired": "cancelled",
    "ended": "cancelled", "churned": "cancelled", "terminated": "cancelled", "lapsed": "cancelled",
    "deleted": "cancelled",
    "closed": "cancelled",
}  # fmt: skip  # words by the line
_DIGITS = str.maketrans(f"{DIGITS}٫", f"{OUR_DIGITS}.")
_GOOD_OR_BAD = {"good", "bad"}
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_SPREADSHEET_DATE = re.compile(rf"\d{{1,2}}[- ]{_MONTH}(?:[- ]\d+)?|{_MONTH}[- ]\d{{1,4}}", re.IGNORECASE)
_MOST_DIGITS = 9  # of a score, so that 1e999999 is not written out


def parse_interval(text: str) -> str | None:
    """`month` for `Monthly`, `quarter` for `3 months`, `2 week` for `every 2 weeks` or `P2W`; None if it is unknown."""
    text_key = re.sub(r"[\s_-]+", " ", text.translate(_DIGITS).strip().lower()).strip(" .")
    if match := re.fullmatch(r"p(\d{1,6})([dwmy])", text_key):
        return _interval(int(match[1]), _UNITS[match[2]])
    text_key = re.sub(r"^(billed |every |each |per |once a |once per |a |an |/ ?)+", "", text_key)
    text_key = re.sub(
        r"( (plan|subscription|billing|billed|payments?|recurring|prepaid|prepayment|contract))+$", "", text_key
    )
    if several := _MULTIPLES.get(text_key.replace(" ", "")):
        return _interval(*several)
    count, unit = 1, text_key
    if match := re.fullmatch(r"(\d{1,3}|[a-z]+)(?: ?x)? ?([a-z]+?)(?:\(s\))?", text_key):
        if match[1].isdigit():
            count, unit = int(match[1]), match[2]
        elif text_key not in _UNITS and match[1] in _COUNTS:
            count, unit = _COUNTS[match[1]], match[2]
    if match := re.fullmatch(r"([a-z]+) (\d{1,3})", text_key):
        count, unit = int(match[2]), match[1]
    unit = unit.removesuffix("(s)")
    return _interval(count, _UNITS[unit]) if unit in _UNITS and count else None


def _interval(count: int, unit: str) -> str | None:
    """The interval in the largest possible unit: 12 months are a year. None for 0 and for a thousand years."""
    if not 0 < count < 1000 * _PER_YEAR[unit]:
        return None
    if unit == "day" and count == 365:
        return "year"
    if unit == "quarter":
        count, unit = count * 3, "month"
    if unit == "month" and count % 12 == 0:
        count, unit = count // 12, "year"
    elif (count, unit) == (3, "month"):
        count, unit = 1, "quarter"
    elif unit == "day" and count % 7 == 0:
        count, unit = count // 7, "week"
    return unit if count == 1 else f"{count} {unit}"


def clearer_interval(text: str) -> str:
    """What to write for an ambiguous interval; empty for others."""
    return _AMBIGUOUS.get(re.sub(r"[^a-z]", "", text.lower()), "")


def split_interval(interval: str) -> tuple[int, str]:
    """Count and unit of an interval as `parse_interval` writes it: (2, "week"), (1, "quarter")."""
    count, _, unit = interval.rpartition(" ")
    return int(count or 1), unit


def interval_step(interval: str) -> tuple[int, str]:
    """An interval in days, weeks or months, whichever fits: (2, "week") for two weeks, (3, "month") for a quarter."""
    count, unit = split_interval(interval)
    step, counted_in = _STEPS[unit]
    return count * step, counted_in


def per_year(interval: str) -> Fraction:
    """How often an interval, as `parse_interval` writes it, comes in a year: 4 for a quarter, 26 for two weeks."""
    count, unit = split_interval(interval)
    return Fraction(_PER_YEAR[unit], count)


def parse_status(text: str) -> str | None:
    """Our status for a word in any case and with any separators: `past_due` for `Past Due`; None if it is unknown."""
    return _STATUSES.get(
        re.sub(r"[\s_.-]+", "", text.strip().lower().removeprefix("wc-"))
    )  # WordPress writes wc-active


def parse_scale(text: str) -> str | None:
    """`1-5` for `1 – 5` or `1 to 5`; None for an unknown scale."""
    scale = re.sub(r"\s*(?:[-–—]|to|bis|\.\.)\s*", "-", text.translate(_DIGITS).strip().lower())
    scale = {"0-1": "good/bad", "bad/good": "good/bad"}.get(scale.replace(" ", ""), scale)
    return scale if scale in SCALES else None


def is_good_or_bad(text: str) -> bool:
    """Whether an answer is `good` or `bad`, as in `Good, thanks`, and no number."""
    return re.split(r"[\s,(]", text.strip().lower(), maxsplit=1)[0] in _GOOD_OR_BAD and not re.search(r"\d", text)


def parse_score(text: object) -> Decimal | None:
    """The number at either end of an answer: 10 for `10 - Extremely likely`, 5 for `Very satisfied (5)`, 4 for `4/5`;
    good is 1 and bad 0. None without a number, with two different ones, or for a date.
    """
    answer = str(text).translate(_DIGITS).strip()
    plain = answer.replace(",", ".") if re.fullmatch(r"-?\d+,\d{1,2}", answer) else answer
    try:
        number = Decimal(plain)
        return number if number.is_finite() and abs(number.adjusted()) <= _MOST_DIGITS else None
    except InvalidOperation:
        pass
    if re.fullmatch(r"[★⭐]{1,10}[☆]*", stars := re.sub(r"[\s\ufe0f]", "", answer)):
        return Decimal(sum(stars.count(star) for star in "★⭐"))
    if is_good_or_bad(answer):
        return Decimal(answer.lower().startswith("good"))
    if match := re.fullmatch(r"(\d{1,2})\s*(?:/|of|out of)\s*(\d{1,2})", answer, re.IGNORECASE):
        return Decimal(match[1]) if int(match[1]) <= int(match[2]) else None
    first = re.match(r"[(\[]?(\d{1,3})(?=$|[\s:=.)\]|_–—-]|,\s)(?![.]\d)", answer)
    last = re.search(r"(?:^|[\s:=(\[–—-])(\d{1,3})[)\].]?$", answer)
    if (
        _SPREADSHEET_DATE.fullmatch(answer)
        or (answer[:1].isdigit() and not first)
        or (answer[-1:].isdigit() and not last)
    ):
        return None
    numbers = {int(match[1]) for match in (first, last) if match}
    return Decimal(numbers.pop()) if len(numbers) == 1 else None


def subscription_words(engine: Engine, texts: dict[str, str]) -> dict[str, str]:
    """SQL parts of the subscriptions' interval and status, given as trimmed text of their raw view.

    `interval` and `status` in our words, `intervals` (a list of those known) and `yearly` (what `amount` comes to in a
    year: whole for every interval of ours, else rounded to a twelfth of a minor unit a month).
    """
    billed, statuses = (
        _meanings(engine, texts[name], read) for name, read in (("interval", parse_interval), ("status", parse_status))
    )
    intervals = sorted({*INTERVALS, *billed.values()})
    cases = " ".join(f"WHEN {literal(name)} THEN {_amount_per_year(per_year(name))}" for name in intervals)
    return {
        "interval": _replace_words(texts["interval"], billed),
        "status": _replace_words(texts["status"], statuses),
        "intervals": ", ".join(map(literal, intervals)),
        "yearly": f"CASE billed {cases} END",
    }


def score_words(engine: Engine, text: str) -> str:
    """SQL: a column of answers, given as trimmed text of its raw view, with labelled ones as their number."""
    known = _meanings(
        engine, text, lambda answer: None if (number := parse_score(answer)) is None else f"{number:f}", "responses"
    )
    return _replace_words(text, known)


def scale_words(engine: Engine, text: str) -> str:
    """SQL: a column of scales, given as trimmed text of its raw view, in our words."""
    return _replace_words(text, _meanings(engine, text, parse_scale, "responses"))


def _meanings(
    engine: Engine, text: str, read: Callable[[str], str | None], table: str = "subscriptions"
) -> dict[str, str]:
    """The known texts of a column with their meanings."""
    if text == NO_TEXT:
        return {}
    query = (
        f"SELECT word FROM (SELECT lower({text}) AS word FROM {table}_raw) AS source_rows WHERE word IS NOT NULL "
        "GROUP BY word ORDER BY count(*) DESC, word LIMIT 500"
    )
    return {word: meaning for (word,) in engine.rows(query) if (meaning := read(word))}


def _replace_words(text: str, meanings: dict[str, str]) -> str:
    """SQL: the texts of a column in our words; others as they are."""
    cases = " ".join(f"WHEN {literal(word)} THEN {literal(meant)}" for word, meant in meanings.items() if word != meant)
    return f"CASE lower({text}) {cases} ELSE lower({text}) END" if cases else f"lower({text})"


def _amount_per_year(often: Fraction) -> str:
    if often.denominator == 1:
        return f"amount * {often.numerator}"
    return f"CAST(round(CAST(amount AS DOUBLE) * {often.numerator} / {often.denominator}) AS BIGINT)"
