"""The lists of buyers at risk, and of one-time buyers who may buy again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from retention_kit import bidi
from retention_kit.data.engines.sql_text import fill_placeholders
from retention_kit.lazy import np, pd
from retention_kit.metrics.forecasts.buyers import UNLIKELY, USUAL, WEEK, cached_fit, horizon_weeks, times
from retention_kit.metrics.forecasts.buyers_back_test import back_test
from retention_kit.metrics.forecasts.horizon import cutoff_date, horizon_column, is_control
from retention_kit.metrics.models import BgNbd
from retention_kit.metrics.queries.customer_lists import with_segment_values
from retention_kit.metrics.queries.lives import listed_buyers, second_purchase_gaps
from retention_kit.periods import Period
from retention_kit.wording import Words

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset

LATEST = 0.8  # quantile of an active customer's gaps: the latest date to act
GONE = 0.2  # probability of still being a customer, below which one has to be won back
FEWEST = 20  # second purchases, below which there is no list

Only = tuple[str, str] | None


def at_risk(data: Dataset, period: Period, columns: Sequence[str], only: Only) -> pd.DataFrame | None:
    """Buyers at risk, by money at stake if the back test favours the model, else by money; None without a model.

    Columns as in `lists.risk_lists`.
    """
    model = cached_fit(data, period).purchases
    if model is None:
        return None
    is_better = back_test(data, period).verdict == "better"
    rows, values, in_all = _listed_rows(data, "at_risk", period, columns, only, _at_risk_parts(data, model, is_better))
    x, t_x, T = times(rows)
    chance = model.probability_no_purchase(horizon_weeks(data), x, t_x, T)
    usual, latest = (np.floor(model.usual_gap(q, x, t_x) * WEEK).astype(int) for q in (USUAL, LATEST))
    earlier: set[str] = set()
    if len(rows) and (earlier_model := cached_fit(data, period.shift(-1)).purchases) is not None:
        parts = _at_risk_parts(data, earlier_model, is_better)
        earlier = {*_listed_rows(data, "at_risk", period.shift(-1), (), only, parts)[0]["customer_id"]}
    frame = _list_frame(data, "at_risk", rows, values, in_all, chance, (usual, latest), earlier)
    words, is_gone = Words.of(data.settings.report), model.probability_alive(x, t_x, T) < GONE
    whys = [
        words.text("lists.why_gone", why=why) if gone else why for why, gone in zip(frame["why"], is_gone, strict=True)
    ]
    return frame.assign(why=[*map(bidi.plain, whys)])


def second_purchase(data: Dataset, period: Period, columns: Sequence[str], only: Only) -> pd.DataFrame | None:
    """One-time buyers in the time when others buy again: after 50% and before 80% of second purchases.

    Columns as in `lists.risk_lists`; None if fewer than 20 customers bought again.
    """
    gaps = _gaps(data, period)
    if gaps is None:
        return None
    model = cached_fit(data, period).purchases
    parts = {"usual": str(gaps[0]), "latest": str(gaps[1]), "most": str(data.settings.at_risk.capacity)}
    parts["rank"] = "recent_amount"
    if model is not None and back_test(data, period).verdict == "better":
        waits = "exp(greatest($r * ln(($alpha + age_days) / ($alpha + age_days + $horizon)), -700))"
        parts["rank"] = f"recent_amount * {fill_placeholders(waits, _parameters(data, model))}"
    rows, values, in_all = _listed_rows(data, "second_purchase", period, columns, only, parts)
    chance = np.full(len(rows), np.nan)
    if model is not None:
        chance = model.probability_no_purchase(horizon_weeks(data), *times(rows))
    on_earlier_list: set[str] = set()
    if len(rows) and (earlier_gaps := _gaps(data, period.shift(-1))) is not None:
        parts |= {"usual": str(earlier_gaps[0]), "latest": str(earlier_gaps[1])}
        on_earlier_list = {*_listed_rows(data, "second_purchase", period.shift(-1), (), only, parts)[0]["customer_id"]}
    dates = np.full(len(rows), gaps[0]), np.full(len(rows), gaps[1])
    return _list_frame(data, "second_purchase", rows, values, in_all, chance, dates, on_earlier_list)


def _gaps(data: Dataset, period: Period) -> tuple[int, int] | None:
    return gap_quantiles(second_purchase_gaps(data, cutoff_date(data, period)))


def gap_quantiles(frame: pd.DataFrame) -> tuple[int, int] | None:
    """Days within which 50% and 80% of second purchases follow; None if there are fewer than FEWEST.

    `frame` is that of `second_purchase_gaps`.
    """
    if frame["customers"].sum() < FEWEST:
        return None
    share = frame["customers"].cumsum() / frame["customers"].sum()
    usual, latest = (int(frame["days"].iloc[np.searchsorted(share, q)]) for q in (USUAL, LATEST))
    return usual, latest


def _at_risk_parts(data: Dataset, model: BgNbd, is_better: bool) -> dict[str, str]:
    """SQL for the list of customers at risk: the model's parameters, the rank and the limit."""
    rank = "recent_amount * (1 - alive * buys)" if is_better else "recent_amount"
    return _parameters(data, model) | {"rank": rank, "most": str(data.settings.at_risk.capacity)}


def _parameters(data: Dataset, model: BgNbd) -> dict[str, str]:
    """The model's parameters as SQL literals, in days."""
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


def _listed_rows(
    data: Dataset, name: str, period: Period, columns: Sequence[str], only: Only, parts: dict[str, str]
) -> tuple[pd.DataFrame, list[pd.Series], int]:
    """The rows of a list, the values of each segment column in them, and their number without the limit."""
    segments: list[str | None] = [*columns] or [only[0] if only else None]
    frames = [listed_buyers(data, name, period, segment, only, **parts) for segment in segments]
    values = [frame["segment_value"].rename(column) for column, frame in zip(segments, frames, strict=True) if column]
    return frames[0], values, int(frames[0]["in_all"].iloc[0]) if len(frames[0]) else 0


def _list_frame(
    data: Dataset,
    name: str,
    rows: pd.DataFrame,
    values: list[pd.Series],
    in_all: int,
    chance: np.ndarray,
    gaps: tuple[np.ndarray, np.ndarray],
    known: set[str],
) -> pd.DataFrame:
    """The list `name` with readable columns; `known` are the customers on the previous list."""
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
    frame = pd.DataFrame(
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
    frame = with_segment_values(frame, values)
    frame.attrs["in_all"] = in_all
    return frame
