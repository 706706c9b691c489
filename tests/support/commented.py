"""Comments of any letters and marks, and invitations with and without answers of their own: alike on two engines."""

from __future__ import annotations

import pandas as pd

from retention_kit.metrics.comments.summary import survey_comments
from retention_kit.metrics.queries.invitations import response_groups, response_rates
from retention_kit.periods import Period

OPTIONS = {"timezone": "UTC", "segments": ["country"], "comment_min_n": 2}
MARCH = Period.parse("2024-03")


def companies() -> list[dict[str, pd.DataFrame]]:
    """The same orders and answers, with both forms of invitations."""
    comments = [
        "late again",
        "Zoë née",
        "خدمة سيئة",
        "$1 'quoted' \"and\" \\back",
        "a\tb 😡",
        "",
        None,
        "C3 was late",
    ] * 6
    customer_ids = [f"C{number % 17}" for number in range(len(comments))]
    days = pd.date_range("2024-01-01", periods=len(comments), freq="31h").astype(str)
    answers = pd.DataFrame({"customer_id": customer_ids, "responded_at": days, "survey": "nps", "comment": comments})
    answers["score"] = [number % 11 for number in range(len(comments))]
    answers.loc[::9, "customer_id"] = None
    amounts = [number % 7 + 1 for number in range(len(comments))]
    orders = pd.DataFrame({"customer_id": customer_ids, "ordered_at": days, "amount": amounts, "country": customer_ids})
    invitations = pd.DataFrame({"customer_id": customer_ids, "invited_at": days, "survey": "nps", "responded_at": days})
    invitations.loc[::3, "responded_at"] = None
    forms = invitations, invitations.drop(columns="responded_at")
    return [{"orders": orders, "responses": answers, "invitations": form} for form in forms]


def all_texts(data) -> list:
    """All that is said of comments and of who answered."""
    frames = [response_groups(data, MARCH, column) for column in (None, "country")] + [response_rates(data, "week")]
    texts = [frame.astype(str).to_dict("list") for frame in (*frames, data.quality)]
    return [*texts, survey_comments(data, MARCH)]
