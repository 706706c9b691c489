"""A query that takes too long is ended from another thread, and what was half made then is not taken for whole."""

from __future__ import annotations

from threading import Thread
from time import monotonic

import pandas as pd
import pytest

import retention_kit as rk
from pencil import table
from retention_kit.errors import DataError
from retention_kit.metrics.queries.spans import Granularity
from retention_kit.metrics.queries.summaries import summary
from retention_kit.metrics.queries.views import run_query

# Of 20,000 orders: no machine counts these.
LONG = "SELECT COUNT(*) AS n FROM orders AS a CROSS JOIN orders AS b CROSS JOIN orders AS c WHERE a.amount + b.amount > c.amount"


def interrupted(data) -> str:
    """What is said of a long query when another thread ends it; not before it is ended, which may be before it runs."""
    messages = []

    def run() -> None:
        try:
            run_query(data, LONG)
        except DataError as error:
            messages.append(str(error))

    asking, until = Thread(target=run, daemon=True), monotonic() + 60
    asking.start()
    while asking.is_alive() and monotonic() < until:
        asking.join(0.3)
        data.engine.interrupt()
    assert not asking.is_alive(), "it runs on"
    return messages[0]


@pytest.mark.long
def test_a_query_is_ended_from_another_thread_and_the_next_one_works():
    data = rk.sample()
    assert interrupted(data) == "The query was interrupted."
    assert run_query(data, "SELECT 1 AS one")["one"].tolist() == [1]
    data.engine.interrupt()
    pd.testing.assert_frame_equal(rk.cohorts(data), rk.cohorts(rk.sample()))


def test_views_that_were_left_half_made_are_made_anew(monkeypatch):
    """Making those of `channel` ends after its values are chosen: the ones of `country`, which stood, stand no more."""
    orders = table("""
    customer_id  ordered_at  amount  country  channel
    a            2024-01-05  1       France   web
    -            2024-01-06  2       France   web
    """)
    data = rk.load(orders=orders, timezone="UTC")
    summary(data, "movements", Granularity("month"), "country")
    run = data.engine.run

    def ended(sql: str, **parts: str) -> None:
        if parts.get("name") == "customer_values":
            raise data.engine.error("INTERRUPT Error: Interrupted!")
        run(sql, **parts)

    with monkeypatch.context() as patched:
        patched.setattr(data.engine, "run", ended)
        with pytest.raises(DataError, match=r"^The query was interrupted\.$"):
            summary(data, "movements", Granularity("month"), "channel")
    sales = summary(data, "purchases", Granularity("month"), "country")
    assert sales[["segment_value", "purchases", "guest_purchases"]].to_numpy().tolist() == [["France", 1, 1]]
