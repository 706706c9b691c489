"""What is expected of customers who buy: BG/NBD for how often, Gamma-Gamma for how much, on the orders so far.

Purchases are days with one, times are in weeks. Customers who are alike to the model stand in one row, and what is
expected is linear in what a customer spent, so sums over such rows are those over the customers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from retention_kit.data.summary_key import SummaryKey
from retention_kit.errors import ModelError
from retention_kit.metrics.forecasts.horizon import MONTH, cut_of, discounts, undefined
from retention_kit.metrics.formulas import Z95
from retention_kit.metrics.models import BgNbd, GammaGamma, fit_bg_nbd, fit_gamma_gamma
from retention_kit.metrics.models.expectation import purchases_while_alive
from retention_kit.metrics.queries.lives import alike_buyers, spend_sample
from retention_kit.periods import Period, add_months
from retention_kit.wording import Sentence, sentence

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from retention_kit.data.dataset import Dataset

WEEK = 7  # days
USUAL = 0.5  # of the gaps of a customer who stays: who is silent for longer is overdue
UNLIKELY = 0.5  # a chance of no purchase in the horizon from which on an overdue customer is at risk
FEW = 500  # customers below which the interval does not hold what it says
SHORT_NOTE = sentence("model.short")


@dataclass(frozen=True)
class Fit:
    """The models of all customers before a date; where one of them cannot be had, why."""

    purchases: BgNbd | None
    spend: GammaGamma | None
    reason: str  # why purchases cannot be forecast, in a sentence; else empty
    money_reason: str  # why money cannot
    note: str  # what the models warn of


def rows(data: Dataset, period: Period, segment: str | None) -> list[dict[str, Any]]:
    """The fields of a `Lives` row for each segment value with customers; see `lives.lives`."""
    frame = alike_buyers(data, period, segment)
    return _rows(data, fit_of(data, period, None if segment else frame), frame)


def fit_of(data: Dataset, period: Period, frame: pd.DataFrame | None = None) -> Fit:
    """The models of all customers at a period's end; `frame` are its `alike_buyers`, where they are at hand."""

    def made() -> Fit:
        return fit(data, alike_buyers(data, period) if frame is None else frame, cut_of(data, period))

    return data.kept(SummaryKey("buyers_fit", str(period)), f"no models of {period}", made)


def fit(data: Dataset, frame: pd.DataFrame, cut: date) -> Fit:
    """Fit both models to the customers before a date."""
    try:
        x, t_x, T = times(frame)
        purchases = fit_bg_nbd(x, t_x, T, frame["customers"])
    except ModelError as error:
        return Fit(None, None, error.text, error.text, "")
    notes = [*purchases.warnings, *([SHORT_NOTE] if data.starts["orders"] > add_months(cut, -24) else [])]
    spent = spend_sample(data, cut)
    try:
        spend = fit_gamma_gamma(spent["frequency"], spent["repeat_amount"] / spent["frequency"] / data.minor)
        spend.expected_value(0, 0)  # of who bought once
    except ModelError as error:
        return Fit(purchases, None, "", error.text, Sentence.joined(*notes))
    return Fit(purchases, spend, "", "", Sentence.joined(*notes, *spend.warnings))


def times(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Repeat purchases, and the weeks from the first purchase to the last and to the cut."""
    x, t_x, T = (frame[name].to_numpy(float) for name in ("frequency", "recency_days", "age_days"))
    return x, t_x / WEEK, T / WEEK


def horizon_weeks(data: Dataset) -> float:
    """The horizon of forecasts in weeks."""
    return data.settings.definitions.horizon_months * MONTH / WEEK


def at_risk(model: BgNbd, weeks: float, frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Who is at risk, and the chance that each buys nothing in so many weeks.

    At risk is who bought again before, has been silent for longer than half of their own gaps, and will more likely buy
    nothing than something.
    """
    x, t_x, T = times(frame)
    chance = model.probability_no_purchase(weeks, x, t_x, T)
    return (x > 0) & (T - t_x > model.usual_gap(USUAL, x, t_x)) & (chance >= UNLIKELY), chance


def _rows(data: Dataset, fit: Fit, frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A row of sums for each segment value."""
    values = frame["segment_value"].unique()
    customers = frame.groupby("segment_value")["customers"].sum()
    if fit.purchases is None:
        return [undefined(value, fit.reason, int(customers[value])) for value in values]
    place = frame["segment_value"].map({value: number for number, value in enumerate(values)}).to_numpy()
    chosen = data.settings.definitions
    forecast = Forecast(frame, data.minor, place, len(values))
    bought = forecast.purchases(fit.purchases, [0.0] * (chosen.horizon_months - 1) + [1.0])
    money, low, high = forecast.money(fit, discounts(chosen))
    is_at_risk, chance = at_risk(fit.purchases, horizon_weeks(data), frame)
    counts = forecast.summed(frame["customers"].to_numpy(float) * is_at_risk)
    stakes = forecast.summed(frame["recent_amount"].to_numpy(float) / data.minor * chance * is_at_risk)
    return [
        {
            "segment_value": value,
            "customers": int(customers[value]),
            "purchases": float(bought[number]),
            "value": None if money is None else float(money[number]),
            "low": None if low is None else float(low[number]),
            "high": None if high is None else float(high[number]),
            "at_risk": int(counts[number]),
            "at_stake": float(stakes[number]),
            "reason": fit.money_reason,
            "at_risk_reason": "",
            "note": fit.note,
        }
        for number, value in enumerate(values)
    ]


class Forecast:
    """Sums over rows of customers who are alike, by the number of their segment value."""

    def __init__(self, frame: pd.DataFrame, minor: int, place: np.ndarray | None = None, values: int = 1):
        import numpy as np

        self.place, self.values = np.zeros(len(frame), int) if place is None else place, values
        self.x, self.t_x, self.T = times(frame)
        self.customers = frame["customers"].to_numpy(float)
        self.spent = frame["repeat_amount"].to_numpy(float) / minor
        pairs = frame["frequency"].to_numpy("int64") * (1 << 32) + frame["age_days"].to_numpy("int64")
        _, first, self.pair = np.unique(pairs, return_index=True, return_inverse=True)
        self.x_of, self.T_of = self.x[first], self.T[first]

    def summed(self, amounts: np.ndarray) -> np.ndarray:
        """Sums over the rows of each segment value."""
        import numpy as np

        return np.bincount(self.place, amounts, self.values)

    def purchases(self, model: BgNbd, worth: list[float]) -> np.ndarray:
        """Expected purchases, those up to the end of each month of the horizon so much more than those to the next."""
        return self.summed(self.customers * self._expected(model, worth))

    def money(self, fit: Fit, worth: list[float]) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
        """What customers are expected to spend, discounted to `worth` at the end of each month, with its interval.

        The interval is the delta method's on the logarithm, of the parameters alone; for its slopes all purchases are
        taken to be worth what those at the horizon's end are.
        """
        import numpy as np

        model, spend = fit.purchases, fit.spend
        if model is None or spend is None:
            return None, None, None
        at_ends = [now - after for now, after in zip(worth, [*worth[1:], 0.0], strict=True)]
        bought = self._expected(model, at_ends)
        money = self.summed(bought * self._spend(spend))
        if model.covariance is None or spend.covariance is None or self.customers.sum() < FEW or not (money > 0).all():
            return money, None, None
        each = self._spend(spend)
        last = [0.0] * (len(worth) - 1) + [1.0]
        by_model = _slopes(model, lambda other: self.summed(self._expected(other, last) * each))
        by_spend = _slopes(spend, lambda other: self.summed(bought * self._spend(other)))
        variance = ((by_model.T @ model.covariance) * by_model.T).sum(1)
        variance += ((by_spend.T @ spend.covariance) * by_spend.T).sum(1)
        factor = np.exp(Z95 * np.sqrt(np.maximum(variance, 0)))
        return money, money / factor, money * factor

    def totals_within(self, fit: Fit, weeks: float) -> tuple[float, float]:
        """Purchases and money expected of all within so many weeks, undiscounted; money 0 where it has no model."""
        if fit.purchases is None:
            return 0.0, 0.0
        bought = self._within(fit.purchases, weeks)
        money = 0.0 if fit.spend is None else float(bought @ self._spend(fit.spend))
        return float(bought @ self.customers), money

    def _spend(self, spend: GammaGamma) -> np.ndarray:
        """What the customers of each row spend at a purchase, all of them added up."""
        import numpy as np

        x = np.where(self.x > 0, self.x, 1)
        repeat = self.spent / self.customers / x  # the mean of the row: the expectation is linear in it
        return self.customers * spend.expected_value(self.x, np.where(self.x > 0, repeat, 0.0))

    def _expected(self, model: BgNbd, weights: list[float]) -> np.ndarray:
        """For one customer of each row, the expected purchases up to each month's end, times these weights, summed."""
        import numpy as np

        found = np.zeros(len(self.x))
        for month, weight in enumerate(weights, 1):
            if weight:
                found += weight * self._within(model, month * MONTH / WEEK)
        return found

    def _within(self, model: BgNbd, weeks: float) -> np.ndarray:
        """For one customer of each row, the expected purchases within so many weeks."""
        tau = weeks / (model.alpha + self.T_of)
        alive = purchases_while_alive(model.r, model.a, model.b, self.x_of, tau)
        return alive[self.pair] * model.probability_alive(self.x, self.t_x, self.T)


def _slopes(model: Any, total: Callable[[Any], np.ndarray]) -> np.ndarray:
    """The slopes of log totals by the logarithms of a model's parameters: a row for each parameter."""
    import numpy as np

    step, at, found = 1e-4, model.log_parameters, []
    for number in range(len(at)):
        moved = step * (np.arange(len(at)) == number)
        above, below = total(model.replaced(at + moved)), total(model.replaced(at - moved))
        found.append((np.log(above) - np.log(below)) / (2 * step))
    return np.array(found)
