"""Words that one group of customers uses more than the others: weighted log-odds with a prior, and an exact test.

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

    `comments` and `others` are the numbers of comments with the word. `z` is its weighted log-odds ratio divided by its
    standard error. `p` is the larger of two exact p-values, for its share of the comments and of all words, so that a
    group does not stand out for writing longer comments.
    """

    word: str
    comments: int
    others: int
    z: float
    p: float


def contrasts(group: Iterable[Collection[str]], others: Iterable[Collection[str]], least: int = 1) -> list[Contrast]:
    """Every word in at least `least` comments, the most distinctive of the group first.

    Both arguments are comments as sets of words; empty if either has no comments.
    """
    group, others = list(group), list(others)
    if not group or not others:
        return []
    counts, rest = (Counter(word for comment in comments for word in comment) for comments in (group, others))
    total = counts + rest
    scores = log_odds(counts, rest, {word: PRIOR * number for word, number in total.items()})
    sizes, lengths = (len(group), len(others)), (counts.total(), rest.total())

    def p_of(word: str, number: int) -> float:
        are_more = [counts[word] * other > rest[word] * size for size, other in (sizes, lengths)]
        if are_more[0] != are_more[1]:  # the two shares differ in opposite directions
            return 1.0
        return max(exact_p(counts[word], size, number, other) for size, other in (sizes, lengths))

    compared = [
        Contrast(word, counts[word], rest[word], scores[word], p_of(word, number))
        for word, number in total.items()
        if number >= least
    ]
    return sorted(compared, key=lambda contrast: (-contrast.z, contrast.word))


def log_odds(counts: Mapping[str, float], rest: Mapping[str, float], prior: Mapping[str, float]) -> dict[str, float]:
    """The z-score of the log-odds ratio of each word between two counts.

    `prior` has the pseudo-count of every word in either count.
    """
    weight = sum(prior.values())
    sizes = sum(counts.values()) + weight, sum(rest.values()) + weight
    scores = {}
    for word, pseudo in prior.items():
        count, other = counts.get(word, 0) + pseudo, rest.get(word, 0) + pseudo
        odds = log(count / (sizes[0] - count)) - log(other / (sizes[1] - other)) if len(prior) > 1 else 0.0
        scores[word] = odds / sqrt(1 / count + 1 / other)
    return scores


def exact_p(count: int, size: int, total: int, others: int) -> float:
    """Fisher's exact p, twice the smaller tail: `count` of `size` comments or words, and `total` of both `size` and
    `others` together, have the property.

    For comments it is valid even if words occur together, since each comment is equally likely to be of the group.
    """
    is_more = count * (size + others) >= total * size
    # The hypergeometric distribution, from the observed number outwards.
    chance = exp(_log_ways(size, count) + _log_ways(others, total - count) - _log_ways(size + others, total))
    tail, number = 0.0, count
    while chance > tail * 1e-17 and max(0, total - others) <= number <= min(total, size):
        tail += chance
        if is_more:
            chance *= (size - number) * (total - number) / ((number + 1) * (others - total + number + 1))
            number += 1
        else:
            chance *= number * (others - total + number) / ((size - number + 1) * (total - number + 1))
            number -= 1
    return min(1.0, 2 * tail)


def _log_ways(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
