"""Comments by group of answers: the distinctive words of each group, and a few comments without names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from retention_kit.data.summary_key import SummaryKey
from retention_kit.metrics.comments.distinctive import Contrast, contrasts
from retention_kit.metrics.comments.masking import MASK, mask, mask_known, parts, plain, usual_words
from retention_kit.metrics.comments.words import words_of
from retention_kit.metrics.queries.comments import known_texts, read_comments
from retention_kit.metrics.queries.summaries import missing_reason

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset
    from retention_kit.periods import Period

EXAMPLES, LONGEST = 2, 160  # per group, and the characters of each
_MAX_CANDIDATES = 4 * EXAMPLES  # per group, as masking leaves too little of some
_MAX_MASKED = 1 / 3  # the largest masked share of the words of an example
_MOST_DISTINCTIVE = 5  # words of a group by which examples are chosen


class GroupComments(NamedTuple):
    """The number of customers in one group who wrote a comment, and a few of the comments."""

    customers: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class SurveyComments:
    """The comments to one survey in twelve months by group of answers, each customer's last one.

    `written` is their number, `read` the number analysed. `contrasts` has the words of each group that enough comments
    contain; `spellings` the most common spelling of each.
    """

    written: int
    read: int
    groups: dict[str, GroupComments]
    contrasts: dict[str, list[Contrast]]
    spellings: dict[str, str]


class _Comment(NamedTuple):
    group: str
    text: str  # masked
    words: frozenset[str]


def survey_comments(data: Dataset, period: Period) -> dict[str, SurveyComments]:
    """The comments of the twelve months up to a period's end, by survey; empty if there are none.

    A group of fewer customers than `comment_min_n` has no examples.
    """
    if missing_reason(data, "feedback"):
        return {}
    key = SummaryKey("comments", str(period))
    return data.cached(key, f"no comments up to {period}", lambda: _survey_comments(data, period))


def _survey_comments(data: Dataset, period: Period) -> dict[str, SurveyComments]:
    rows, least = read_comments(data, period), data.settings.definitions.comment_min_n
    summaries = {}
    usual = usual_words(map(plain, rows["comment"]))
    for survey, group_rows in rows.groupby("survey"):
        spellings: dict[str, Counter[str]] = {}
        comments = []
        for group, comment in zip(group_rows["answer_group"], group_rows["comment"], strict=True):
            text = mask(comment, usual)
            words = list(words_of(text))
            for word, as_written in words:
                spellings.setdefault(word, Counter())[as_written] += 1
            comments.append(_Comment(group, text, frozenset(word for word, _ in words)))
        summaries[str(survey)] = _summary(data, comments, int(group_rows["written"].iloc[0]), spellings, least)
    return summaries


def _summary(
    data: Dataset, comments: list[_Comment], written: int, spellings: dict[str, Counter[str]], least: int
) -> SurveyComments:
    """The comments of one survey, without ids and names of customers in the data."""
    by_group: dict[str, list[_Comment]] = {}
    for comment in comments:
        by_group.setdefault(comment.group, []).append(comment)
    compared = _compared(by_group, least)
    candidates = {group: list(_candidates(members, compared[group], least)) for group, members in by_group.items()}
    spelling = {word: counts.most_common(1)[0][0] for word, counts in spellings.items()}
    words = {contrast.word for listed in compared.values() for contrast in listed}
    texts = {part for listed in candidates.values() for text in listed for part in parts(text)}
    identifiers = known_texts(data, texts | {spelling[word] for word in words})
    groups = {
        group: GroupComments(len(members), tuple(_examples(candidates[group], identifiers)))
        for group, members in by_group.items()
    }
    words -= {word for name in identifiers for word, _ in words_of(name)}
    kept = {group: [contrast for contrast in listed if contrast.word in words] for group, listed in compared.items()}
    spellings_kept = {contrast.word: spelling[contrast.word] for listed in kept.values() for contrast in listed}
    return SurveyComments(written, len(comments), groups, kept, spellings_kept)


def _compared(by_group: dict[str, list[_Comment]], least: int) -> dict[str, list[Contrast]]:
    """The contrasts of each group with all others."""
    return {
        group: contrasts(
            (comment.words for comment in members),
            (comment.words for name, others in by_group.items() if name != group for comment in others),
            least,
        )
        for group, members in by_group.items()
    }


def _candidates(comments: Sequence[_Comment], compared: Sequence[Contrast], least: int) -> Iterator[str]:
    """Comments for examples: those with the group's distinctive words first, then the newest; none of small groups."""
    if len(comments) < least:
        return
    distinctive = {contrast.word for contrast in compared[:_MOST_DISTINCTIVE] if contrast.z > 0}
    used: set[frozenset[str]] = set()
    for _, text, words in sorted(comments, key=lambda comment: -len(distinctive & comment.words)):
        if len(words) >= 2 and words not in used and _is_readable(text):
            used.add(words)
            yield text if len(text) <= LONGEST else f"{text[: LONGEST - 1].rstrip()}…"
            if len(used) == _MAX_CANDIDATES:
                return


def _is_readable(text: str) -> bool:
    return text.count(MASK) <= _MAX_MASKED * len(text.split())


def _examples(candidates: Sequence[str], identifiers: set[str]) -> Iterator[str]:
    """The first candidates that are readable after known ids and names are masked."""
    masked = (mask_known(text, identifiers) for text in candidates)
    yield from islice(filter(_is_readable, masked), EXAMPLES)
