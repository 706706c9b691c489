"""What a report shows of alerts: a notice on top of those that fire, and a table of where each stands."""

from datetime import date
from typing import get_args

import pandas as pd
import pytest

import retention_kit as rk
from fonts import characters_of
from retention_kit.metrics.alerts.states import State
from retention_kit.report.blocks import BLOCK_MIME, Block, templates_dir
from retention_kit.report.build.assemble import brief
from retention_kit.report.build.provenance import describe
from retention_kit.report.execution.plan import make_plan
from retention_kit.report.message.content import content
from retention_kit.settings.alerts import Alert
from retention_kit.wording import Words


@pytest.fixture(scope="module")
def shop():
    """Fifty customers a month, half in France; ten of them, all French, in April. Call it with alerts."""
    buyers = [(month, f"c{number}") for month in (1, 2, 3, 5) for number in range(50)]
    buyers += [(4, f"c{number}") for number in range(1, 21, 2)]
    orders = pd.DataFrame(
        {
            "customer_id": [name for _, name in buyers],
            "ordered_at": [f"2026-{month:02}-15" for month, _ in buyers],
            "amount": 10,
            "country": ["FR" if int(name[1:]) % 2 else "DE" for _, name in buyers],
        }
    )
    data = rk.load(orders=orders, timezone="UTC", as_of=date(2026, 6, 1), segments=["country"])

    def page(*alerts: Alert, period: str = "2026-04", segment: str = "") -> rk.Page:
        data.settings.alerts[:] = alerts
        return rk.Page(period, "month", segment, "en", data)

    return page


LOST = Alert("Churn", "customer_churn_rate > 50%", then=["notice", "list"], owner="Ann Lee")
EACH = Alert("Revenue", "revenue < 100", each="country", then=["notice"])


def test_what_fires_is_a_notice_with_figures_and_the_list_of_customers(shop):
    block = shop(LOST).alert_notice()
    assert (block.kind, block.data["tone"], block.data["title"]) == ("notice", "attention", "An alert fires")
    assert block.data["items"] == [
        "Churn, since April 2026: Customer churn 80.00% (66.96% to 88.76%), alert when above 50%. "
        "By name: lists/lost_customers.csv."
    ]
    assert shop(LOST, period="2026-05").alert_notice() is None
    silent = Alert("Churn", LOST.when, then=["exit"])
    assert shop(silent).alert_notice() is None
    assert shop(silent).alerts().data["rows"][0][1] == "! firing"


def test_a_notice_counts_what_it_does_not_name(shop):
    many = [Alert(f"Churn {number}", LOST.when, then=["notice"]) for number in range(9)]
    block = shop(*many).alert_notice()
    assert block.data["title"] == "9 alerts fire"
    assert block.data["items"][6:] == ["3 more in the report."]


def test_the_table_has_what_fires_first_and_counts_the_values_of_each(shop):
    block = shop(Alert("Quiet", "revenue < 1"), EACH, LOST).alerts()
    assert [column["label"] for column in block.data["columns"]] == ["Alert", "State", "Since", "Owner", "What it saw"]
    rows = [row[:4] for row in block.data["rows"]]
    assert rows == [
        ["Revenue, country=DE", "! firing", "Apr 2026", "–"],
        ["Churn", "! firing", "Apr 2026", "Ann Lee"],
        ["Quiet", "✓ ok", "Jan 2026", "–"],
        ["Revenue, by country", "✓ ok: 1", "–", "–"],
    ]
    assert shop().alerts() is None


def test_a_page_of_one_value_tells_its_alerts_alone(shop):
    germany = Alert("Germany", "revenue < 100", segment="country=DE")
    assert [row[0] for row in shop(LOST, germany, segment="country=DE").alerts().data["rows"]] == [
        "Germany, country=DE"
    ]


def test_no_data_is_told_with_its_reason(shop):
    block = shop(Alert("NPS", "net_promoter_score < 1", owner="ann@example.com")).alerts()
    assert "ann" in block.data["rows"][0]
    assert block.data["rows"][0][1] == "– no data"
    assert "responses" in block.data["rows"][0][-1]


def test_the_brief_begins_with_what_fires_and_the_manifest_names_rules_but_no_recipient(shop):
    page = shop(Alert("Churn", LOST.when, then=["notice", "mail:ann@example.com"]))
    first = Block(**next(iter(brief(page, []).cells)).outputs[0].data[BLOCK_MIME])
    assert str(first).startswith("An alert fires")
    description = describe(make_plan(page.data, "2026-04", None, None, None, None, ["overview"], None, True))
    assert description["settings"]["alerts"][0]["then"] == ["notice"]


def test_a_message_says_what_fires_above_the_figures(shop):
    page = shop(*[Alert(f"Churn {number}", LOST.when, then=["notice"]) for number in range(5)])
    message = content(page, [], None, [], None)
    assert message["alerts"]["title"] == "5 alerts fire"
    assert len(message["alerts"]["items"]) == 4
    assert content(shop(), [], None, [], None)["alerts"] is None


@pytest.mark.parametrize("weight", ["Regular", "Bold"])
def test_each_state_has_a_shape_of_its_own_that_paper_can_print(weight):
    words = Words()
    labels = [words.text(f"alerts.{state.replace(' ', '_')}") for state in get_args(State)]
    shapes = {text.split()[0] for text in labels}
    assert len(shapes) == len(labels) == 5
    assert {ord(shape) for shape in shapes} <= characters_of(
        templates_dir() / "fonts" / f"IBMPlexSansArabic-{weight}.ttf"
    )
