"""Words that programs and people write for a missing value, in capitals.

One list applies to ids, dates, numbers and words. Others apply to one kind of column only: an end that is `open`, a
customer called `guest`, a question that was `skipped`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from retention_kit.data.engines.protocol import Engine
from retention_kit.data.engines.sql_text import literal, regex_literal
from retention_kit.data.values.aggregates import AggregateBatch

MISSING = ("NULL", "N/A", "#N/A", "NA", "N.A.", "N/D", "NONE", "NAN", "NAT", "<NA>", "<NULL>", "<NONE>", "(NULL)",
           "[NULL]",
           "(NONE)", "(BLANK)", "(EMPTY)", "\\N", "-", "--", "---", "–", "—", "NIL", "UNDEFINED", "NOT AVAILABLE",
           "NOT APPLICABLE", "NOT SET", "(NOT SET)", "#NULL!", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#N/V",
           "00000000-0000-0000-0000-000000000000")  # fmt: skip  # words by the line
GUESTS = ("GUEST", "GUESTS", "GUEST USER", "GUEST CUSTOMER", "GUEST CHECKOUT", "ANONYMOUS", "ANONYMOUS USER",
          "ANONYMOUS CUSTOMER",
          "ANON", "ANONYMIZED", "ANONYMISED", "REDACTED", "UNKNOWN", "UNKNOWN USER", "UNKNOWN CUSTOMER", "UNREGISTERED",
          "NO CUSTOMER",
          "NOBODY", "WALK-IN", "WALK IN", "WALKIN", "WALK-IN CUSTOMER", "WALK IN CUSTOMER",
          "CASH CUSTOMER")  # fmt: skip  # words by the line
_NO_END = ("NEVER", "NEVER EXPIRES", "NEVER ENDS", "DOES NOT EXPIRE", "NO END", "NO END DATE", "NO EXPIRY", "OPEN",
           "OPEN-ENDED",
           "OPEN ENDED", "OPEN END", "ACTIVE", "ONGOING", "ON-GOING", "CURRENT", "CURRENTLY ACTIVE", "PRESENT",
           "RUNNING", "ROLLING",
           "INDEFINITE", "INDEFINITELY", "FOREVER", "PERPETUAL", "UNLIMITED", "INFINITE", "INFINITY", "INF",
           "UNTIL CANCELLED",
           "UNTIL CANCELED", "AUTO-RENEW", "AUTO-RENEWS", "AUTO RENEW", "NOT CANCELLED", "NOT CANCELED", "NOT ENDED",
           "NOT YET", "NO",
           "TBD", "0", "0000-00-00", "0000-00-00 00:00", "0000-00-00 00:00:00", "∞")  # fmt: skip  # words by the line
_UNANSWERED = ("NO ANSWER", "NO RESPONSE", "NOT ANSWERED", "UNANSWERED", "SKIPPED", "SKIP", "DON'T KNOW", "DON’T KNOW",
               "DO NOT KNOW", "DK", "NO OPINION", "NOT SURE", "PREFER NOT TO SAY",
               "PREFER NOT TO ANSWER")  # fmt: skip  # words by the line
_NOT_CLOSED = ("NOT CLOSED", "STILL OPEN", "PENDING", "UNRESOLVED", "UNSOLVED", "IN PROGRESS", "NEW", "WAITING")
# Columns in which these words are empty cells; in columns that a row needs they are reported as unreadable.
EMPTY_WORDS = {
    "refunded": MISSING, "currency": MISSING,
    "ended_at": MISSING + _NO_END, "trial_ends_at": MISSING + _NO_END,
    "closed_at": MISSING + _NO_END + _NOT_CLOSED,
    "interval": MISSING, "status": MISSING, "cancel_reason": MISSING,
    "score": MISSING + _UNANSWERED, "scale": MISSING, "weight": MISSING, "first_at": MISSING,
}  # fmt: skip  # words by the line


def count_possible_empty_words(batch: AggregateBatch, texts: Mapping[str, str]) -> dict[str, Callable[[], int]]:
    """Upper bounds of the rows with a word for a missing value, for columns of a relation given as trimmed text."""
    patterns = {name: f"^({'|'.join(map(regex_literal, EMPTY_WORDS[name]))})$" for name in texts}
    return {  # a pattern is matched once for each distinct value, a list of words for each row
        name: batch.add(f"count(CASE WHEN regexp_matches(upper({text}), {literal(patterns[name])}) THEN 1 END)")
        for name, text in texts.items()
    }


def count_empty_words(
    engine: Engine, relation: str, texts: Mapping[str, str], bounds: Mapping[str, Callable[[], int]]
) -> dict[str, dict[str, int]]:
    """The words for a missing value in columns of a relation, with their numbers of rows; `bounds` are the results of
    `count_possible_empty_words`.
    """
    counts = {
        name: dict(
            engine.rows(
                f"SELECT word, count(*) FROM (SELECT upper({text}) AS word FROM {relation} AS came "
                f"WHERE {_is_word(text, EMPTY_WORDS[name])}) AS words GROUP BY word ORDER BY count(*) DESC, word"
            )
        )
        for name, text in texts.items()
        if bounds[name]()
    }
    return {name: words for name, words in counts.items() if words}


def null_if_empty_word(text: str, words: tuple[str, ...]) -> str:
    """SQL: a text, NULL if it is one of the words."""
    return f"CASE WHEN NOT {_is_word(text, words)} THEN {text} END" if words else text


def _is_word(text: str, words: tuple[str, ...]) -> str:
    return f"(upper({text}) IN ({', '.join(map(literal, words))}))"
