"""The twelve months up to each period's end, against a count of every purchase by hand."""

import random
from datetime import date, timedelta

import pandas as pd
import pytest

import retention_kit as rk
from retention_kit.metrics.queries.spans import Granularity, year_windows
from retention_kit.metrics.queries.summaries import periods_of, summary
from retention_kit.metrics.summary_rows import columns
from retention_kit.periods import add_months

pytestmark = pytest.mark.long
BEGIN, AS_OF = date(2021, 2, 3), date(2024, 2, 29)


def purchases(as_of: date) -> pd.DataFrame:
    """Some customers buy often, some after pauses of years; who moves counts where they lived last."""
    chance = random.Random(5)
    rows = []
    for customer in range(16):
        often = chance.choice((20, 150, 500))
        day = BEGIN + timedelta(days=chance.randrange(300) if customer else 0)
        while day < as_of:
            rows.append((f"C{customer}", day, chance.randrange(1, 90), chance.choice("AAAAB")))
            day += timedelta(days=chance.randrange(often))
    return pd.DataFrame(rows, columns=["customer_id", "ordered_at", "amount", "country"])


def counted(orders: pd.DataFrame, ends: date, country: str | None) -> tuple[int, ...]:
    """In the order of the columns."""
    begins, before = add_months(ends, -12), add_months(ends, -24)
    buyers = bought = revenue = exposed = lost = squared = 0
    for _, own in orders[orders["ordered_at"] < ends].groupby("customer_id", sort=False):
        if country not in (None, own["country"].iloc[-1]):
            continue
        spent = own.loc[own["ordered_at"] >= begins, "amount"]
        has_ordered = ((own["ordered_at"] >= before) & (own["ordered_at"] < begins)).any()
        buyers, bought, revenue = buyers + (len(spent) > 0), bought + len(spent), revenue + spent.sum()
        exposed, lost, squared = exposed + has_ordered, lost + (has_ordered and spent.empty), squared + spent.sum() ** 2
    return buyers, bought, revenue * 100, exposed, lost, squared * 100**2


@pytest.mark.parametrize("as_of", [AS_OF, date(2024, 1, 1)])
@pytest.mark.parametrize("every", ["week", "month", "quarter", "year"])
def test_the_last_twelve_months_hold_each_purchase_while_it_is_in_them(every, as_of):
    orders = purchases(as_of)
    dated = orders.assign(ordered_at=pd.to_datetime(orders["ordered_at"]))
    data = rk.load(orders=dated, timezone="UTC", currency="GBP", as_of=str(as_of))
    for segment in (None, "country"):
        frame = summary(data, "trailing", Granularity(every), segment)
        frame = frame.set_index(["segment_value", "period"])[list(columns("trailing"))]
        for period in periods_of(data, every)[:: 13 if every == "week" else 1]:
            for value in "AB" if segment else ("",):
                actual = tuple(frame.loc[(value, period.index)])
                assert actual == counted(orders, min(period.end, as_of), value or None), (period, value)


def test_days_of_a_week_leave_apart_and_those_of_a_whole_month_together():
    together, apart = (year_windows(Granularity(every), BEGIN, date(2024, 1, 1)) for every in ("month", "week"))
    assert list(together.columns) == ["enters", "leaves", "forgotten"]
    assert (together["leaves"] - together["enters"]).iloc[:24].eq(12).all()
    assert "day" in apart
    assert "day" in year_windows(Granularity("month"), BEGIN, date(2023, 12, 20))
