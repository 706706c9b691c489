"""Which words one group of customers uses more than the others: weighted log-odds with a prior, and an exact test.

Source: Monroe, Colaresi and Quinn (2008), Fightin' Words, Political Analysis 16(4), equations 16, 20 and 22.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from math import exp, lgamma, log, sqrt
from typing import NamedTuple

PRIOR = 0.1  # the prior weighs as much as this share of all words


class Contrast(NamedTuple):
    """One word of one group of comments against the others, each counted once in a comment.

    `comments` of the group and `others` hold it. `z` is its weighted log-odds ratio by its standard error. `p` is the
    larger of two exact ones: of its share of the comments, and of its share of all words, so that a group that writes
    longer comments does not stand out by that.
    """

    word: str
    comments: int
    others: int
    z: float
    p: float


def contrasts(group: Iterable[Collection[str]], others: Iterable[Collection[str]], least: int = 1) -> list[Contrast]:
    """Every word that at least so many comments of the two hold, the most distinctive of the group first.

    Both are comments as sets of words; without a comment in either there is nothing to compare.
    """
    ours, theirs = list(group), list(others)
    if not ours or not theirs:
        return []
    counts, rest = (Counter(word for comment in comments for word in comment) for comments in (ours, theirs))
    total = counts + rest
    scores = log_odds(counts, rest, {word: PRIOR * number for word, number in total.items()})
    sizes, lengths = (len(ours), len(theirs)), (counts.total(), rest.total())

    def p_of(word: str, number: int) -> float:
        are_more = [counts[word] * other > rest[word] * one for one, other in (sizes, lengths)]
        if are_more[0] != are_more[1]:  # what one of the two says the other denies
            return 1.0
        return max(exact_p(counts[word], one, number, other) for one, other in (sizes, lengths))

    found = [
        Contrast(word, counts[word], rest[word], scores[word], p_of(word, number))
        for word, number in total.items()
        if number >= least
    ]
    return sorted(found, key=lambda one: (-one.z, one.word))


def log_odds(ours: Mapping[str, float], theirs: Mapping[str, float], prior: Mapping[str, float]) -> dict[str, float]:
    """The z-score of each word of the prior: how much larger its odds are in one count than in the other.

    `prior` are the pseudo-counts of every word that either count holds.
    """
    weight = sum(prior.values())
    sizes = sum(ours.values()) + weight, sum(theirs.values()) + weight
    scores = {}
    for word, pseudo in prior.items():
        one, other = (counts.get(word, 0) + pseudo for counts in (ours, theirs))
        odds = log(one / (sizes[0] - one)) - log(other / (sizes[1] - other)) if len(prior) > 1 else 0.0
        scores[word] = odds / sqrt(1 / one + 1 / other)
    return scores


def exact_p(ours: int, size: int, total: int, others: int) -> float:
    """Fisher's exact p, twice the smaller tail: of `size` comments or words `ours` are so, of `others` the rest of
    `total`.

    Of comments it holds however their words go together: each is as likely to be of the group as any.
    """
    is_more = ours * (size + others) >= total * size
    # By the hypergeometric distribution, from the observed number outwards.
    chance = exp(_log_ways(size, ours) + _log_ways(others, total - ours) - _log_ways(size + others, total))
    tail, number = 0.0, ours
    while chance > tail * 1e-17 and max(0, total - others) <= number <= min(total, size):
        tail += chance
        if is_more:
            chance *= (size - number) * (total - number) / ((number + 1) * (others - total + number + 1))
            number += 1
        else:
            chance *= number * (others - total + number) / ((size - number + 1) * (total - number + 1))
            number -= 1
    return min(1.0, 2 * tail)


def _log_ways(of: int, some: int) -> float:
    return lgamma(of + 1) - lgamma(some + 1) - lgamma(of - some + 1)
