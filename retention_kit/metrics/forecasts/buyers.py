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
from retention_kit.metrics.forecasts.horizon import MONTH, cut_of, discounts, interval, reach, undefined
from retention_kit.metrics.models import BgNbd, GammaGamma, fit_bg_nbd, fit_gamma_gamma
from retention_kit.metrics.models.bg_nbd import BLOCK, AliveChances
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


def _rows(data: Dataset, fit: Fit, frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A row of sums for each segment value."""
    import pandas as pd

    place, values = pd.factorize(frame["segment_value"])
    forecast = Forecast(frame, data.minor, place, len(values))
    customers = forecast.summed(forecast.customers)
    if fit.purchases is None:
        return [undefined(value, fit.reason, int(all_)) for value, all_ in zip(values, customers, strict=True)]
    chosen = data.settings.definitions
    bought = forecast.purchases(fit.purchases, [0.0] * (chosen.horizon_months - 1) + [1.0])
    is_at_risk, chance = forecast.at_risk(fit.purchases, horizon_weeks(data))
    money, factors = forecast.money(fit, discounts(chosen))
    intervals = [(None, None)] * len(values) if money is None else [*map(interval, money, factors)]
    counts = forecast.summed(forecast.customers * is_at_risk)
    stakes = forecast.summed(frame["recent_amount"].to_numpy(float) / data.minor * chance * is_at_risk)
    return [
        {
            "segment_value": value,
            "customers": int(customers[number]),
            "purchases": float(bought[number]),
            "value": None if money is None else float(money[number]),
            "low": intervals[number][0],
            "high": intervals[number][1],
            "at_risk": int(counts[number]),
            "at_stake": float(stakes[number]),
            "reason": fit.money_reason,
            "at_risk_reason": "",
            "note": fit.note,
        }
        for number, value in enumerate(values)
    ]


class Forecast:
    """Sums over rows of customers who are alike, by the number of their segment value.

    What depends on less than a row is computed once for all rows that share it.
    """

    def __init__(self, frame: pd.DataFrame, minor: int, place: np.ndarray | None = None, values: int = 1):
        import numpy as np
        import pandas as pd

        self.place, self.values = np.zeros(len(frame), int) if place is None else place, values
        self.x, self.t_x, self.T = times(frame)
        self.customers = frame["customers"].to_numpy(float)
        self.x_kind, kinds = pd.factorize(frame["frequency"].to_numpy("int64"))
        self.x_kinds = kinds.astype(float)
        spent = frame["repeat_amount"].to_numpy(float) / minor
        # The mean of the row: what is expected is linear in it.
        self.spent = self.x * np.where(self.x > 0, spent / self.customers / np.where(self.x > 0, self.x, 1), 0.0)
        pairs = frame["frequency"].to_numpy("int64") * (1 << 32) + frame["age_days"].to_numpy("int64")
        self.pair, kinds = pd.factorize(pairs)
        self.x_of, self.T_of = (kinds >> 32).astype(float), (kinds & ((1 << 32) - 1)) / WEEK
        self.alive = AliveChances(self.x, self.t_x, self.T)

    def summed(self, amounts: np.ndarray) -> np.ndarray:
        """Sums over the rows of each segment value."""
        import numpy as np

        return np.bincount(self.place, amounts, self.values)

    def purchases(self, model: BgNbd, worth: list[float]) -> np.ndarray:
        """Expected purchases, those up to the end of each month of the horizon so much more than those to the next."""
        return self.summed(self.customers * self._expected(model, worth))

    def at_risk(self, model: BgNbd, weeks: float) -> tuple[np.ndarray, np.ndarray]:
        """Of which rows customers are at risk, and the chance that one of each buys nothing in so many weeks.

        At risk is who bought again before, has been silent for longer than half of their own gaps, and will more likely
        buy nothing than something.
        """
        chance = 1 - self.alive.of(model) * model.probability_to_buy(weeks, self.x_of, self.T_of)[self.pair]
        is_silent = self.T - self.t_x > model.usual_gap(USUAL, self.x, self.t_x)
        return (self.x > 0) & is_silent & (chance >= UNLIKELY), chance

    def money(self, fit: Fit, worth: list[float]) -> tuple[np.ndarray | None, np.ndarray]:
        """What customers are expected to spend, discounted to `worth` at the end of each month, and how many times that
        its interval reaches up to, infinity without one.

        The interval is the delta method's on the logarithm, of the parameters alone; for its slopes all purchases are
        taken to be worth what those at the horizon's end are.
        """
        import numpy as np

        model, spend = fit.purchases, fit.spend
        nowhere = np.full(self.values, np.inf)
        if model is None or spend is None:
            return None, nowhere
        at_ends = [now - after for now, after in zip(worth, [*worth[1:], 0.0], strict=True)]
        bought = self._expected(model, at_ends)
        money = self.summed(bought * self._spend(spend))
        if model.covariance is None or spend.covariance is None or self.customers.sum() < FEW or not (money > 0).all():
            return money, nowhere
        each = self._spend(spend)
        last = [0.0] * (len(worth) - 1) + [1.0]
        by_model = _slopes(model, lambda other: self.summed(self._expected(other, last) * each))
        by_spend = _slopes(spend, lambda other: self.summed(bought * self._spend(other)))
        variance = ((by_model.T @ model.covariance) * by_model.T).sum(1)
        variance += ((by_spend.T @ spend.covariance) * by_spend.T).sum(1)
        return money, reach(np.sqrt(np.maximum(variance, 0)))

    def totals_within(self, fit: Fit, weeks: float) -> tuple[float, float]:
        """Purchases and money expected of all within so many weeks, undiscounted; money 0 where it has no model."""
        if fit.purchases is None:
            return 0.0, 0.0
        bought = self._within(fit.purchases, weeks)
        money = 0.0 if fit.spend is None else float(bought @ self._spend(fit.spend))
        return float(bought @ self.customers), money

    def _spend(self, spend: GammaGamma) -> np.ndarray:
        """What the customers of each row spend at a purchase, all of them added up."""
        return self.customers * (spend.p * (spend.v + self.spent) / spend.expected_shape(self.x_kinds)[self.x_kind])

    def _expected(self, model: BgNbd, weights: list[float]) -> np.ndarray:
        """For one customer of each row, the expected purchases up to each month's end, times these weights, summed."""
        import numpy as np

        bought = [
            (weight, self._while_alive(model, month * MONTH / WEEK))
            for month, weight in enumerate(weights, 1)
            if weight
        ]
        alive, found = self.alive.of(model), np.zeros(len(self.x))
        for begin in range(0, len(found), BLOCK):
            part = slice(begin, begin + BLOCK)
            pair, chance, total = self.pair[part], alive[part], found[part]
            for weight, purchases in bought:
                total += weight * (purchases[pair] * chance)
        return found

    def _within(self, model: BgNbd, weeks: float) -> np.ndarray:
        """For one customer of each row, the expected purchases within so many weeks."""
        return self._while_alive(model, weeks)[self.pair] * self.alive.of(model)

    def _while_alive(self, model: BgNbd, weeks: float) -> np.ndarray:
        """The same of those who are customers still, for each pair of repeat purchases and age."""
        tau = weeks / (model.alpha + self.T_of)
        return purchases_while_alive(model.r, model.a, model.b, self.x_of, tau)


def _slopes(model: Any, total: Callable[[Any], np.ndarray]) -> np.ndarray:
    """The slopes of log totals by the logarithms of a model's parameters: a row for each parameter."""
    import numpy as np

    step, at, found = 1e-4, model.log_parameters, []
    for number in range(len(at)):
        moved = step * (np.arange(len(at)) == number)
        above, below = total(model.replaced(at + moved)), total(model.replaced(at - moved))
        found.append((np.log(above) - np.log(below)) / (2 * step))
    return np.array(found)
