"""How often a report claims what is not there, simulated: `python benchmarks/chance.py` writes the last part of
COVERAGE.md.

Companies in which nothing changes: customers come, buy, subscribe, answer and leave at rates of their own that stay as
they are, and segment values are dealt to them by lot. Each of thirteen months is a report; a claim in it is false. Then
something is changed, and what counts is how often the report says so.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

import retention_kit as rk
from retention_kit.data.summary_key import SummaryKey
from retention_kit.metrics.catalogue import METRICS, ranked
from retention_kit.metrics.change_parts import change_parts, part_claims, segment_changes
from retention_kit.metrics.insights import Claim, segment_claims, significant
from retention_kit.report.page import Page

SEED, COMPANIES, MONTHS = 11, 200, 13
POWER = 40  # companies in which something changes
COLUMNS = {"six": 6, "twelve": 12, "twenty": 20, "forty": 40}  # segment columns and how many values they have
BEGIN, LAST, AS_OF = "2021-01-01", "2024-12", "2025-01-01"  # in four years nearly all of the first customers are gone
DAYS = (pd.Timestamp(AS_OF) - pd.Timestamp(BEGIN)).days
LIFETIME = 240  # days, on average
EXPLAINED = ("customer_retention_rate", "net_promoter_score", "revenue", "mrr")  # whose changes are split by segment
HEADING = "## How often a report claims what is not there"
FILE = Path(__file__).with_name("COVERAGE.md")

PRICE, BUYING, ONE_VALUE = (
    "prices up by 10% in the last month",
    "a third less buying in the last month",
    "one value of twelve buys half as often",
)


class Month(NamedTuple):
    """One report: how many comparisons of each kind lie below 5% alone, of how many, and what the report claims by
    column.
    """

    below: Counter
    compared: Counter
    claims: dict[str, frozenset]


def company(number: int, effect: str = "") -> dict[str, pd.DataFrame]:
    """The three tables of a company; its size and the habits of its customers are its own."""
    rng = np.random.default_rng([SEED, number])
    count = int(rng.lognormal(np.log(1500), 0.7) * DAYS / LIFETIME)
    born, ids = rng.uniform(-LIFETIME, DAYS, count), np.char.add("c", np.arange(count).astype(str))
    dies = born + rng.exponential(LIFETIME, count)
    dealt = {name: rng.choice(size, count, p=_shares(size)) for name, size in COLUMNS.items()}
    values = {name: np.char.add(f"{name} ", numbers.astype(str)) for name, numbers in dealt.items()}
    rate = rng.gamma(1.2, 1 / 40, count)  # orders a day
    if effect == ONE_VALUE:
        rate = np.where(dealt["twelve"] == 3, rate / 2, rate)

    def moments(per_day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Whose and when: at a rate of their own, while they are customers."""
        customers = np.repeat(np.arange(count), rng.poisson(per_day * np.maximum(dies - born, 0)))
        when = born[customers] + rng.random(len(customers)) * (dies - born)[customers]
        inside = (when >= 0) & (when < DAYS)
        return customers[inside], when[inside]

    def table(customers: np.ndarray, when: np.ndarray, name: str, **more: object) -> pd.DataFrame:
        dates = (pd.Timestamp(BEGIN) + pd.to_timedelta(np.floor(when), unit="D")).strftime("%Y-%m-%d")
        own = {column: labels[customers] for column, labels in values.items()}
        return pd.DataFrame({"customer_id": ids[customers], name: dates, **more, **own})

    customers, when = moments(rate)
    last = when >= DAYS - 31
    if effect == BUYING:
        stays = ~last | (rng.random(len(customers)) > 1 / 3)
        customers, when, last = customers[stays], when[stays], last[stays]
    spend = np.exp(rng.normal(3, 0.5, count))[customers] * np.exp(rng.normal(0, 0.4, len(customers)))
    orders = table(
        customers, when, "ordered_at", amount=np.round(spend * np.where(last, 1.1 if effect == PRICE else 1, 1), 2)
    )

    members = np.flatnonzero((rng.random(count) < 0.5) & (dies > 0))
    price = rng.choice([9.0, 19.0, 49.0], len(members))
    subscriptions = table(members, np.maximum(born[members], 0), "started_at", amount=price)
    ends = pd.Timestamp(BEGIN) + pd.to_timedelta(np.floor(dies[members]), unit="D")
    subscriptions["ended_at"] = np.where(dies[members] < DAYS, ends.strftime("%Y-%m-%d"), None)
    subscriptions = subscriptions[
        subscriptions["ended_at"].isna() | (subscriptions["ended_at"] > subscriptions["started_at"])
    ]

    answers, attitude = [], rng.normal(0, 1, count)
    for survey, top, often in (("nps", 10, 1 / 250), ("csat", 5, 1 / 400), ("ces", 7, 1 / 500)):
        customers, when = moments(np.full(count, often))
        felt = 0.72 + 0.16 * (attitude[customers] + rng.normal(0, 1, len(customers)))
        score = np.clip(np.round(felt * top), 0 if survey == "nps" else 1, top).astype(int)
        answers.append(table(customers, when, "responded_at", survey=survey, score=score))
    return {"orders": orders, "subscriptions": subscriptions, "responses": pd.concat(answers, ignore_index=True)}


def _shares(size: int) -> np.ndarray:
    """Values of unequal size, the largest six times the smallest."""
    weights = np.linspace(6, 1, size)
    return weights / weights.sum()


def months(number: int, effect: str = "") -> list[Month]:
    """The reports of one company; of every other one the customers are its buyers, of the rest its subscribers."""
    count = 1 if effect else MONTHS
    basis = "orders" if number % 2 or effect else "subscriptions"
    data = rk.load(**company(number, effect), timezone="UTC", currency="GBP", as_of=AS_OF, every="month", basis=basis)
    periods = [rk.Period.parse(LAST).shift(-back) for back in range(count)]
    known = [rk.Period.parse(LAST).shift(-back) for back in range(count + 13)]
    claiming = [
        name for name, metric in METRICS.items() if metric.summary in ("movements", "purchases", "mrr", "feedback")
    ]
    rows = rk.scorecard(data, periods=known, metrics=claiming)
    parts = {
        name: rk.scorecard(data, periods=known[: count + 1], metrics=ranked("by_segment"), segment=name)
        for name in COLUMNS
    }
    result = []
    for period in periods:
        page = Page(str(period), data=data)
        page.computed[SummaryKey("trend", str(period), "", (*METRICS,))] = rows[rows["period"] <= str(period)]
        own = page.claims()
        by_column, claims = {}, list(own)
        for column, frame in parts.items():
            now = frame[(frame["period"] == str(period)) & (frame["segment"] == column)]
            more = [
                claim
                for name in ranked("by_segment")
                for claim in segment_claims(now[now["metric"] == name], page.row(name), column)
            ]
            changes = segment_changes(data, period, column, EXPLAINED, frame)
            for name, metric_rows in changes.groupby("metric", sort=False):
                more += part_claims(change_parts(metric_rows, page.base, period), str(name), column)
            by_column[column] = significant(own + more)
            claims += more
        result.append(Month(_below(claims), Counter(map(_kind, claims)), by_column))
    return result


def _kind(claim: Claim) -> tuple[str, str]:
    return claim.against, claim.metric


def _below(claims: Iterable[Claim]) -> Counter:
    return Counter(_kind(claim) for claim in claims if claim.p < 0.05)


def simulate(companies: int = COMPANIES, effect: str = "", workers: int = 1) -> list[Month]:
    """The reports of many companies, in their order."""
    if workers == 1:
        return [month for number in range(companies) for month in months(number, effect)]
    with ProcessPoolExecutor(workers) as pool:
        return [month for report in pool.map(partial(months, effect=effect), range(companies)) for month in report]


def claimed(reports: list[Month], column: str) -> float:
    """The share of reports that claim anything."""
    return sum(bool(month.claims[column]) for month in reports) / len(reports)


def alone(reports: list[Month], against: str) -> dict[str, float]:
    """By metric, how many of its comparisons lie below 5% alone."""
    compared, below = (sum((getattr(month, name) for month in reports), Counter()) for name in ("compared", "below"))
    return {
        metric: below[kind, metric] / count for (kind, metric), count in compared.items() if kind == against and count
    }


def share_claiming(reports: list[Month], column: str, *keys: tuple[str, str, str, str]) -> float:
    """The share of reports that claim one of these."""
    return sum(any(key in month.claims[column] for key in keys) for month in reports) / len(reports)


def page(reports: list[Month], powers: dict[str, list[Month]]) -> str:
    """The part of the file: false claims by report, each comparison alone, and power."""
    kinds = {
        "previous": "a month before",
        "year_ago": "a year before",
        "rest": "a segment value against the others",
        "part": "a segment value a month before",
        "mix": "the mix of segment values a month before",
        "earlier": "the newest cohort against earlier ones",
    }
    lines = [HEADING, "", f"{len(reports) // MONTHS} companies in which nothing changes, {MONTHS} reports each.", ""]
    lines += ["values of the column | reports that claim anything", "---|---"]
    lines += [f"{size} | {claimed(reports, name):.1%}" for name, size in COLUMNS.items()]
    lines += [
        "",
        "Below 5% alone, before any correction (nominal 5%):",
        "",
        "compared with | all | by figure",
        "---|---|---",
    ]
    for kind, words in kinds.items():
        rates = alone(reports, kind)
        compared, below = (
            sum(getattr(month, name)[key] for month in reports for key in getattr(month, name) if key[0] == kind)
            for name in ("compared", "below")
        )
        text = ", ".join(f"{name} {rate:.1%}" for name, rate in sorted(rates.items()))
        lines.append(f"{words} | {below / max(compared, 1):.1%} | {text}")
    lines += [
        "",
        "With a true effect, how often the report of that month says so (column of twelve values):",
        "",
        "effect | claimed as | reports",
        "---|---|---",
    ]
    for effect, keys in EFFECTS.items():
        names = " or ".join(dict.fromkeys(f"{metric} {value}".strip() for metric, _, _, value in keys))
        lines.append(f"{effect} | {names} | {share_claiming(powers[effect], 'twelve', *keys):.0%}")
    return "\n".join([*lines, "", f"Fixed seed {SEED}; made by `python benchmarks/chance.py`.", ""])


EFFECTS = {
    PRICE: [("average_purchase_value", "previous", "", ""), ("average_revenue_per_customer", "previous", "", "")],
    BUYING: [("purchase_frequency", "previous", "", ""), ("customer_retention_rate", "previous", "", "")],
    ONE_VALUE: [
        ("customer_retention_rate", "rest", "twelve", "twelve 3"),
        ("repeat_purchase_rate", "rest", "twelve", "twelve 3"),
    ],
}

if __name__ == "__main__":
    many = int(sys.argv[1]) if len(sys.argv) > 1 else COMPANIES
    unchanged = simulate(many, workers=2)
    powers = {effect: simulate(min(many, POWER), effect, workers=2) for effect in EFFECTS}
    whole = page(unchanged, powers)
    sys.stdout.write(whole)
    if many == COMPANIES:
        before = FILE.read_text("utf-8").partition(f"\n{HEADING}")[0]
        FILE.write_text(f"{before}\n{whole}", encoding="utf-8")
