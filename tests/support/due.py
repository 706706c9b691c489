"""Follow-ups of DataFrames: the rules that a test asks for, and who is due."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pandas as pd

from retention_kit.data.customer_columns import check_columns
from retention_kit.metrics.follow_ups import DueList, due_lists
from retention_kit.settings import make_settings
from retention_kit.settings.when import FORMS


def with_rules(data, *rules: dict[str, Any]):
    """The data with these follow-ups in their settings; they have names and no control group of their own."""
    named = [{"name": f"rule {number}", "control": 0} | rule for number, rule in enumerate(rules)]
    follow_ups = make_settings({"follow_ups": named}).follow_ups
    check_columns(data.live_engine, data.parts, follow_ups)
    data.settings = msgspec.structs.replace(data.settings, follow_ups=follow_ups)
    return data


def every_form(**more: Any) -> list[dict[str, Any]]:
    """A rule of each form."""
    return [{"when": form, "control": 0.1} | more for form in FORMS]


def due(data, when: str, **more: Any) -> list[tuple[str, str]]:
    """Who is due by when, the first first."""
    return [(row.customer_id, str(row.due)) for row in listed(data, when, **more).rows]


def listed(data, when: str, **more: Any) -> DueList:
    return due_lists(with_rules(data, {"when": when} | more))[0]


def tickets(last: str = "2025-12-31", count: int = 400) -> pd.DataFrame:
    """Tickets of the sample company's customers in the days before a date: closed, open, twice, and unreadable ones."""
    opened = pd.Timestamp(last) - pd.to_timedelta([number * 7 % 600 for number in range(count)], unit="h")
    closed = [str(day + pd.Timedelta(hours=30)) if number % 3 else None for number, day in enumerate(opened)]
    closed[5], closed[7], closed[9] = "soon", "9999-12-31", "2001-01-01"
    rows = pd.DataFrame(
        {
            "customer_id": [f"C{number * 13 % 4000:04}" if number % 50 else None for number in range(count)],
            "ticket_id": [str(number) for number in range(count)],
            "opened_at": opened.astype(str),
            "closed_at": closed,
        }
    )
    return pd.concat([rows, rows.head(4).assign(closed_at=last)], ignore_index=True)


def with_consents(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The sample company's tables with tickets, who agrees to be written to, and who does not want to any more."""
    orders = tables["orders"]
    agreed = [("yes", "no", "TRUE", "")[number % 7 % 4] for number in range(len(orders))]
    left = ["2024-01-01" if number % 37 == 0 else None for number in range(len(orders))]
    return tables | {"orders": orders.assign(agreed=agreed, left=left), "tickets": tickets()}


def follow_up_differences(data, other, forms: Sequence[str] = FORMS) -> list[str]:
    """What two engines say otherwise of tickets and of who is due, by each form; every other asks for all columns."""
    columns = {
        "contact": "country",
        "text": "{channel} {agreed}",
        "consent": "agreed",
        "suppress": ["channel=app", "left"],
    }
    rules = [{"when": form, "control": 0.1} | (columns if number % 2 == 0 else {}) for number, form in enumerate(forms)]
    first, second = (due_lists(with_rules(dataset, *rules)) for dataset in (data, other))
    differences = [
        f"{first_list.follow_up.when}: {first_list} and {second_list}"
        for first_list, second_list in zip(first, second, strict=True)
        if first_list != second_list
    ]
    if sum(bool(due_list.rows) for due_list in first) < len(rules) / 2 or not any(
        due_list.suppressed for due_list in first
    ):
        differences.append("most forms list nobody: that says little")
    first_checks, second_checks = (
        [tuple(row) for row in dataset.quality[dataset.quality["table"] == "tickets"].itertuples(index=False)]
        for dataset in (data, other)
    )
    return differences + ([] if first_checks == second_checks else [f"{first_checks} and {second_checks}"])
