"""Recognises the survey of a question by its wording and the range of its answers."""

from __future__ import annotations

import re
from typing import NamedTuple

from retention_kit.errors import Listed, Phrase

_WORDING = {
    "nps": r"recommend|(?<![^\W_])nps(?![^\W_])|توصي|تنصح|ترشح|التوصية|توصية",
    "csat": r"satisf|\bcsat\b|راض|رضا|الرضا",
    "ces": r"\beas(y|ier|ily|e)\b|\beffort|\bces\b|سهل|سهولة|جهد",
}
_RATING = r"\brat(e|ing)\b|how (was|were)|قي[ّ]?م|تقييم"
_COMMENT = (
    r"\bwhy\b|comment|reason|tell us|improve|explain|anything else|suggest|what (could|can|would)|open-ended response|"
    r"لماذا|سبب|تعليق|ملاحظات|اقتراح"
)
_GROUP = r"([-–_ ]|^)(nps[-_ ])?group$"
_GROUPS = {"promoter", "promoters", "passive", "passives", "detractor", "detractors", "neutral"}
_STATED_SCALE = r"(?<!\d)([01])\s*(?:-|–|—|to|through|and|=|إلى|الى|حتى)[^\d]{0,20}?(\d{1,2})(?!\d)"
_WORDS = {
    "csat": {
        "very dissatisfied": 1, "extremely dissatisfied": 1, "very unsatisfied": 1, "غير راض على الإطلاق": 1,
        "غير راض جدا": 1,
        "dissatisfied": 2, "somewhat dissatisfied": 2, "unsatisfied": 2, "غير راض": 2,
        "neither satisfied nor dissatisfied": 3, "neutral": 3, "محايد": 3,
        "satisfied": 4, "somewhat satisfied": 4, "راض": 4,
        "very satisfied": 5, "extremely satisfied": 5, "راض جدا": 5,
    },
    "ces": {
        "strongly disagree": 1, "disagree": 2, "somewhat disagree": 3, "neither agree nor disagree": 4, "neutral": 4,
        "somewhat agree": 5, "agree": 6, "strongly agree": 7,
    },
    "ease": {
        "very difficult": 1, "extremely difficult": 1, "difficult": 2, "somewhat difficult": 2,
        "neither easy nor "
        "difficult": 3, "neutral": 3, "easy": 4, "somewhat easy": 4, "very easy": 5, "extremely easy": 5,
    },
}  # fmt: skip  # words by the line
_SCALE_OF_WORDS = {"csat": ("csat", "1-5"), "ces": ("ces", "1-7"), "ease": ("ces", "1-5")}
_SCALES = {"nps": ("0-10",), "csat": ("1-5", "1-7", "1-10", "0-2"), "ces": ("1-7", "1-5")}


class Question(NamedTuple):
    """A column of answers: its survey and scale, how its score is read, and a doubt if it is a guess."""

    column: str
    survey: str  # nps, csat, ces or comment
    scale: str = ""
    score: str = ""  # a column or SQL
    doubt: str = ""


def read_questions(columns: list[tuple[str, str, list[str]]]) -> list[Question]:
    """The questions among columns, given with text and answers; only the first of each survey is certain."""
    questions: list[Question] = []
    for column, text, answers in columns:
        question = _question(column, " ".join(text.split()), answers)
        if question and question.survey == "comment" and not questions:
            continue
        if question and not question.doubt and question.survey in _sure(questions) - {"comment"}:
            question = question._replace(doubt=Phrase("another question is taken for {survey}", survey=question.survey))
        questions += [question] if question else []
    return questions


def _sure(questions: list[Question]) -> set[str]:
    return {question.survey for question in questions if not question.doubt}


def _question(column: str, text: str, answers: list[str]) -> Question | None:
    answered = {answer.strip().lower() for answer in answers}
    if not answered or re.search(_GROUP, text, re.I) or re.search(_GROUP, column, re.I) or answered <= _GROUPS:
        return None
    surveys = [name for name, wording in _WORDING.items() if re.search(wording, text, re.I)]
    family_matched = next((family for family, words in _WORDS.items() if _reads(words, answered)), None)
    if family_matched and any(not answer.isdecimal() for answer in answered):
        survey, scale = _SCALE_OF_WORDS[family_matched]
        doubt = (
            "" if survey in surveys else Phrase("the answers look like {survey}, the question does not", survey=survey)
        )
        return Question(column, survey, scale, _case(column, _WORDS[family_matched]), doubt)
    numbers = [number for answer in answered if (number := _number(answer)) is not None]
    if len(numbers) < len(answered):
        is_comment = re.search(_COMMENT, text, re.I) and not answered <= {"yes", "no", "true", "false", "نعم", "لا"}
        return Question(column, "comment") if is_comment else None
    if not surveys:
        if re.search(_RATING, text, re.I) and min(numbers) >= 1 and max(numbers) <= 10:
            return Question(column, "csat", _nearest(numbers), column, "a rating may be of anything")
        return None
    survey = surveys[0]
    scale, doubt = _scale(survey, text, numbers, len(answers))
    if len(surveys) > 1:
        doubt = doubt or Phrase("its wording fits {surveys}", surveys=Listed(surveys, " and "))
    return Question(column, survey, scale, column, doubt)


def _scale(survey: str, text: str, numbers: list[int], size: int) -> tuple[str, str]:
    """The scale of a survey's answers, and a doubt or an empty text."""
    low, high = min(numbers), max(numbers)
    if stated := re.search(_STATED_SCALE, text):
        scale = f"{int(stated[1])}-{int(stated[2])}"
        fits = int(stated[1]) <= low and high <= int(stated[2])
        if scale in _SCALES[survey] and fits:
            return scale, ""
        return _SCALES[survey][0], f"its scale of {scale} is none of {survey}, or its answers leave it"
    if survey == "nps":
        return "0-10", "" if high <= 10 and (
            low == 0 or high >= 8
        ) else f"its answers lie from {low} to {high}, not 0-10"
    scale = _nearest(numbers)
    if high > 10 or (low == 0 and high > 2) or scale not in _SCALES[survey]:
        return _SCALES[survey][0], f"its answers lie from {low} to {high}, which is no scale of {survey}"
    is_sure = high in (2, 5, 7, 10) or (scale == "1-5" and survey == "csat") or size >= 30
    if survey == "ces" and scale == "1-5" and size < 30:
        return scale, "whether its scale is 1-5 or 1-7 cannot be told by so few answers"
    return scale, "" if is_sure else f"its answers reach only {high}: see whether the scale is {scale}"


def _nearest(numbers: list[int]) -> str:
    if min(numbers) == 0 and max(numbers) <= 2:
        return "0-2"
    return next((f"1-{top}" for top in (5, 7) if max(numbers) <= top), "1-10")


def _number(answer: str) -> int | None:
    """The number at the beginning of an answer, such as 10 in `10 - Extremely likely`."""
    match = re.fullmatch(r"\s*(\d{1,2})(?:\.0+)?(?:\s*[-–—:=.(/].*|\s+\D.*)?", answer, re.S)
    return int(match[1]) if match else None


def _reads(words: dict[str, int], answers: set[str]) -> bool:
    """Whether all answers are words or numbers of a scale, and no two words have the same number."""
    values = [words[answer] for answer in answers if answer in words]
    most = max(words.values())
    others = [_number(answer) for answer in answers if answer not in words]
    return (
        bool(values)
        and len(set(values)) == len(values)
        and all(number is not None and 1 <= number <= most for number in others)
    )


def _case(column: str, words: dict[str, int]) -> str:
    name = '"' + column.replace('"', '""') + '"'
    whens = "\n".join(f"WHEN '{word}' THEN '{number}'" for word, number in words.items())
    return f"CASE lower(trim({name}))\n{whens}\nELSE {name} END"
