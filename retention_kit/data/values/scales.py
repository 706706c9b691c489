"""Scales of surveys: their bounds, their best answers, and recognising a scale by its answers."""

from __future__ import annotations

import re
from collections import defaultdict
from decimal import Decimal

from retention_kit.data.checks import Finding
from retention_kit.data.engines.protocol import Engine
from retention_kit.data.engines.sql_text import literal
from retention_kit.data.values.vocabulary import SCALES, is_good_or_bad, parse_score
from retention_kit.errors import DataError, Listed, Phrase
from retention_kit.wording import Verbatim, sentence

DEFAULT = {"nps": "0-10", "csat": "1-5", "ces": "1-7"}
BOUNDS = {scale: (0, 1) if scale == "good/bad" else tuple(map(int, scale.split("-"))) for scale in SCALES}
_MOST_ANSWERS = 2_000  # distinct answers, the most frequent first
_FEW_SHARE = 0.1  # a smaller share of answers above a scale are single codes, such as for "don't know"
# By survey: highest answers with which its default scale is in doubt, and the number of answers needed for that.
_AMBIGUOUS_MAXIMA = {"nps": {5: 10, 7: 20}, "csat": {3: 20}, "ces": {5: 1}}
RECOGNISED = "scale by its answers"
# Patterns of the labels of bad and good answers; a bad one may contain the word of a good one.
_BAD = (
    r"\bnot (at all )?(likely|satisfied|easy|good|agree)|\bun(likely|satisf|happy)|dis(satisf|agree)|difficult|\bhard\b"
    r"|high effort|poor|terrible|awful|\bbad\b|worst|غير|صعب|سيئ|سيء|ضعيف|لا أوافق"
)
_GOOD = (
    r"likely|satisfied|\beas(y|ily)|low effort"
    r"|excellent|\bgreat\b|\bgood\b|\bbest\b|\bhappy|agree|راض|محتمل|سهل|ممتاز|جيد|أوافق"
)


def top_boxes(survey: str, high: int) -> int:
    """The default number of answers at the top of a scale that count as good; `high` is the scale's maximum."""
    if high <= 2:
        return 1
    return 3 if survey == "ces" and high != 5 else 2


def top_sql(survey: str, chosen: int | None) -> str:
    """SQL: the number of top answers by the column `high`, or as an option says."""
    if chosen is not None:
        return str(chosen)
    cases = " ".join(f"WHEN {high} THEN {top_boxes(survey, high)}" for high in sorted({b for _, b in BOUNDS.values()}))
    return f"CASE high {cases} END"


def bounds_sql() -> dict[str, str]:
    """SQL parts: the lowest and highest answer of the column `scale`, and the list of scales."""
    low, high = (
        f"CASE scale {' '.join(f'WHEN {literal(scale)} THEN {ends[at]}' for scale, ends in BOUNDS.items())} END"
        for at in (0, 1)
    )
    return {"low": low, "high": high, "scales": ", ".join(map(literal, BOUNDS))}


def read_scales(engine: Engine, survey: str, score: str, scale: str) -> tuple[str, list[Finding]]:
    """SQL of the scale of answers without one, and findings on recognised scales.

    `survey`, `score` and `scale` are SQL of trimmed text of the raw view of responses. Each source is judged by itself,
    as their scales may differ. Raises DataError if the answers of a source fit several scales.
    """
    counted = engine.rows(
        f"SELECT said, source, answer, times FROM (SELECT lower({survey}) AS said, _source AS source, {score} AS "
        "answer, "
        f"count(*) AS times, row_number() OVER (PARTITION BY lower({survey}), _source ORDER BY count(*) DESC, "
        f"{score}) AS place "
        f"FROM responses_raw WHERE {scale} IS NULL AND {score} IS NOT NULL AND lower({survey}) IN ('nps', 'csat', "
        "'ces') "
        f"GROUP BY lower({survey}), _source, {score}) AS counted WHERE place <= {_MOST_ANSWERS} ORDER BY said, source, "
        "place"
    )
    counts: dict[tuple[str, int], dict[str, int]] = defaultdict(dict)
    for name, source, answer, times in counted:
        counts[name, source][answer] = times
    cases, findings = "", []
    for (name, source), answers in counts.items():
        _refuse_ambiguous(
            name, _scores({answer: times for answer, times in answers.items() if not is_good_or_bad(answer)})
        )
        scale_taken, reason, rows = recognise(name, answers)
        if scale_taken != DEFAULT[name]:
            cases += f" WHEN lower({survey}) = {literal(name)} AND _source = {source} THEN {literal(scale_taken)}"
            detail = sentence("quality.details.scale", survey=name, scale=Verbatim(scale_taken), why=reason)
            findings.append(Finding(RECOGNISED, rows, detail))
    default = " ".join(f"WHEN {literal(name)} THEN {literal(scale_taken)}" for name, scale_taken in DEFAULT.items())
    return (
        f"CASE{cases} ELSE CASE lower({survey}) {default} END END" if cases else f"CASE lower({survey}) {default} END",
        findings,
    )


def refuse_reversed(engine: Engine, survey: str, score: str) -> None:
    """Raise DataError if the labels of answers say that the lowest number is the best; both are SQL of the raw view."""
    asked = engine.rows(
        f"SELECT lower({survey}) AS said, _source, {score} AS answer FROM responses_raw "
        f"WHERE lower({survey}) IN ('nps', 'csat', 'ces') AND regexp_matches({score}, '[0-9٠-٩]') "
        f"GROUP BY lower({survey}), _source, {score} ORDER BY said, _source, answer LIMIT {_MOST_ANSWERS}"
    )
    surveys: dict[tuple[str, int], list[tuple[Decimal, str]]] = defaultdict(list)
    for name, source, answer in asked:
        if (number := parse_score(answer)) is not None:
            surveys[name, source].append((number, answer))
    for (name, _), answers in surveys.items():
        bad = [answer for answer in answers if re.search(_BAD, answer[1].lower())]
        good = [answer for answer in answers if answer not in bad and re.search(_GOOD, answer[1].lower())]
        low, high = min(answers), max(answers)
        if low[0] == high[0] or not (good or bad):
            continue
        alone = (not bad and low[0] <= 1 and low in good) or (not good and high[0] >= 5 and high in bad)
        if alone or (good and bad and max(good)[0] < min(bad)[0]):
            ends = dict.fromkeys(repr(answer[1]) for answer in (min(good or [low]), max(bad or [high])))
            turned = f"{low[0] + high[0]:f} - CAST(regexp_extract(score, '[0-9]+') AS INTEGER)"
            template = (
                "The {name} answers run the other way, from the best to the worst: {ends}. Turn them round, such "
                'as score = "{turned}" where the scale ends at {low:f} and {high:f}.'
            )
            raise DataError(template, name=name, ends=Listed(ends, " and "), turned=turned, low=low[0], high=high[0])


def _scores(answers: dict[str, int]) -> dict[Decimal, int]:
    """The whole numbers among the answers, with their counts."""
    scores: dict[Decimal, int] = defaultdict(int)
    for answer, times in answers.items():
        number = parse_score(answer)
        if number is not None and number == int(number):
            scores[number] += times
    return scores


def _refuse_ambiguous(survey: str, scores: dict[Decimal, int]) -> None:
    """Raise DataError if the answers cover so little of their survey's scale that a shorter one is as likely."""
    widest = 7 if survey == "ces" else 10
    known = {score: times for score, times in scores.items() if 0 <= score <= widest}
    low, high, size = min(known, default=0), max(known, default=0), sum(known.values())
    if any(low >= 1 and high <= shorter and size >= least for shorter, least in _AMBIGUOUS_MAXIMA[survey].items()):
        scales = ("1-5", "1-7") if survey == "ces" else (DEFAULT[survey],)
        stated = Listed((f'scale = "{scale}"' for scale in scales), " or ")
        lie = Phrase("lie from {low} to {high}" if low < high else "are all {low}", low=low, high=high)
        raise DataError(
            "The {survey} answers {lie}, and what scale they were asked on cannot be told: write {stated} into "
            "their source{more}.",
            survey=survey,
            lie=lie,
            stated=stated,
            more=Phrase(", or give a column scale" if survey != "nps" else " if it was that, since nps has no other"),
        )


def recognise(survey: str, answers: dict[str, int]) -> tuple[str, str, int]:
    """The scale of a survey by its answers with their counts, the reason (or ""), and the number of answers on it.

    Single values beyond a scale, such as codes for "don't know", do not count for a larger one.
    """
    scores = _scores(answers)
    words = sum(times for answer, times in answers.items() if is_good_or_bad(answer))

    def between(low: int, high: int) -> int:
        return sum(times for score, times in scores.items() if low <= score <= high)

    size = sum(scores.values())
    if survey != "csat":
        return DEFAULT[survey], "", size
    if 2 * words > size:
        return "good/bad", sentence("quality.details.scale_words"), size
    if scores.get(Decimal(0)) and between(0, 2) == size:
        scale = "0-2" if scores.get(Decimal(2)) else "good/bad"
        return scale, sentence("quality.details.scale_from_zero", high=2 if scale == "0-2" else 1), size
    above = [score for score in scores if 6 <= score <= 10]
    is_spread = len(above) > 1 or above == [10] or 2 * between(6, 10) > size
    if is_spread and between(6, 10) >= _FEW_SHARE * size and 2 * between(1, 10) > size:
        scale = "1-7" if max(above) <= 7 else "1-10"
        figures = {"some": float(between(6, 10)), "all": float(size)}
        ends = {"low": Verbatim(min(above)), "high": Verbatim(max(above))}
        return scale, sentence("quality.details.scale_between", **figures, **ends), size
    return DEFAULT[survey], "", size
