"""Tickets: what customers asked for, checked and counted like the other tables, on every engine alike."""

from __future__ import annotations

import pandas as pd
import pytest

import retention_kit as rk
from pencil import table
from retention_kit.data.check_rows import rows_of
from retention_kit.errors import DataError

ORDERS = table("""
customer_id  ordered_at  amount
a            2024-01-05  10
b            2024-01-20  10
c            2024-02-10  10
""")
TICKETS = table("""
customer_id  ticket_id  opened_at         closed_at
a            1          2024-01-06 10:00  -
a            1          2024-01-06 10:00  2024-01-07 09:00
b            2          2024-01-10 00:00  -
b            3          2024-01-10 00:00  2024-03-01
c            4          2024-01-10 00:00  2024-01-09
-            5          2024-01-11 00:00  -
b            6          2024-01-11 00:00  soon
b            7          ?                 -
z            8          2024-01-12 00:00  9999-12-31
z            9          2024-02-12 00:00  -
""")
COUNTED = {
    "rows read": 10,
    "same ticket": 1,
    "closed before it was opened": 1,
    "no id": 1,
    "unreadable closing date": 1,
    "unreadable date": 1,
    "after the as-of date": 1,
    "ticket of nobody in the other tables": 1,
}


def counted(data) -> dict[str, int]:
    rows = data.quality[data.quality["table"] == "tickets"]
    return dict(zip(rows["check"], rows["rows"], strict=True))


def tickets(data) -> list[tuple]:
    frame = data.engine.frame("SELECT customer_id, ticket_id, closed_at IS NULL AS is_open FROM tickets ORDER BY 1, 2")
    return [tuple(row) for row in frame.itertuples(index=False)]


def test_tickets_are_checked_and_counted():
    """Ticket 3 is closed after what is known, 2024-02-11, so it is open still; 9999 stands for no end."""
    data = rk.load(orders=ORDERS, tickets=TICKETS, timezone="UTC")
    assert counted(data) == COUNTED
    assert tickets(data) == [("a", "1", False), ("b", "2", True), ("b", "3", True), ("z", "8", True)]
    assert sum(map(len, [data.quarantine["tickets"], tickets(data)])) == len(TICKETS)
    assert len(rows_of(data)["tickets"].frame) == 6
    assert list(rows_of(data, "no id")["tickets"].frame["ticket_id"]) == ["5"]
    assert "tickets" not in data.tables, "they make no figures"
    assert data.has_tickets


def test_without_ids_only_rows_alike_in_everything_are_one():
    rows = TICKETS.iloc[[2, 2, 3]].drop(columns="ticket_id")
    data = rk.load(orders=ORDERS, tickets=rows, timezone="UTC")
    assert counted(data) == {"rows read": 3, "same ticket": 1}
    assert len(tickets(data)) == 2


@pytest.mark.parametrize("word", ["NULL", "n/a", "-", "open", "Not closed", "0001-01-01", "  "])
def test_words_for_no_end_leave_a_ticket_open(word):
    rows = TICKETS.iloc[[0, 2, 2]].assign(ticket_id=[1, 2, 3], closed_at=[word, word, "2024-01-20 10:00"])
    data = rk.load(orders=ORDERS, tickets=rows, timezone="UTC")
    assert tickets(data) == [("a", "1", True), ("b", "2", True), ("b", "3", False)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"customer_id": None}, "The tickets column 'customer_id' is empty in 10 of 10 rows"),
        ({"opened_at": "no date"}, "opened_at"),
        ({"customer_id": "nobody-1"}, None),
        (
            {"customer_id": [f"Z{number}" for number in range(10)]},
            "is in the orders: write customer_id as it is there.",
        ),
    ],
)
def test_a_table_mapped_wrongly_is_refused_in_a_sentence(changes, message):
    tickets = TICKETS.assign(**changes)
    if message is None:  # one stranger alone may ask
        assert counted(rk.load(orders=ORDERS, tickets=tickets, timezone="UTC"))["ticket of nobody in the other tables"]
        return
    with pytest.raises(DataError) as error:
        rk.load(orders=ORDERS, tickets=tickets, timezone="UTC")
    assert message in str(error.value)


def test_tickets_of_a_retention_toml_are_mapped_and_left_out_by_where(tmp_path):
    ORDERS.to_csv(tmp_path / "orders.csv", index=False)
    (tmp_path / "desk.csv").write_text(
        "Requester;Created;Solved;Spam\na;06.01.2024 10:00;;no\nb;10.01.2024 09:00;13.01.2024 09:00;no\nb;11.01.2024 09:00;;yes\n"
    )
    (tmp_path / "retention.toml").write_text(
        '[data]\norders = "orders.csv"\n[data.tickets]\npath = "desk.csv"\nwhere = "Spam = \'no\'"\n'
        '[data.tickets.columns]\ncustomer_id = "Requester"\nopened_at = "Created"\nclosed_at = "Solved"\n'
    )
    data = rk.load(tmp_path)
    assert counted(data) == {"rows read": 2, "left out by where": 1, "naive times without a time zone": 2}
    assert [row[0] for row in tickets(data)] == ["a", "b"]


def test_rows_of_known_customers_can_be_looked_at_too():
    known = pd.DataFrame({"customer_id": ["a", None, "x"]})
    data = rk.load(orders=ORDERS, known_customers=known, timezone="UTC")
    assert rows_of(data, "no id")["known_customers"].rows == 1
