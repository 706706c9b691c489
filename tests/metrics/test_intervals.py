"""The 95% intervals: that they hold the truth, that they are as wide as a bootstrap says, and those of changes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import retention_kit as rk
from pencil import table
from scripts import read_script

COVERAGE = read_script("coverage")
REALISTIC = [case for case in COVERAGE.cases() if "hard" not in case.name]


# Coverage


@pytest.mark.long
@pytest.mark.parametrize("case", REALISTIC, ids=lambda case: f"{case.name} {case.truth:.3g}")
def test_intervals_hold_the_truth_95_times_in_100(case):
    for n in COVERAGE.SIZES:
        simulation = COVERAGE.simulate(case, n, repeats=4_000, seed=11)
        assert 0.93 <= simulation.coverage <= 0.97, f"n = {n}"


def test_a_wald_interval_of_few_would_not():
    """So that the bounds above are known to bite: plain Wald misses where nearly all are promoters."""

    def wald(_n, promoters, detractors):
        return rk.nps([10] * promoters + [8] * (30 - promoters - detractors) + [0] * detractors, interval="wald")

    case = next(case for case in COVERAGE.cases() if case.name == "NPS (hard)")
    assert COVERAGE.simulate(case._replace(measure=wald), 30, repeats=2_000).coverage < 0.90


def recorded_lines() -> list[str]:
    """The part of the page that the script writes."""
    return COVERAGE.FILE.read_text("utf-8").partition("\n## ")[0].splitlines()


@pytest.mark.long
def test_the_recorded_table_is_what_the_script_makes():
    recorded = recorded_lines()
    table = [line for line in recorded if line.startswith("| ")][1:]
    assert len(table) == len(COVERAGE.cases()) * len(COVERAGE.SIZES)
    for index, case in enumerate(COVERAGE.cases()):
        n = COVERAGE.SIZES[index % 3]  # a row a case; the dearest size is left to the script
        assert COVERAGE.line(COVERAGE.simulate(case, n)) in table


def test_the_recorded_table_says_what_lies_outside():
    """Realistic figures lie within 93-97%; each that does not is hard, and listed below the table."""
    recorded = recorded_lines()
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in recorded if line.startswith("| ")][1:]
    outside = [(name, n) for name, n, _, coverage, _ in table if "outside" in coverage]
    for name, _, _, coverage, _ in table:
        percent = float(coverage.split("%")[0])
        assert ("outside" in coverage) == (not 93 <= percent <= 97)
        assert "hard" in name or "outside" not in coverage
    listed = [line.removeprefix("- ").split(",") for line in recorded if line.startswith("- ")]
    assert [(name, n.removeprefix(" n = ")) for name, n, *_ in listed] == outside


# Widths, against resampling the customers


def bootstrap(figure, *columns: pd.Series, seed: int = 5, times: int = 4_000) -> tuple[float, float]:
    """The 95% interval of a figure of sums, from samples of the same customers with replacement."""
    values = np.column_stack([column.to_numpy(float) for column in columns])
    rng, count = np.random.default_rng(seed), len(values)
    sums = rng.multinomial(count, np.full(count, 1 / count), times) @ values
    low, high = np.quantile(figure(*sums.T), (0.025, 0.975))
    return low, high


@pytest.fixture(scope="module")
def buyers(sample) -> pd.DataFrame:
    """Per buyer of November 2025: how often they bought and for how much."""
    rows = sample.engine.frame(
        "SELECT customer_id, count(*) AS purchases, sum(amount) AS spent FROM orders "
        "WHERE is_purchase AND customer_id IS NOT NULL AND day >= DATE '2025-11-01' AND day < DATE '2025-12-01' GROUP BY 1"
    )
    return rows.assign(one=1, spent=rows["spent"].astype(float) / sample.minor)


@pytest.fixture(scope="module")
def accounts(sample) -> pd.DataFrame:
    """Per member: MRR at the start and the end of 2025, what changed between, and whether they ever paid before."""
    spells = sample.engine.frame("SELECT customer_id, paid_from, paid_until, mrr FROM subscriptions WHERE mrr > 0")
    spells["mrr"] = spells["mrr"].astype(float) / (12 * sample.minor)

    def at(boundary: str) -> pd.Series:
        running = (spells["paid_from"] < boundary) & ~(spells["paid_until"] < boundary)
        return spells[running].groupby("customer_id")["mrr"].sum()

    both = pd.DataFrame({"start": at("2025-01-01"), "end": at("2026-01-01")}).fillna(0.0)
    change, stayed = both["end"] - both["start"], both["start"] > 0
    return both.assign(
        account=(both["end"] > 0).astype(int),
        kept=both[["start", "end"]].min(axis=1),
        ended=both["end"].where(stayed, 0),
        less=(-change).clip(lower=0),
        more=change.clip(lower=0),
        back=change.where(~stayed & both.index.isin(spells.loc[spells["paid_from"] < "2025-01-01", "customer_id"]), 0),
    ).assign(grown=lambda row: row["more"].where(stayed, 0))


def assert_as_wide(data, metric: str, period: str, low: float, high: float) -> None:
    figure = rk.scorecard(data, period, metrics=[metric]).iloc[0]
    half = (high - low) / 2
    assert figure["high"] - figure["low"] == pytest.approx(2 * half, rel=0.1)
    assert figure["low"] == pytest.approx(low, abs=0.2 * half)
    assert figure["high"] == pytest.approx(high, abs=0.2 * half)


PURCHASES = {
    "average_purchase_value": (lambda spent, bought: spent / bought, ("spent", "purchases")),
    "purchase_frequency": (lambda bought, buyers: bought / buyers, ("purchases", "one")),
    "average_revenue_per_customer": (lambda spent, buyers: spent / buyers, ("spent", "one")),
}
RECURRING = {
    "average_revenue_per_account": (lambda end, accounts: end / accounts, ("end", "account")),
    "gross_revenue_retention": (lambda kept, start: kept / start, ("kept", "start")),
    "gross_revenue_churn_rate": (lambda less, start: less / start, ("less", "start")),
    "net_revenue_retention": (lambda ended, start: ended / start, ("ended", "start")),
    "net_revenue_churn_rate": (
        lambda less, grown, back, start: (less - grown - back) / start,
        ("less", "grown", "back", "start"),
    ),
    "quick_ratio": (lambda more, less: more / less, ("more", "less")),
}


@pytest.mark.parametrize("metric", PURCHASES)
def test_means_of_purchases_are_as_certain_as_resampling_says(sample, buyers, metric):
    """Purchases of one customer are alike, so the customers are resampled, not the purchases."""
    figure, columns = PURCHASES[metric]
    assert_as_wide(sample, metric, "2025-11", *bootstrap(figure, *(buyers[name] for name in columns)))


@pytest.mark.long
@pytest.mark.parametrize("metric", RECURRING)
def test_ratios_of_mrr_are_as_certain_as_resampling_says(sample, accounts, metric):
    figure, columns = RECURRING[metric]
    assert_as_wide(sample, metric, "2025", *bootstrap(figure, *(accounts[name] for name in columns)))


# Changes


def test_a_change_has_the_interval_of_a_difference(sample):
    """Each side's distance squared and summed (Newcombe 1998, method 10), for every figure that has an interval.

    Its size hangs on how alike customers of both periods are in them (paired), which the tests below check.
    """
    periods = ["2025-10", "2025-11"]
    frame = rk.scorecard(sample, periods=periods).set_index(["metric", "period"])
    seen = set()
    for metric in frame.index.unique("metric"):
        before, now = (frame.loc[(metric, period)] for period in periods)
        if rk.METRICS[metric].overlaps or pd.isna(now["low"]) or pd.isna(before["low"]):
            assert pd.isna(now["change_low"]), metric
            assert pd.isna(now["change_high"]), metric
            continue
        seen.add(metric)
        change = now["value"] - before["value"]
        down = now["value"] - now["low"], before["high"] - before["value"]
        up = now["high"] - now["value"], before["value"] - before["low"]
        assert now["change"] == pytest.approx(change), metric
        assert abs(down[0] - down[1]) - 1e-9 <= change - now["change_low"] <= sum(down) + 1e-9, metric
        assert abs(up[0] - up[1]) - 1e-9 <= now["change_high"] - change <= sum(up) + 1e-9, metric
    assert {"customer_retention_rate", "net_promoter_score", "average_purchase_value"} <= seen


@pytest.fixture(scope="module")
def two_months(sample) -> pd.DataFrame:
    """Per customer of October or November 2025, what each figure adds up in either month."""
    rows = sample.engine.frame(
        "SELECT customer_id, day >= DATE '2025-11-01' AS is_now, count(*) AS purchases, sum(amount) AS spent FROM orders "
        "WHERE is_purchase AND customer_id IS NOT NULL AND day >= DATE '2025-10-01' AND day < DATE '2025-12-01' GROUP BY 1, 2"
    )
    first = sample.engine.frame("SELECT customer_id, min(day) AS first FROM orders WHERE is_purchase GROUP BY 1")
    rows = rows.merge(first, on="customer_id").assign(
        one=1, spent=lambda row: row["spent"].astype(float) / sample.minor
    )
    rows["again"] = (rows["purchases"] > 1).astype(int)
    begins = pd.to_datetime(rows["is_now"].map({True: "2025-11-01", False: "2025-10-01"}))
    rows["known"] = (pd.to_datetime(rows["first"]) < begins).astype(int)
    wide = rows.drop(columns="first").pivot(index="customer_id", columns="is_now").fillna(0)
    wide.columns = [f"{name}_{'now' if is_now else 'before'}" for name, is_now in wide.columns]
    return wide


RATIOS = {
    "average_purchase_value": ("spent", "purchases"),
    "purchase_frequency": ("purchases", "one"),
    "average_revenue_per_customer": ("spent", "one"),
    "repeat_purchase_rate": ("again", "one"),
    "returning_customer_rate": ("known", "one"),
}


@pytest.mark.parametrize("metric", RATIOS)
def test_a_change_is_as_certain_as_resampling_customers_says(sample, two_months, metric):
    """Customers are drawn with what they did in both months."""
    x, y = RATIOS[metric]
    columns = [two_months[f"{name}_{when}"] for when in ("now", "before") for name in (x, y)]
    low, high = bootstrap(lambda x, y, x_before, y_before: x / y - x_before / y_before, *columns)
    figure = rk.scorecard(sample, "2025-11", metrics=[metric]).iloc[0]
    half = (high - low) / 2
    assert figure["change_high"] - figure["change_low"] == pytest.approx(2 * half, rel=0.1)
    assert figure["change_low"] == pytest.approx(low, abs=0.25 * half)
    assert figure["change_high"] == pytest.approx(high, abs=0.25 * half)


def test_a_change_of_accounts_is_as_certain_as_resampling_customers_says(sample, accounts):
    figure = rk.scorecard(sample, "2025", metrics=["average_revenue_per_account"]).iloc[0]
    was = (accounts["start"] > 0).astype(int)
    columns = accounts["end"], accounts["account"], accounts["start"], was
    low, high = bootstrap(lambda x, y, x_before, y_before: x / y - x_before / y_before, *columns)
    assert (figure["change_low"], figure["change_high"]) == pytest.approx((low, high), abs=0.1 * (high - low))


def rise(factor: float) -> pd.DataFrame:
    """Two hundred customers who spend from £5 to £200 each, in January and at other prices in February."""
    spent = pd.Series(range(200)) ** 1.5 / 15 + 5
    names = [f"c{number}" for number in range(200)]
    before = pd.DataFrame({"customer_id": names, "ordered_at": "2024-01-10", "amount": spent.round(2)})
    return pd.concat([before, before.assign(ordered_at="2024-02-10", amount=(spent * factor).round(2))])


@pytest.mark.parametrize("metric", ["average_purchase_value", "average_revenue_per_customer"])
@pytest.mark.parametrize("factor", [1.1, 0.92, 1.02])
def test_a_change_of_price_for_everybody_is_no_chance(metric, factor):
    data = rk.load(orders=rise(factor), timezone="UTC", every="month", as_of="2024-03-01")
    row = rk.scorecard(data, "2024-02", metrics=[metric]).iloc[0]
    assert (row["change_low"] > 0) == (row["change_high"] > 0) == (factor > 1)
    assert row["low"] < row["previous"] < row["high"], "taken apart, the two months would not differ"


@pytest.mark.parametrize("mode", ["last", "all"])
def test_the_same_customers_who_all_answer_a_point_better_have_moved(mode, tmp_path):
    """Of a hundred, eight passives become promoters; as other people's answers that would be chance."""
    scores = [10] * 40 + [8] * 40 + [3] * 20
    rows = [(f"c{n}", "2024-01-10", "nps", score) for n, score in enumerate(scores)]
    rows += [(f"c{n}", "2024-02-10", "nps", 10 if n < 48 else score) for n, score in enumerate(scores)]
    columns = ["customer_id", "responded_at", "survey", "score"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "survey.csv", index=False)
    settings = f'[report]\ntimezone = "UTC"\nas_of = 2024-03-01\n[definitions]\nanswers = "{mode}"\n'
    (tmp_path / "retention.toml").write_text(f'[data]\nresponses = "survey.csv"\n{settings}', "utf-8")
    row = rk.scorecard(rk.load(tmp_path), "2024-02", metrics=["net_promoter_score"]).iloc[0]
    assert row["change"] == pytest.approx(8)
    assert row["change_low"] > 0
    anonymous = pd.DataFrame(rows, columns=columns).drop(columns="customer_id")
    row = rk.scorecard(rk.load(responses=anonymous, timezone="UTC", as_of="2024-03-01"), "2024-02").set_index("metric")
    assert row.loc["net_promoter_score", "change_low"] < 0


def test_an_incomplete_period_has_no_interval_of_change():
    data = rk.sample(as_of="2025-12-20")
    frame = rk.scorecard(data, "2025-12", metrics=["customer_retention_rate", "net_promoter_score"])
    assert frame["low"].notna().all()
    assert frame[["change", "change_low", "change_high"]].isna().all(axis=None)


@pytest.mark.parametrize("scale", [1, 100])
def test_what_is_left_and_what_is_lost_of_the_start_is_neither_below_nothing_nor_above_all(scale):
    """Of 100 + 1 + 1 a month, the largest goes; then the two small ones: the normal interval reaches beyond both ends."""
    spells = """
        customer_id  started_at  ended_at    amount
        A            2024-01-05  {}          {}
        B            2024-01-05  {}          {}
        C            2024-01-05  {}          {}
        """
    bounds = {}
    for name, ends in (("large", ("2024-02-10", "-", "-")), ("small", ("-", "2024-02-10", "2024-02-10"))):
        amounts = (100 * scale, scale, scale)
        frame = table(spells.format(*(field for pair in zip(ends, amounts, strict=True) for field in pair)))
        data = rk.load(subscriptions=frame, timezone="UTC", currency="GBP", as_of="2024-03-01")
        rows = rk.scorecard(data, "2024-02").set_index("metric")
        bounds[name] = {
            metric: (rows.loc[metric, "low"], rows.loc[metric, "high"])
            for metric in ("gross_revenue_retention", "gross_revenue_churn_rate", "net_revenue_churn_rate")
        }
    assert bounds["large"]["gross_revenue_retention"][0] == 0
    assert bounds["large"]["gross_revenue_churn_rate"][1] == bounds["large"]["net_revenue_churn_rate"][1] == 1
    assert bounds["small"]["gross_revenue_retention"][1] == 1
    assert bounds["small"]["gross_revenue_churn_rate"][0] == 0


def test_what_cannot_be_measured_has_no_interval():
    """One customer says nothing of others, nor do customers who are all alike."""
    orders = pd.DataFrame({"customer_id": ["A", "A", "B"], "ordered_at": "2024-01-05", "amount": [10, 20, 10]})
    alone = rk.load(orders=orders[:2], timezone="UTC", every="month", as_of="2024-02-01")
    alike = rk.load(
        orders=orders[[False, True, True]].assign(amount=7), timezone="UTC", every="month", as_of="2024-02-01"
    )
    for data in (alone, alike):
        card = rk.scorecard(data, "2024-01", metrics=["average_purchase_value", "average_revenue_per_customer"])
        assert card["value"].notna().all()
        assert card[["low", "high"]].isna().all(axis=None)
