"""What is expected of customers who buy: against published references, the oracle and a pencil."""

import hashlib
import re
from datetime import date

import duckdb
import pytest

import oracle_cases as cases
import oracle_lives
import retention_kit as rk
from pencil import table
from retention_kit.metrics.forecasts.buyers import cached_fit
from retention_kit.metrics.forecasts.lives import lives
from retention_kit.metrics.queries import lives as queries
from retention_kit.metrics.queries.lives import buyer_groups
from retention_kit.metrics.queries.views import run_query
from retention_kit.periods import Period
from test_real_data import SALES, TWO_YEARS

METRICS = ["predicted_lifetime_value", "customers_at_risk"]


@pytest.fixture(scope="module")
def two_years(shared):
    """Online Retail, two years of it: the sales of known customers, a row for each invoice."""
    lines = (shared / "data" / TWO_YEARS).as_posix()
    orders = duckdb.sql(
        f"SELECT CustomerID AS customer_id, InvoiceNo AS order_id, min(InvoiceDate) AS ordered_at, "
        f"sum(Quantity * UnitPrice) AS amount FROM '{lines}' WHERE {SALES} AND CustomerID IS NOT NULL GROUP BY 1, 2"
    ).df()
    return rk.load(orders=orders, timezone="Europe/London", currency="GBP", as_of="2011-12-10")


def test_online_retail_is_what_the_reference_says(two_years):
    """Reference: another program's fit of the same 5,878 customers, in weeks."""
    fit = cached_fit(two_years, Period.parse("2011-12"))
    model, spend = fit.purchases, fit.spend
    assert (model.customers, model.repeat_buyers) == (5878, 4189)
    assert [model.r, model.alpha, model.a, model.b] == pytest.approx([0.66353, 9.03365, 0.10864, 2.41570], abs=6e-6)
    assert [spend.p, spend.q, spend.v] == pytest.approx([2.1616, 3.5051, 466.17], rel=2e-5)
    [row] = lives(two_years, Period.parse("2011-12"))
    assert row["purchases"] == pytest.approx(18523.1, abs=0.05)
    assert row["value"] / row["customers"] == pytest.approx(1491.13, abs=0.005)
    assert row["low"] < row["value"] < row["high"]
    assert "Customers who buy more often spend more at a time" in row["note"]


@pytest.mark.long
@pytest.mark.parametrize("segment", [None, "channel"])
def test_lifetime_values_are_those_of_the_oracle(segment):
    data, books = cases.company("orders")
    period = Period.parse("2025-06")
    by_oracle = oracle_lives.figures(books, period.end, segment)
    values = rk.scorecard(data, period, segment=segment, metrics=METRICS)
    values = values[values["segment"] == (segment or "")].set_index(["segment_value", "metric"])["value"]
    assert {value for value, _ in values.index} == {*by_oracle}
    for value, expected in by_oracle.items():
        assert values[value, "predicted_lifetime_value"] == pytest.approx(
            expected["predicted_lifetime_value"], rel=1e-5
        )
        assert values[value, "customers_at_risk"] == expected["customers_at_risk"]
    stakes = {row["segment_value"]: row["at_stake"] for row in lives(data, period, segment)}
    assert stakes == pytest.approx({value: expected["at_stake"] for value, expected in by_oracle.items()}, rel=1e-5)


@pytest.mark.long
def test_what_was_asked_before_changes_no_digit():
    """A report of one month and one of many print the same."""
    first, then = (Period.parse(label) for label in ("2025-06", "2025-07"))
    alone, after = (rk.load(orders=cases.tables()["orders"], timezone=cases.ZONE, currency="GBP") for _ in range(2))
    lives(after, first)
    assert lives(after, then) == lives(alone, then)


@pytest.mark.long
def test_parts_sum_to_the_whole():
    """The parameters are those of all customers, so a whole is the sum of its parts."""
    data, _ = cases.company("orders")
    [whole] = lives(data, Period.parse("2025-06"))
    parts = lives(data, Period.parse("2025-06"), "channel")
    for name in ("customers", "purchases", "value", "at_risk", "at_stake"):
        assert sum(part[name] for part in parts) == pytest.approx(whole[name], rel=1e-12)


@pytest.mark.long
def test_the_horizon_and_the_discount_are_settings():
    value = {}
    for options in ({}, {"discount": 0.0}, {"horizon_months": 6}, {"horizon_months": 6, "discount": 0.0}):
        data = rk.load(orders=cases.tables()["orders"], timezone="UTC", currency="GBP", **options)
        [row] = rk.scorecard(data, "2025-06", metrics=["predicted_lifetime_value"])["value"]
        value[tuple(options)] = row
    assert value["horizon_months",] < value[()] < value["discount",] < 1.1 * value[()]
    assert value["horizon_months",] < value["horizon_months", "discount"]


TWENTY = "customer_id  ordered_at  amount\n" + "".join(
    f"c{n}  2023-{1 + n % 6:02}-{1 + n}  10.00\nc{n}  2023-{2 + n % 6 + n % 5:02}-{1 + n}  {10 + n}.00\n"
    for n in range(20)
)


def loaded(text: str, **options):
    return rk.load(orders=table(text), timezone="UTC", currency="GBP", **options)


@pytest.mark.parametrize(("buyers", "refused"), [(10, True), (19, True), (20, False)])
def test_few_repeat_buyers_are_refused_in_a_sentence(buyers, refused):
    text = "\n".join(TWENTY.splitlines()[: 1 + 2 * buyers])
    card = rk.scorecard(loaded(text, as_of="2024-01-01"), "2023-12", metrics=METRICS).set_index("metric")
    assert card["value"].isna().all() == refused
    for note in card["note"] if refused else ():
        assert re.fullmatch(rf"Too few repeat buyers: .* of {buyers} customers .*\.", note)
    if not refused:
        assert card.loc["predicted_lifetime_value", "n"] == 20
        assert "Less than two years of data" in card.loc["predicted_lifetime_value", "note"]
        assert card["low"].isna().all()  # the interval of so few would not hold what it says


def test_spend_that_cannot_be_modelled_leaves_the_rest():
    """All orders are of amount 0: there is no money to forecast, but who is at risk is known."""
    free = re.sub(r"\d+\.00", "0.00", TWENTY)
    card = rk.scorecard(loaded(free, as_of="2024-01-01", zero_orders="purchase"), "2023-12", metrics=METRICS)
    card = card.set_index("metric")
    assert card["value"].isna().tolist() == [True, False]
    assert card.loc["predicted_lifetime_value", "note"].endswith(".")


def test_before_the_first_purchase_there_is_nobody():
    data = loaded(TWENTY, as_of="2024-01-01")
    [row] = lives(data, Period.parse("2022-12"))
    assert (row["customers"], row["value"], row["reason"]) == (0, None, "There are no customers to forecast.")


def test_only_days_with_a_purchase_count():
    """Two orders of one day are one purchase, and a guest's is nobody's."""
    text = "customer_id  ordered_at  amount\nA  2023-01-01  5.00\nA  2023-01-01  6.00\n-  2023-02-01  7.00\n"
    [row] = buyer_groups(loaded(text, as_of="2024-01-01"), Period.parse("2023-12")).to_dict("records")
    assert (row["frequency"], row["recency_days"], row["age_days"], row["customers"]) == (0, 0, 364, 1)
    assert (row["repeat_amount"], row["recent_amount"]) == (0, 1100)


@pytest.mark.parametrize("every", ["month", "week"])
def test_the_whole_is_all_segment_values_at_every_end(every):
    """The whole is counted once for all periods, a segment from each customer's history: row by row the same."""
    orders = cases.tables()["orders"]
    data = rk.load(orders=orders, timezone=cases.ZONE, currency="GBP", as_of="2025-06-18")
    last = Period.of(data.as_of, every)
    for back in (0, 1, 5):  # the last one is incomplete
        whole = buyer_groups(data, last.shift(-back))
        parts = buyer_groups(data, last.shift(-back), "channel")
        alike, sums = ["frequency", "recency_days", "age_days"], ["customers", "repeat_amount", "recent_amount"]
        parts = parts.groupby(alike)[sums].sum().reset_index()
        assert len(parts) > 20
        assert whole[alike + sums].values.tolist() == parts.values.tolist()


def test_those_whose_spend_is_fetched_follow_from_their_ids(monkeypatch):
    """Whether they are found among the customers drawn for all dates, or these are too few."""
    orders = duckdb.sql(
        "SELECT 'c' || n % 90 AS customer_id, DATE '2023-01-01' + CAST(n * 7 % 701 AS INTEGER) AS ordered_at, "
        "n % 13 AS amount FROM range(400) AS numbers(n)"
    ).df()
    monkeypatch.setattr(queries, "MOST_SPENDERS", 15)
    monkeypatch.setattr(queries, "DRAWN", 40)
    data = rk.load(orders=orders, timezone="UTC", currency="GBP", zero_orders="purchase")
    numbers = []
    for ends in (date(2023, 3, 1), date(2023, 8, 20), date(2024, 9, 1)):
        days: dict[str, dict[date, int]] = {}
        for customer, day, amount in orders.itertuples(index=False):
            if day.date() < ends:
                spent = days.setdefault(customer, {})
                spent[day.date()] = spent.get(day.date(), 0) + amount * 100
        repeats = {
            customer: (len(spent) - 1, sum(spent.values()) - spent[min(spent)]) for customer, spent in days.items()
        }
        customers = [customer for customer, (count, amount) in repeats.items() if count and amount]
        customers.sort(key=lambda customer: hashlib.md5(customer.encode()).hexdigest())
        sample = queries.spend_sample(data, ends).values.tolist()
        assert sample == [[*repeats[customer]] for customer in customers[:15]]
        drawn = run_query(data, "SELECT DISTINCT place FROM spenders")
        assert len(drawn) == 40
        numbers.append(len(customers))
    assert numbers[0] < 15 < numbers[-1]
