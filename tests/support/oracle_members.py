"""A second opinion on forecasts of subscribers: customer by customer, with a simplex for a fit.

It shares no code with the package. For monthly and yearly subscriptions of one currency, with trials that are billed
from their start.
"""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from datetime import date, timedelta
from itertools import groupby

import numpy as np
import pandas as pd
from scipy.optimize import minimize

STEP = {"month": 1, "year": 12}


def whole_months(first: date, last: date) -> int:
    """Whole months from a date to another: as long as the anniversary has come."""
    anniversary = min(first.day, monthrange(last.year, last.month)[1])
    return (last.year - first.year) * 12 + last.month - first.month - (last.day < anniversary)


def times_of(spells: pd.DataFrame, cut: date) -> list[dict]:
    """The subscriptions up to a date: their interval, whole months, whether they were lost, MRR of those who pay then.

    `spells` are cleaned ones: customer_id, started_at, paid_from, paid_until, mrr, status, billed, plan and channel.
    """
    times, at_cut = [], pd.Timestamp(cut)
    counted = [
        row for row in spells.rename(columns={"_row": "number"}).itertuples() if row.mrr > 0 or row.status == "paused"
    ]
    counted.sort(key=lambda row: (row.customer_id, row.paid_from, row.number))
    for customer, group in groupby(counted, lambda row: row.customer_id):
        rows = [*group]
        merged: list[dict] = []
        for row in rows:
            since = row.paid_from.date()
            until = cut if pd.isna(row.paid_until) or row.paid_until.date() >= cut else row.paid_until.date()
            if since >= cut or (until <= since and row.mrr > 0):
                continue
            if merged and since <= merged[-1]["until"] + timedelta(days=row.mrr == 0):
                merged[-1]["until"] = max(merged[-1]["until"], until)
            elif row.mrr > 0:
                merged.append({"start": row.started_at.date(), "until": until, "billed": row.billed})
            if merged:
                merged[-1] |= {"plan": row.plan, "channel": row.channel}
        pays = [
            row.mrr for row in rows if row.paid_from < at_cut and (pd.isna(row.paid_until) or row.paid_until >= at_cut)
        ]
        for membership in merged:
            membership |= {"customer": customer, "lost": membership["until"] < cut, "mrr": 0.0}
            membership["months"] = whole_months(
                membership["start"], membership["until"] - timedelta(days=4 if membership["lost"] else 1)
            )
        if merged and not merged[-1]["lost"]:
            merged[-1]["mrr"] = float(sum(pays))
        times += merged
    return times


def chances(times: list[dict]):
    """The chance of a subscription to end at its n-th renewal, as a function of it and n."""
    exposed, lost = defaultdict(lambda: defaultdict(int)), defaultdict(lambda: defaultdict(int))
    for membership in times:
        renewals = membership["months"] // STEP[membership["billed"]]
        for number in range(1, renewals + 1 + membership["lost"]):
            exposed[membership["billed"]][number] += 1
        if membership["lost"]:
            lost[membership["billed"]][renewals + 1] += 1
    curves = {}
    for billed, counts in exposed.items():

        def against(theta: np.ndarray, billed: str = billed, counts: dict = counts) -> float:
            a, b = np.exp(theta)
            total = 0.0
            for number, n in counts.items():
                hazard, gone = a / (a + b + number - 1), lost[billed][number]
                total -= gone * np.log(hazard) + (n - gone) * np.log(1 - hazard)
            return total

        options = {"xatol": 1e-9, "fatol": 1e-10, "maxiter": 5000, "maxfev": 5000}
        curves[billed] = np.exp(minimize(against, [0.0, 1.0], method="Nelder-Mead", options=options).x)

    def base(membership: dict, number: int) -> float:
        a, b = curves[membership["billed"]]
        return a / (a + b + number - 1)

    factors = {}
    for trait in ("plan", "channel"):
        observed, expected = defaultdict(float), defaultdict(float)
        for membership in times:
            renewals = membership["months"] // STEP[membership["billed"]]
            observed[membership[trait]] += membership["lost"]
            expected[membership[trait]] += sum(
                base(membership, number) for number in range(1, renewals + 1 + membership["lost"])
            )
        factors[trait] = {value: (observed[value] + 20) / (n + 20) for value, n in expected.items()}

    def chance(membership: dict, number: int) -> float:
        return min(
            1.0,
            base(membership, number) * factors["plan"][membership["plan"]] * factors["channel"][membership["channel"]],
        )

    return chance


def forecast(times: list[dict], discount: float = 0.10, months: int = 12) -> tuple[float, int, float]:
    """The expected MRR of so many months' ends, discounted; how many are at risk, and the MRR that they may take."""
    chance = chances(times)
    members = [membership for membership in times if membership["mrr"] > 0]
    value, within_a_month = 0.0, {}
    stake = {}
    for member in members:
        step, survival = STEP[member["billed"]], 1.0
        for month in range(1, months + 1):
            if (member["months"] + month) % step == 0:
                survival *= 1 - chance(member, (member["months"] + month) // step)
            if month == 1:
                within_a_month[member["customer"]] = 1 - survival
            value += member["mrr"] / 1200 * survival * (1 + discount) ** (-month / 12)
        stake[member["customer"]] = member["mrr"] / 1200 * (1 - survival)
    usual = defaultdict(list)
    for member in members:
        usual[member["plan"]].append(within_a_month[member["customer"]])
    at_risk = [
        member["customer"]
        for member in members
        if within_a_month[member["customer"]] >= 2 * np.mean(usual[member["plan"]])
        and within_a_month[member["customer"]] > 0
    ]
    return value, len(at_risk), sum(stake[customer] for customer in at_risk)
