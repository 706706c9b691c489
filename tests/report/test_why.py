"""Why figures changed: which values made it by more than chance, what sums are made of, and that all of it adds up."""

from __future__ import annotations

from math import fsum

import pandas as pd
import pytest

import retention_kit as rk
from retention_kit.metrics.change_parts import change_parts, decompose_change, segment_changes
from retention_kit.metrics.identities import identities
from retention_kit.report.page import Page

HEADLINE = ("customer_retention_rate", "net_promoter_score", "revenue", "mrr")


def buyers(month: str, value: str, first: int, count: int, amount: float = 10.0, each: int = 1) -> list[tuple]:
    """Customers `first` to `first + count` of a value, who buy `each` times in a month."""
    return [
        (f"{value}{number}", f"{month}-{day:02}", amount, value)
        for number in range(first, first + count)
        for day in range(1, each + 1)
    ]


def page(rows: list[tuple], period: str = "2024-03", segment: str = "channel", **options) -> Page:
    orders = pd.DataFrame(rows, columns=["customer_id", "ordered_at", "amount", "channel"])
    options = {"timezone": "UTC", "currency": "GBP", "as_of": "2024-04-01"} | options
    return Page(period, segment=segment, data=rk.load(orders=orders, **options))


def shop(web: tuple[int, int], store: tuple[int, int], size: int = 400) -> list[tuple]:
    """`size` buyers of each value in January, as many in February; how many of each bought in the month before."""
    rows = []
    for value, (february, march) in (("web", web), ("store", store)):
        rows += buyers("2024-01", value, 0, size)
        rows += buyers("2024-02", value, 0, february) + buyers("2024-02", value, size, size - february)
        rows += buyers("2024-03", value, 0, min(march, february)) + buyers(
            "2024-03", value, size, max(march - february, 0)
        )
    return rows


def test_the_value_that_fell_is_named_with_its_part_and_the_rest_is_chance():
    """Web keeps 250 of 400, then 150; store 250, then 244: 62.5% to 49.25%, 12.5 points of it in web, 0.75 in store."""
    items = page(shop((250, 150), (250, 244))).why().data["items"]
    assert items[0] == (
        "Customer retention fell by 13.3 points to 49.3%: by channel, 12.5 points of it in web (62.5% to 37.5%); "
        "the rest is within chance."
    )


def test_what_goes_the_other_way_has_its_sign():
    """Web loses 25 points of 400, store wins 20: the whole falls by 2.5."""
    items = page(shop((250, 150), (250, 330))).why().data["items"]
    assert items[0] == (
        "Customer retention at 60.0%, no clear change: by channel, −12.5 points in web (62.5% to 37.5%), "
        "+10.0 points in store (62.5% to 82.5%)."
    )


def test_a_fall_of_all_values_alike_names_none():
    (item, *_) = page(shop((250, 232), (250, 232))).why().data["items"]
    assert item.endswith("no value of channel alone changed by more than chance explains.")


def test_other_customers_of_the_same_habits_are_mix():
    """Web keeps 80%, store 20%. Of the buyers of January a half are web's, of those of February four in five."""
    rows = buyers("2024-01", "web", 0, 400) + buyers("2024-01", "store", 0, 400)
    rows += buyers("2024-02", "web", 0, 320) + buyers("2024-02", "store", 0, 80) + buyers("2024-02", "web", 900, 320)
    rows += buyers("2024-02", "store", 900, 80)
    rows += buyers("2024-03", "web", 900, 320) + buyers("2024-03", "web", 0, 192) + buyers("2024-03", "store", 900, 32)
    (item, *_) = page(rows).why().data["items"]
    assert item == (
        "Customer retention rose by 18.0 points to 68.0%: by channel, 18.0 points of it by the mix of its values."
    )


def test_revenue_is_customers_times_purchases_times_their_value_and_guests():
    """100 buyers × 1 × £10 to 200 × 2 × £15; guests from £0 to £700. Of 5,000: 1,916.67, 1,916.67, 1,166.67."""
    rows = buyers("2024-02", "web", 0, 100) + buyers("2024-03", "web", 0, 200, 15.0, 2)
    rows += [(None, "2024-03-05", 700.0, "web")]
    (item,) = (text for text in page(rows, segment="").why().data["items"] if text.startswith("Revenue"))
    assert item == (
        "Revenue rose by 570.0% to £6,700: +£1,917 by more customers, +£1,917 by more purchases each, "
        "+£1,167 by larger purchases, +£700 by guests."
    )


def test_what_chance_may_have_done_to_a_factor_is_said():
    rows = buyers("2024-02", "web", 0, 100) + buyers("2024-02", "web", 0, 40) + buyers("2024-03", "web", 0, 100)
    rows += buyers("2024-03", "web", 0, 42)
    (item,) = (text for text in page(rows, segment="").why().data["items"] if text.startswith("Revenue"))
    assert item == "Revenue rose by 1.4% to £1,420: +£20.00 by more purchases each (may be chance)."


def test_mrr_is_its_movements_and_the_values_whose_customers_moved_it():
    rows = [(f"old{n}", "2023-01-01", None, 10.0, "basic") for n in range(300)]
    rows += [(f"new{n}", "2024-03-05", None, 20.0, "pro") for n in range(60)]
    rows += [(f"pro{n}", "2023-01-01", None, 20.0, "pro") for n in range(50)]
    rows += [(f"gone{n}", "2023-01-01", "2024-03-10", 10.0, "basic") for n in range(3)]
    rows += [(f"came{n}", "2024-03-10", None, 10.0, "basic") for n in range(35)]
    frame = pd.DataFrame(rows, columns=["customer_id", "started_at", "ended_at", "amount", "plan"])
    data = rk.load(subscriptions=frame, timezone="UTC", currency="GBP", as_of="2024-04-01")
    (item,) = (
        text for text in Page("2024-03", segment="plan", data=data).why().data["items"] if text.startswith("Monthly")
    )
    assert item == (
        "Monthly recurring revenue rose by 37.7% to £5,550: +£1,550 new, −£30.00 lost; by plan, "
        "£1,200 of it in pro (£1,000 to £2,200), £320 of it in basic (£3,030 to £3,350)."
    )


def test_who_moves_to_another_value_moves_their_mrr():
    """France has A, who pays 10; B brings 100 from Spain in March and then pays 120; C takes 5 back to Spain."""
    rows = [
        ("A", "2024-01-01", None, 10, "France"),
        ("B", "2024-01-01", "2024-03-10", 100, "Spain"),
        ("B", "2024-03-10", None, 120, "France"),
        ("C", "2024-01-01", "2024-03-12", 5, "France"),
        ("C", "2024-03-12", None, 5, "Spain"),
    ]
    frame = pd.DataFrame(rows, columns=["customer_id", "started_at", "ended_at", "amount", "country"])
    data = rk.load(subscriptions=frame, timezone="UTC", currency="GBP", segments=["country"], as_of="2024-04-01")
    sentences = {
        value: Page("2024-03", segment=f"country={value}", data=data).why().data["items"][-1]
        for value in ("France", "Spain")
    }
    assert sentences["France"].endswith("to £130: +£20.00 expansion, +£95.00 by moves from other values.")
    assert sentences["Spain"].endswith("to £5.00: −£95.00 by moves to other values.")


def test_nothing_is_said_of_a_running_period_of_the_first_or_of_few():
    rows = shop((250, 150), (250, 244))
    assert page(rows, as_of="2024-03-20").why() is None
    assert page(rows, "2024-01").why() is None
    items = page(shop((15, 5), (15, 14), size=20)).why()
    assert items is None or not any("channel" in item for item in items.data["items"])


def test_a_value_alone_is_told_by_its_own_parts():
    items = page(shop((250, 150), (250, 244)), segment="channel=web").why().data["items"]
    assert [item for item in items if "channel" in item] == []
    assert items[-1] == "Revenue fell by 62.5% to £1,500: −£2,500 by fewer customers."


@pytest.mark.long
@pytest.mark.parametrize(("period", "column"), [("2025-12", "channel"), ("2024-02", "country")])
def test_the_parts_add_up_to_the_change(sample, column, period):
    page = Page(period, segment=column, data=sample)
    changes = page.changes(column)
    for metric, rows in changes.groupby("metric"):
        row = page.row(metric)
        parts = change_parts(rows, page.base, page.period)
        scale = max(1.0, abs(row.value))
        unassigned = 0.0 if metric in ("revenue", "mrr") else decompose_change(rows).unassigned
        assert fsum(part.amount for part in parts) + unassigned == pytest.approx(row.change, abs=1e-12 * scale), metric
    for by_part in (page._revenue_parts(), page._mrr_parts()):
        change = page.row("revenue" if "guests" in by_part else "mrr").change
        assert fsum(by_part.values()) == pytest.approx(change, rel=1e-9)


def test_what_is_no_ratio_of_its_parts_is_not_split(sample):
    """A metric of somebody's own may divide otherwise than it says; its parts would not add up."""
    name, period = "customer_retention_rate", rk.Period.parse("2025-12")
    rows = rk.scorecard(sample, periods=["2025-11", "2025-12"], segment="channel", metrics=[name])
    assert len(segment_changes(sample, period, "channel", [name], rows)) == 4
    assert segment_changes(sample, period, "channel", [name], rows.assign(value=1 - rows["value"])).empty


def test_the_report_asserts_it(sample):
    (check,) = (identity for identity in identities(sample, "month", ("channel",)) if identity.name == "change")
    assert (check.broken, check.column) == ((), "channel")
    assert check.periods > 24


def test_page_and_mail_say_it_alike(sample):
    from retention_kit.report.message.content import content

    page = Page("2025-12", segment="channel", data=sample)
    block = content(page, [], None, [], None)["why"]
    assert block["items"] == page.why().data["items"]
    assert len(block["items"]) == len(HEADLINE)
