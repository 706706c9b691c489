"""What the report says about follow-ups: how many are due, in the report of the last period, and nobody's name."""

from __future__ import annotations

import msgspec
import pytest

import retention_kit as rk
from due import with_rules
from pencil import table
from retention_kit.report.build.provenance import describe
from retention_kit.report.execution.plan import make_plan
from retention_kit.report.page import Page

ORDERS = table("""
customer_id  ordered_at        amount  channel
anna-1       2024-03-23 10:00  10      web
bert-2       2024-03-25 10:00  10      app
cora-3       2024-01-04 10:00  10      web
""")
RULES = (
    {"name": "Thank", "when": "7 days after first purchase"},
    {"name": "Back", "when": "no second purchase 5 days before their usual gap ends", "owner": "Ann Lee"},
)


@pytest.fixture
def data():
    return with_rules(rk.load(orders=ORDERS, timezone="UTC", currency="GBP", as_of="2024-04-01"), *RULES)


def test_the_table_counts_who_is_due_and_names_nobody(data):
    block = Page("2024-03", data=data).follow_ups()
    assert [column["label"] for column in block.data["columns"]][2:] == ["To be done by", "Customers", "Owner"]
    assert block.data["rows"] == [
        ["Thank", "7 days after first purchase", "6 Apr 2024 to 8 Apr 2024", "2", "–"],
        ["Back", RULES[1]["when"], "too few customers have bought again to know a usual gap", "–", "Ann Lee"],
    ]
    assert "follow_ups/2024-03-31" in block.data["caption"]
    assert not any(name in str(block.data) for name in ORDERS["customer_id"])
    assert [block.data["title"] for block in Page("2024-03", data=data).listed()][-1] == "Customers to follow up"


def test_only_the_report_of_the_last_period_and_of_all_customers_has_it(data):
    pages = [Page("2024-02", data=data), Page("2024-03", segment="channel=web", data=data)]
    assert [page.follow_ups() for page in pages] == [None, None]
    assert Page("2024-W13", every="week", data=data).follow_ups() is not None
    data.settings = msgspec.structs.replace(data.settings, follow_ups=[])
    assert Page("2024-03", data=data).follow_ups() is None


def test_a_report_is_built_again_where_its_counts_would_be_others_and_not_where_a_text_is(data):
    def described():
        plan = make_plan(data, Page("2024-03", data=data).period, None, None, ["en"], None, [], None, False)
        return describe(plan)["settings"]["follow_ups"]

    first = described()
    with_rules(data, RULES[0] | {"text": "Hello {customer_id}", "then": ["list", "webhook:crm"]}, RULES[1])
    assert described() == first
    with_rules(data, RULES[0] | {"due_within": 1}, RULES[1])
    assert described() != first
