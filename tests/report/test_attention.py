"""What needs attention: what costs most first, against what is usual, with the lists that name whom to ask."""

from __future__ import annotations

import csv
import re

import pandas as pd
import pytest

import retention_kit as rk
from retention_kit.data.summary_key import SummaryKey
from retention_kit.metrics.forecasts.lists import STAKES, risk_lists, risk_totals
from retention_kit.metrics.insights import usual_value
from retention_kit.metrics.queries.customer_lists import LISTS, ListTotal, customer_lists, list_totals
from retention_kit.periods import Period
from retention_kit.report.export.csv_files import write_lists
from retention_kit.report.page import Page
from retention_kit.wording import DASH


def spells(lost: dict[str, int], stay: int = 5) -> pd.DataFrame:
    """Subscriptions of £10 from 2023 on: `lost` of them end on the tenth of each month, `stay` never."""
    rows = [
        (f"{month}-{number}", "2023-01-01", f"{month}-10", 10.0)
        for month, count in lost.items()
        for number in range(count)
    ]
    rows += [(f"stays-{number}", "2023-01-01", None, 10.0) for number in range(stay)]
    return pd.DataFrame(rows, columns=["customer_id", "started_at", "ended_at", "amount"])


def page(lost: dict[str, int], period: str = "2023-06", settings: str = "", tmp_path=None) -> Page:
    options = {"timezone": "UTC", "currency": "GBP", "as_of": "2023-07-01"}
    if not settings:
        return Page(period, data=rk.load(subscriptions=spells(lost), **options))
    spells(lost).to_csv(tmp_path / "subscriptions.csv", index=False)
    text = '[data]\nsubscriptions = "subscriptions.csv"\n[report]\ntimezone = "UTC"\ncurrency = "GBP"\nas_of = 2023-07-01\n'
    (tmp_path / "retention.toml").write_text(text + settings, "utf-8")
    return Page(period, data=rk.load(tmp_path / "retention.toml"))


@pytest.mark.parametrize(
    ("before", "comparison"),
    [
        ({"2023-02": 1, "2023-03": 2, "2023-04": 2, "2023-05": 9}, "(2 in a usual month)"),  # 0 1 2 2 9
        ({"2023-02": 4, "2023-03": 4, "2023-04": 1, "2023-05": 7}, "(4 in a usual month)"),  # 0 1 4 4 7
    ],
)
def test_the_lost_stand_beside_what_is_usual(before, comparison):
    (item,) = page(before | {"2023-06": 3}).attention().data["items"]
    assert item == (
        f"Paying customers lost in June 2023: 3 {comparison}; they paid £30.00 a month. By name: lists/lost_customers.csv."
    )


def test_zeros_of_before_the_table_begins_are_not_usual():
    """Answers are known from 2022 on, subscriptions from 2023 on, when 0, 4, 4, 1 and 7 were lost."""
    lost = {"2023-02": 4, "2023-03": 4, "2023-04": 1, "2023-05": 7, "2023-06": 3}
    answer = pd.DataFrame({"responded_at": ["2022-01-05"], "survey": "nps", "score": 9, "scale": "0-10"})
    options = {"timezone": "UTC", "currency": "GBP", "as_of": "2023-07-01"}
    data = rk.load(subscriptions=spells(lost), responses=answer, **options)
    items = Page("2023-06", data=data).attention().data["items"]
    assert any("lost in June 2023: 3 (4 in a usual month)" in item for item in items)


def test_of_two_months_nothing_is_usual():
    (item,) = page({"2023-03": 3}, "2023-03").attention().data["items"]
    assert "usual" not in item


def test_usual_is_the_median_of_the_twelve_complete_periods_before():
    """0 of a year and a month before and 99 of the running one count for nothing; of the other twelve it is 6.5."""
    months = [str(Period.parse("2024-01").shift(number)) for number in range(14)]
    values = [0, *range(1, 13), 99]
    rows = pd.DataFrame({"metric": "lost_customers", "period": months, "value": values, "complete": True})
    assert usual_value(rows, "lost_customers", Period.parse(months[13])) == 6.5
    assert usual_value(rows, "lost_customers", Period.parse(months[2])) is None
    assert usual_value(rows.assign(complete=False), "lost_customers", Period.parse(months[13])) is None


@pytest.mark.parametrize(("target", "first"), [(100, "MRR"), (81, "Paying customers lost")])
def test_what_costs_most_comes_first(tmp_path, target, first):
    """MRR of £50 misses £100 by £50 or £81 by £31; the lost paid £40."""
    goal = f"[goals.mrr]\ntarget = {target}\n"
    items = page({"2023-06": 4}, settings=goal, tmp_path=tmp_path).attention().data["items"]
    assert len(items) == 2
    assert items[0].startswith(first.replace("MRR", "Monthly recurring revenue is £50.00 and misses its goal"))
    assert f"by £{target - 50}.00." in " ".join(items)


@pytest.mark.long
@pytest.mark.parametrize("options", [{}, {"basis": "orders"}], ids=["subscriptions", "orders"])
@pytest.mark.parametrize("only", ["", "channel=web"])
def test_what_is_said_of_a_list_is_what_the_file_holds(tmp_path, options, only):
    sample = Page("2025-12", segment=only, data=rk.sample(**options))
    lists = customer_lists(sample.data, sample.period, only=sample.alone)
    lists |= (at_risk := risk_lists(sample.data, sample.period, only=sample.alone))
    write_lists(sample, lists, tmp_path)
    listed = {row[0]: row for row in sample.lists().data["rows"]}
    assert set(listed) == {f"lists/{name}{sample.suffix}.csv" for name in (*LISTS, *at_risk)}
    totals = list_totals(sample.data, sample.period, only=sample.alone)
    for name, total in (totals | risk_totals(sample.data, sample.period, only=sample.alone)).items():
        file = sample.list_file(name)
        with (tmp_path / file).open(encoding="utf-8", newline="") as opened:
            rows = list(csv.DictReader(opened))
        by = next(metric for metric in (*STAKES, "mrr", "revenue_12_months") if metric in rows[0])
        money = [row[by] for row in rows]
        assert all(re.fullmatch(r"\d+(\.\d{1,2})?", amount) for amount in money), "pence, no twelfths of them"
        assert len(rows) == total.customers
        assert sum(map(float, money)) == pytest.approx(total.money, abs=0.005 * len(rows))
        sum_of_money = sample.words.value(total.money, "money")
        figures = [sum_of_money] if not at_risk else [DASH, sum_of_money] if name in at_risk else [sum_of_money, DASH]
        columns = [*rows[0]] if name not in at_risk else [*[*rows[0]][:3], f"{len(rows[0]) - 3} more"]
        assert listed[file][1:] == [sample.words.value(len(rows), "count"), *figures, ", ".join(columns)]
        counted = {"at_risk": "customers_at_risk", "second_purchase": None}.get(name, name)
        if counted is not None:
            assert getattr(total, "in_all", total.customers) == sample.row(counted).value
    lost = next(item for item in sample.attention().data["items"] if "lists/lost_customers" in item)
    assert listed[sample.list_file("lost_customers")][2] in lost


def test_a_kind_of_money_that_no_list_has_is_no_column(monkeypatch):
    columns = ("customer_id", "mrr")
    none, lost, risk = ListTotal(0, 0, 0.0, columns), ListTotal(2, 2, 30.0, columns), ListTotal(1, 1, 9.0, columns)
    for totals, risks, heads in (
        ({"lost_customers": lost}, {"at_risk": none}, ["Paid a month"]),
        ({"lost_customers": none}, {"at_risk": risk}, ["At stake"]),
        ({"lost_customers": lost}, {"at_risk": risk}, ["Paid a month", "At stake"]),
    ):
        sample = page({"2023-05": 1, "2023-06": 3})
        monkeypatch.setattr(sample, "list_totals", lambda totals=totals: totals)
        monkeypatch.setattr(sample, "risk_totals", lambda risks=risks: risks)
        data = sample.lists().data
        assert [column["label"] for column in data["columns"]] == ["File", "Customers", *heads, "Columns"]
        assert {len(row) for row in data["rows"]} == {3 + len(heads)}
        assert not all("–" in row for row in data["rows"]) or len(heads) == 2


def test_where_no_customers_are_at_hand_no_list_is_named():
    sample = page({"2023-05": 1, "2023-06": 3})
    sample.data.summaries[SummaryKey("lists", ("2023-06", tuple(sample.columns)))] = {}
    assert sample.lists() is None
    assert sample.attention().data["items"] == ["Paying customers lost in June 2023: 3 (0 in a usual month)."]


def sold(february: list[tuple[str | None, float]]) -> Page:
    """January: five customers of £100 each and a guest of £50; then what is given."""
    rows = [(f"c{number}", "2024-01-10", 100.0) for number in range(5)] + [(None, "2024-01-10", 50.0)]
    rows += [(customer, "2024-02-10", amount) for customer, amount in february]
    orders = pd.DataFrame(rows, columns=["customer_id", "ordered_at", "amount"])
    return Page("2024-02", data=rk.load(orders=orders, timezone="UTC", currency="GBP", as_of="2024-03-01"))


ALL = [(f"c{number}", 100.0) for number in range(5)]


@pytest.mark.parametrize(
    ("february", "sentence"),
    [
        ([*ALL, (None, 250.0)], "Guests make the difference: they spent £200 more than in January 2024."),
        (
            [*ALL, ("c9", 900.0), (None, 50.0)],
            "One customer makes the difference: they spent £900 more than in January 2024.",
        ),
        ([*ALL[1:], (None, 50.0)], "One customer makes the difference: they spent £100 less than in January 2024."),
        ([*ALL, ("c0", 30.0), ("c1", 30.0), ("c2", 30.0), (None, 50.0)], ""),  # a third each
        ([*ALL, ("c9", 60.0)], "One customer makes the difference: they spent £60.00 more than in January 2024."),
        ([*ALL, (None, 50.0)], ""),  # nothing moved
    ],
)
def test_who_makes_most_of_a_sum_is_told(february, sentence):
    """Also where others partly undo it: c9 spent £60 more, and guests £50 less, in all £10 more."""
    page = sold(february)
    assert page.driver(page.row("revenue")) == sentence
    assert (sentence in page.trend("revenue").data["caption"]) == bool(sentence) or not sentence
    assert page.driver(page.row("active_customers")) == ""


def test_a_customer_who_moved_a_sum_is_not_named():
    page = sold([*ALL, ("Ms Very Recognisable", 900.0)])
    assert "Recognisable" not in str(page.trend("revenue")) + str(page.headline())
