"""What customers write, by what they answered: the words that set a group apart, and a few comments without names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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

EXAMPLES, LONGEST = 2, 160  # of a group, and the characters of each
_TRIED = 4 * EXAMPLES  # comments that may become examples, since some are of ids alone
_MASKED = 1 / 3  # of the words of an example, at most
_TELLING = 5  # of a group's words that an example is looked for with


class GroupComments(NamedTuple):
    """The comments of one group: how many customers wrote one, and a few of them."""

    customers: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class SurveyComments:
    """The comments to one survey in twelve months, by what was answered, each customer's last one.

    `written` counts them, `read` those that were looked at. `contrasts` holds, for each group, the words of as many of
    all comments as a word needs to be shown; `spellings` how each is mostly written.
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
    """The comments of the twelve months up to a period's end, by survey; empty where the data hold none.

    A group of fewer customers than `comment_min_n` has no examples.
    """
    if missing_reason(data, "feedback"):
        return {}
    key = SummaryKey("comments", str(period))
    return data.kept(key, f"no comments up to {period}", lambda: _survey_comments(data, period))


def _survey_comments(data: Dataset, period: Period) -> dict[str, SurveyComments]:
    rows, least = read_comments(data, period), data.settings.definitions.comment_min_n
    found = {}
    usual = usual_words(map(plain, rows["comment"]))
    for survey, those in rows.groupby("survey"):
        spellings: dict[str, Counter[str]] = {}
        comments = []
        for group, written in zip(those["answer_group"], those["comment"], strict=True):
            text = mask(written, usual)
            words = list(words_of(text))
            for word, as_written in words:
                spellings.setdefault(word, Counter())[as_written] += 1
            comments.append(_Comment(group, text, frozenset(word for word, _ in words)))
        found[str(survey)] = _summarised(data, comments, int(those["written"].iloc[0]), spellings, least)
    return found


def _summarised(
    data: Dataset, comments: list[_Comment], written: int, spellings: dict[str, Counter[str]], least: int
) -> SurveyComments:
    """One survey's comments, without words and parts that are ids or names of the data's customers."""
    by_group: dict[str, list[_Comment]] = {}
    for one in comments:
        by_group.setdefault(one.group, []).append(one)
    compared = _compared(by_group, least)
    tried = {group: list(_candidates(those, compared.get(group, ()), least)) for group, those in by_group.items()}
    asked = {part for those in tried.values() for one in those for part in parts(one)}
    asked |= {spellings[one.word].most_common(1)[0][0] for those in compared.values() for one in those}
    known = known_texts(data, asked)
    mostly = {word: written.most_common(1)[0][0] for word, written in spellings.items()}
    groups = {
        group: GroupComments(len(those), tuple(_examples(tried[group], known))) for group, those in by_group.items()
    }
    personal = {word for name in known for word, _ in words_of(name)}
    kept = {group: [one for one in those if one.word not in personal] for group, those in compared.items()}
    shown = {one.word: mostly[one.word] for those in kept.values() for one in those}
    return SurveyComments(written, len(comments), groups, kept, shown)


def _compared(by_group: dict[str, list[_Comment]], least: int) -> dict[str, list[Contrast]]:
    """Each group against all others."""
    return {
        group: contrasts(
            (one.words for one in those),
            (one.words for name, others in by_group.items() if name != group for one in others),
            least,
        )
        for group, those in by_group.items()
    }


def _candidates(comments: Sequence[_Comment], compared: Sequence[Contrast], least: int) -> Iterator[str]:
    """Comments that may be shown: those with the group's own words first, then the newest; none of a small group."""
    if len(comments) < least:
        return
    telling = {one.word for one in compared[:_TELLING] if one.z > 0}
    seen: set[frozenset[str]] = set()
    for one in sorted(comments, key=lambda one: -len(telling & one.words)):
        together = one.text.split()
        if len(one.words) >= 2 and one.words not in seen and one.text.count(MASK) <= _MASKED * len(together):
            seen.add(one.words)
            yield one.text if len(one.text) <= LONGEST else f"{one.text[: LONGEST - 1].rstrip()}…"
            if len(seen) == _TRIED:
                return


def _examples(candidates: Sequence[str], known: set[str]) -> Iterator[str]:
    """The first few, with known ids and names masked; what is mostly masked is left out."""
    masked = (mask_known(one, known) for one in candidates)
    fitting = [one for one in masked if one.count(MASK) <= _MASKED * len(one.split())]
    yield from fitting[:EXAMPLES]
