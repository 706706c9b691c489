"""What customers say: valid answers only, weighted where the survey is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal, NamedTuple

from retention_kit.data.values.scales import BOUNDS, top_boxes
from retention_kit.data.values.vocabulary import parse_score
from retention_kit.errors import DataError, SettingsError, check_choice
from retention_kit.metrics.catalogue import SMALL, Measure, metric
from retention_kit.metrics.formulas import effective_size, mean, nps_interval, wilson
from retention_kit.metrics.summary_rows import Feedback
from retention_kit.settings import check_top
from retention_kit.wording import Sentence, sentence

SURVEYS = {"net_promoter_score": "nps", "customer_satisfaction_score": "csat", "customer_effort_score": "ces"}
_NOBODY = sentence("notes.no_answer")


@metric(
    label="Net promoter score",
    unit="points",
    better="higher",
    formula="100 × (promoters − detractors) / valid answers",
    source="nps.bain.com; interval: Rocks (2016)",
    competing="Mapping a 1–5 scale to it gives another figure; counting every answer of a customer (answers).",
    template="feedback",
    options=("answers", "nps_interval"),
    card=6,
    headline=2,
    mail_chart=3,
    by_segment=True,
)
def net_promoter_score(feedback: Feedback) -> Measure:
    """Share of answers 9–10 less share of answers 0–6, in points from −100 to 100.

    Points; numerator promoters less detractors, denominator all answers, both by weight, with the interval of Rocks
    (2016) at the effective sample size. Undefined, with a note, without a valid answer.
    """
    f = feedback
    method = f.definitions.nps_interval
    score = _score(f.promoters, f.detractors, _answers(f, "nps"), method)
    crossed = (1e4 * f.nps_crossed, 100 * f.nps_both, 100 * f.nps_before, f.nps_pairs)
    return replace(score, crossed=crossed)


@metric(
    label="Customer satisfaction",
    unit="fraction",
    better="higher",
    formula="answers in the top boxes of their scale / valid answers",
    source="CustomerGauge; Zencity",
    competing="The mean as a share of the maximum; top boxes from 7 on a scale of 1-10.",
    template="feedback",
    options=("csat_top", "answers"),
    card=9,
    mail_chart=6,
    by_segment=True,
)
def customer_satisfaction_score(feedback: Feedback) -> Measure:
    """Share of valid answers in the top boxes of the scale: 4–5 on 1–5, 6–7 on 1–7, 9–10 on 1–10, 2 on 0–2, good of good or bad.

    A fraction by weight, with Wilson's interval (1927) at the effective sample size; `csat_top` chooses the boxes.
    Undefined, with a note, without a valid answer.
    """  # noqa: E501  # a definition is one line
    f = feedback
    top = _top(f.satisfied, _answers(f, "csat"))
    return replace(top, crossed=(f.csat_crossed, f.csat_both, f.csat_before, f.csat_pairs))


@metric(
    label="Ease (customer effort)",
    unit="fraction",
    better="higher",
    formula="answers in the top boxes of their scale / valid answers",
    source="CustomerGauge",
    competing="The top two boxes only, or the mean of the scale.",
    template="feedback",
    options=("ces_top", "answers"),
    card=10,
    mail_chart=7,
    by_segment=True,
)
def customer_effort_score(feedback: Feedback) -> Measure:
    """Share of valid answers that call it easy: the top boxes of the scale, 5–7 on 1–7, 4–5 on 1–5.

    A fraction by weight, with Wilson's interval (1927) at the effective sample size, or with `ces_top = "mean"` the
    mean score. Undefined, with a note, without a valid answer.
    """
    f = feedback
    if f.definitions.ces_top == "mean":
        measure = _mean(f.ces_scores, f.ces_scores_squared, _answers(f, "ces"))
    else:
        measure = _top(f.easy, _answers(f, "ces"))
    return replace(measure, crossed=(f.ces_crossed, f.ces_both, f.ces_before, f.ces_pairs))


@metric(
    label="Survey answers",
    unit="count",
    better="higher",
    formula="valid answers of all surveys",
    source="textbook",
    competing="Counting every answer of a customer, not the last one of a period (answers).",
    template="feedback",
    grows="value",
    options=("answers",),
)
def response_count(feedback: Feedback) -> Measure:
    """Valid answers of all surveys that the period's scores are made of.

    A count, unweighted; the last answer of a customer in the period counts, unless `answers = "all"`. There is no
    interval.
    """
    count = feedback.nps_answers + feedback.csat_answers + feedback.ces_answers
    return Measure(count, n=count)


def nps(scores: Iterable[float], interval: str = "adjusted") -> Measure:
    """Net promoter score of answers 0-10, numbers or text such as "10 - Extremely likely"; others are excluded and
    counted in the note.

    `interval` is "adjusted" (Rocks 2016, never of zero width) or "wald".
    """
    check_choice(SettingsError, "There is no interval {interval!r}: {hint}", ("adjusted", "wald"), interval=interval)
    valid, note = _valid(scores, "0-10")
    promoters, detractors = sum(score >= 9 for score in valid), sum(score <= 6 for score in valid)
    return _noted(_score(promoters, detractors, _once(valid), interval), note, "points")


def csat(scores: Iterable[float], scale: str = "1-5", top: int | None = None) -> Measure:
    """Share of answers in the `top` boxes of the scale, by default two, of 0-2 and good/bad one.

    Scales are 1-5, 1-7, 1-10, 0-2 and good/bad; answers outside are excluded and counted in the note.
    """
    return _top_of("csat", scores, scale, top)


def ces(scores: Iterable[float], scale: str = "1-7", top: int | Literal["mean"] | None = None) -> Measure:
    """Share of answers in the `top` boxes of an ease scale (by default 5-7 of 1-7, 4-5 of 1-5), or their mean where
    `top` is "mean".

    Answers outside the scale are excluded and counted in the note.
    """
    if top != "mean":
        return _top_of("ces", scores, scale, top)
    valid, note = _valid(scores, scale)
    return _noted(_mean(sum(valid), sum(score**2 for score in valid), _once(valid)), note, "ratio")


def _top_of(survey: str, scores: Iterable[float], scale: str, top: int | None) -> Measure:
    valid, note = _valid(scores, scale)
    low, high = BOUNDS[scale]
    top = top_boxes(survey, high) if top is None else top
    check_top("top", top, low, high)
    return _noted(_top(sum(score > high - top for score in valid), _once(valid)), note, "fraction")


def _noted(measure: Measure, note: str, unit: str) -> Measure:
    is_small = measure.value is not None and measure.n is not None and measure.n < SMALL
    small = sentence("notes.small", n=measure.n) if is_small else ""
    return replace(measure, note=Sentence.joined(measure.note, note, small), unit=unit)


def _valid(scores: Iterable[float], scale: str) -> tuple[list[float], str]:
    check_choice(DataError, "There is no scale {scale!r}: {hint}", BOUNDS, scale=scale)
    if isinstance(scores, str) or not isinstance(scores, Iterable):
        raise DataError("Scores are a list or column of numbers, not {scores!r}.", scores=scores)
    low, high = BOUNDS[scale]
    scores = list(scores)
    # A truth is no score, though Python would count it as 0 or 1.
    read = [parse_score(score) for score in scores if not isinstance(score, bool) and type(score).__name__ != "bool"]
    valid = [float(score) for score in read if score is not None and low <= score <= high and score == int(score)]
    left_out = len(scores) - len(valid)
    return valid, sentence("notes.left_out", count=left_out, scale=scale) if left_out else ""


class _Answers(NamedTuple):
    """How many there are, and what they weigh; for `beside` see `effective_size`."""

    n: float
    weight: float
    weight_squared: float
    beside: tuple[float, float, float] = (0, 0, 0)

    def size(self, total: float, squared: float) -> float:
        return effective_size(total, squared, self.weight, self.weight_squared, self.beside)


def _answers(feedback: Feedback, survey: str) -> _Answers:
    names = ("answers", "weight", "weight_squared", "parts_beside", "part_beside", "weight_beside")
    n, weight, squared, *beside = (getattr(feedback, f"{survey}_{name}") for name in names)
    return _Answers(n, weight, squared, tuple(beside))


def _once(scores: list[float]) -> _Answers:
    return _Answers(len(scores), len(scores), len(scores))


def _score(plus: float, minus: float, answers: _Answers, method: str) -> Measure:
    weight, n = answers.weight, answers.n
    if not weight:
        return Measure(None, plus - minus, weight, n, note=_NOBODY)
    size = answers.size(plus - minus, plus + minus)
    score = 100 * (plus - minus) / weight
    low, high = nps_interval(plus / weight * size, minus / weight * size, size, method)
    return Measure(score, plus - minus, weight, n, min(low, score), max(high, score))  # of one answer it lies aside


def _top(top: float, answers: _Answers) -> Measure:
    weight, n = answers.weight, answers.n
    if not weight:
        return Measure(None, top, weight, n, note=_NOBODY)
    size = answers.size(top, top)
    return Measure(top / weight, top, weight, n, *wilson(top / weight * size, size))


def _mean(total: float, squared: float, answers: _Answers) -> Measure:
    weight, n = answers.weight, answers.n
    if not weight:
        return Measure(None, total, weight, n, note=_NOBODY, unit="ratio")
    size = answers.size(total, squared)
    measure = mean(total / weight * size, squared / weight * size, size, _NOBODY)
    return replace(measure, numerator=total, denominator=weight, n=n, unit="ratio")
