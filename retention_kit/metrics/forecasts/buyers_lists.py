"""Whom to ask among customers who buy: those at risk, and those who may buy a second time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from retention_kit import bidi
from retention_kit.data.engines.sql_text import fill_placeholders
from retention_kit.metrics.forecasts.buyers import UNLIKELY, USUAL, WEEK, fit_of, horizon_weeks, times
from retention_kit.metrics.forecasts.buyers_back_test import back_test
from retention_kit.metrics.forecasts.horizon import cut_of, horizon_column, is_control
from retention_kit.metrics.models import BgNbd
from retention_kit.metrics.queries.customer_lists import with_segment_values
from retention_kit.metrics.queries.lives import listed_buyers, second_purchase_gaps
from retention_kit.periods import Period
from retention_kit.wording import Words

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from retention_kit.data.dataset import Dataset

LATEST = 0.8  # of the gaps of a customer who stays: by then one is to be asked
GONE = 0.2  # below this chance to be a customer still, one is to be won back
FEWEST = 20  # second purchases from which dates for others follow

Only = tuple[str, str] | None


def at_risk(data: Dataset, period: Period, columns: Sequence[str], only: Only) -> pd.DataFrame | None:
    """Who is at risk: by the model the most money at stake first, by the plain rule the most money.

    Columns as `lists.risk_lists` has them; None where there is no model.
    """
    import numpy as np

    model = fit_of(data, period).purchases
    if model is None:
        return None
    is_better = back_test(data, period).verdict == "better"
    rows, values, in_all = _asked(data, "at_risk", period, columns, only, _at_risk_parts(data, model, is_better))
    x, t_x, T = times(rows)
    chance = model.probability_no_purchase(horizon_weeks(data), x, t_x, T)
    usual, latest = (np.floor(model.usual_gap(q, x, t_x) * WEEK).astype(int) for q in (USUAL, LATEST))
    known: set[str] = set()
    if (before := fit_of(data, period.shift(-1)).purchases) is not None:
        parts = _at_risk_parts(data, before, is_better)
        known = {*_asked(data, "at_risk", period.shift(-1), (), only, parts)[0]["customer_id"]}
    shaped = _shaped(data, "at_risk", rows, values, in_all, chance, (usual, latest), known)
    words, is_gone = Words.of(data.settings.report), model.probability_alive(x, t_x, T) < GONE
    whys = [
        words.text("lists.why_gone", why=why) if gone else why for why, gone in zip(shaped["why"], is_gone, strict=True)
    ]
    return shaped.assign(why=[*map(bidi.plain, whys)])


def second_purchase(data: Dataset, period: Period, columns: Sequence[str], only: Only) -> pd.DataFrame | None:
    """Who bought once, as long ago as others did who then came back: from the half of them to four in five.

    Columns as `lists.risk_lists` has them; None where fewer than 20 came back.
    """
    import numpy as np

    gaps = _gaps(data, period)
    if gaps is None:
        return None
    model = fit_of(data, period).purchases
    parts = {"usual": str(gaps[0]), "latest": str(gaps[1]), "most": str(data.settings.at_risk.capacity)}
    parts["rank"] = "recent_amount"
    if model is not None and back_test(data, period).verdict == "better":
        waits = "exp(greatest($r * ln(($alpha + age_days) / ($alpha + age_days + $horizon)), -700))"
        parts["rank"] = f"recent_amount * {fill_placeholders(waits, _parameters(data, model))}"
    rows, values, in_all = _asked(data, "second_purchase", period, columns, only, parts)
    chance = np.full(len(rows), np.nan)
    if model is not None:
        chance = model.probability_no_purchase(horizon_weeks(data), *times(rows))
    known: set[str] = set()
    if (earlier := _gaps(data, period.shift(-1))) is not None:
        parts |= {"usual": str(earlier[0]), "latest": str(earlier[1])}
        known = {*_asked(data, "second_purchase", period.shift(-1), (), only, parts)[0]["customer_id"]}
    dates = np.full(len(rows), gaps[0]), np.full(len(rows), gaps[1])
    return _shaped(data, "second_purchase", rows, values, in_all, chance, dates, known)


def _gaps(data: Dataset, period: Period) -> tuple[int, int] | None:
    return usual_gaps(second_purchase_gaps(data, cut_of(data, period)))


def usual_gaps(frame: pd.DataFrame) -> tuple[int, int] | None:
    """Days by which half, and four in five, of those who bought again had done so; None of too few.

    `frame` as `second_purchase_gaps` gives it.
    """
    import numpy as np

    if frame["customers"].sum() < FEWEST:
        return None
    share = frame["customers"].cumsum() / frame["customers"].sum()
    usual, latest = (int(frame["days"].iloc[np.searchsorted(share, q)]) for q in (USUAL, LATEST))
    return usual, latest


def _at_risk_parts(data: Dataset, model: BgNbd, is_better: bool) -> dict[str, str]:
    """What the list of customers at risk is asked for with: the model, what it is ranked by, and how many rows."""
    rank = "recent_amount * (1 - alive * buys)" if is_better else "recent_amount"
    return _parameters(data, model) | {"rank": rank, "most": str(data.settings.at_risk.capacity)}


def _parameters(data: Dataset, model: BgNbd) -> dict[str, str]:
    """The model's parameters as literals, in days."""
    numbers = {
        "r": model.r,
        "alpha": model.alpha * WEEK,
        "a": model.a,
        "b": model.b,
        "horizon": horizon_weeks(data) * WEEK,
        "gap": 1 / (1 - USUAL),
        "unlikely": UNLIKELY,
    }
    return {name: f"CAST('{number!r}' AS DOUBLE)" for name, number in numbers.items()}


def _asked(
    data: Dataset, name: str, period: Period, columns: Sequence[str], only: Only, parts: dict[str, str]
) -> tuple[pd.DataFrame, list[pd.Series], int]:
    """The rows of a list, the values of each segment column in them, and how many there would be without a limit."""
    asked: list[str | None] = [*columns] or [only[0] if only else None]
    frames = [listed_buyers(data, name, period, one, only, **parts) for one in asked]
    values = [one["segment_value"].rename(column) for column, one in zip(asked, frames, strict=True) if column]
    return frames[0], values, int(frames[0]["in_all"].iloc[0]) if len(frames[0]) else 0


def _shaped(
    data: Dataset,
    name: str,
    rows: pd.DataFrame,
    values: list[pd.Series],
    in_all: int,
    chance: np.ndarray,
    gaps: tuple[np.ndarray, np.ndarray],
    known: set[str],
) -> pd.DataFrame:
    """A list as people read it."""
    import pandas as pd

    words = Words.of(data.settings.report)
    last = pd.to_datetime(rows["last_day"]).dt.date
    silent = rows["age_days"] + 1 - rows["recency_days"]
    revenue = rows["recent_amount"] / data.minor
    whys = [
        words.text(
            f"lists.why_{name}" + ("_daily" if name == "at_risk" and gap <= 1 else ""),
            gap=words.value(int(gap), "count"),
            silent=words.value(int(days), "count"),
            count=words.value(int(repeats) + 1, "count"),
        )
        for gap, days, repeats in zip(gaps[0], silent, rows["frequency"], strict=True)
    ]
    shaped = pd.DataFrame(
        {
            "customer_id": rows["customer_id"],
            "value_at_stake": revenue * chance,
            "revenue_12_months": revenue,
            horizon_column("probability_no_purchase", data): chance.round(4),
            "purchases": rows["frequency"] + 1,
            "last_purchase": [str(day) for day in last],
            "usual_gap_days": gaps[0],
            "overdue_since": [str(day + timedelta(days=int(gap) + 1)) for day, gap in zip(last, gaps[0], strict=True)],
            "act_by": [str(day + timedelta(days=int(gap))) for day, gap in zip(last, gaps[1], strict=True)],
            "new_on_list": [customer not in known for customer in rows["customer_id"]],
            "why": [*map(bidi.plain, whys)],
            "control": [is_control(customer) for customer in rows["customer_id"]],
        }
    )
    shaped = with_segment_values(shaped, values)
    shaped.attrs["in_all"] = in_all
    return shaped
