"""The scales of surveys: which there are, which of their answers are the best, and which one a survey's answers tell of."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from retention_kit.data.engine import Engine, literal
from retention_kit.data.sources import Found
from retention_kit.data.words import SCALES, is_good_or_bad, score_of

DEFAULT = {"nps": "0-10", "csat": "1-5", "ces": "1-7"}
BOUNDS = {scale: (0, 1) if scale == "good/bad" else tuple(map(int, scale.split("-"))) for scale in SCALES}
_LOOKED_AT = 2_000  # different answers, the commonest first
_FEW = 0.1  # a smaller share of answers above a scale are single codes, such as for "don't know"
RECOGNISED = "scale by its answers"


def top_boxes(survey: str, high: int) -> int:
    """How many of the best answers of a scale that ends at `high` are good ones, where no option says so."""
    if high <= 2:
        return 1
    return 3 if survey == "ces" and high != 5 else 2


def top_sql(survey: str, chosen: int | None) -> str:
    """SQL: the same of the column `high`, or what an option says."""
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


def read_scales(engine: Engine, survey: str, score: str, scale: str) -> tuple[str, list[Found]]:
    """SQL: the scale of answers that name none, and what is to be told of it.

    `survey`, `score` and `scale` are SQL of trimmed text of the raw view of responses. Each source is judged by itself, so
    that two whose answers lie on different scales are not taken for one.
    """
    counted = engine.rows(
        f"SELECT said, source, answer, times FROM (SELECT lower({survey}) AS said, _source AS source, {score} AS answer, "
        f"count(*) AS times, row_number() OVER (PARTITION BY lower({survey}), _source ORDER BY count(*) DESC, {score}) AS place "
        f"FROM responses_raw WHERE {scale} IS NULL AND {score} IS NOT NULL AND lower({survey}) IN ('csat', 'ces') "
        f"GROUP BY lower({survey}), _source, {score}) AS counted WHERE place <= {_LOOKED_AT} ORDER BY said, source, place"
    )
    asked: dict[tuple[str, int], dict[str, int]] = defaultdict(dict)
    for said, source, answer, times in counted:
        asked[said, source][answer] = times
    cases, found = "", []
    for (said, source), answers in asked.items():
        taken, why, rows = recognise(said, answers)
        if taken != DEFAULT[said]:
            cases += f" WHEN lower({survey}) = {literal(said)} AND _source = {source} THEN {literal(taken)}"
            told = f"{said} on {taken}, {why}"
            found.append(Found(RECOGNISED, rows, told))
    default = " ".join(f"WHEN {literal(name)} THEN {literal(taken)}" for name, taken in DEFAULT.items())
    return (
        f"CASE{cases} ELSE CASE lower({survey}) {default} END END" if cases else f"CASE lower({survey}) {default} END",
        found,
    )


def recognise(survey: str, answers: dict[str, int]) -> tuple[str, str, int]:
    """The scale that the answers of a csat or ces survey, with their number, tell of, why, and how many are on it.

    Single codes, of one value or few answers, tell of no larger scale.
    """
    scores: dict[Decimal, int] = defaultdict(int)
    words = 0
    for answer, times in answers.items():
        number = score_of(answer)
        if number is not None and number == int(number):
            scores[number] += times
        words += times if is_good_or_bad(answer) else 0

    def between(low: int, high: int) -> int:
        return sum(times for score, times in scores.items() if low <= score <= high)

    size = sum(scores.values())
    if survey == "ces":
        if scores.get(Decimal(5)) and not between(6, 7) and 2 * between(1, 5) > size:
            return "1-5", "since some are 5 and none is 6 or 7", between(1, 5)
        return DEFAULT[survey], "", size
    if 2 * words > size:
        return "good/bad", "since they say good or bad", size
    if scores.get(Decimal(0)) and between(0, 2) == size:
        scale = "0-2" if scores.get(Decimal(2)) else "good/bad"
        return scale, f"since they lie from 0 to {2 if scale == '0-2' else 1}", size
    above = [score for score in scores if 6 <= score <= 10]
    is_spread = len(above) > 1 or above == [10] or 2 * between(6, 10) > size
    if is_spread and between(6, 10) >= _FEW * size and 2 * between(1, 10) > size:
        scale = "1-7" if max(above) <= 7 else "1-10"
        return scale, f"since {between(6, 10):,} of {size:,} lie from {min(above)} to {max(above)}", size
    return DEFAULT[survey], "", size
