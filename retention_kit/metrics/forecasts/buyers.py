"""Forecasts for buyers from their orders: BG/NBD for the number of purchases, Gamma-Gamma for their value.

Purchases are days with a purchase; times are in weeks. Customers whom the model does not distinguish are grouped in one
row. Expectations are linear in the amount spent, so sums over the groups are those over the customers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from retention_kit.data.summary_key import SummaryKey
from retention_kit.errors import ModelError
from retention_kit.lazy import np, pd
from retention_kit.metrics.forecasts.horizon import MONTH, cutoff_date, discounts, interval, interval_factor, undefined
from retention_kit.metrics.models import BgNbd, GammaGamma, fit_bg_nbd, fit_gamma_gamma
from retention_kit.metrics.models.bg_nbd import BLOCK, AliveChances
from retention_kit.metrics.models.expectation import purchases_while_alive
from retention_kit.metrics.models.inputs import dot
from retention_kit.metrics.queries.lives import buyer_groups, spend_sample
from retention_kit.periods import Period, add_months
from retention_kit.wording import Sentence, sentence

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset

WEEK = 7  # days
USUAL = 0.5  # quantile of an active customer's gaps, after which the next purchase is overdue
UNLIKELY = 0.5  # probability of no purchase in the horizon, from which on an overdue customer is at risk
MIN_CUSTOMERS = 500  # with fewer, the interval's coverage is too low
SHORT_NOTE = sentence("model.short")


@dataclass(frozen=True)
class Fit:
    """The models of all customers before a date, or the reasons why there are none."""

    purchases: BgNbd | None
    spend: GammaGamma | None
    reason: str  # a sentence on why there is no forecast of purchases, or empty
    money_reason: str  # the same for money
    note: str  # warnings of the models


def rows(data: Dataset, period: Period, segment: str | None) -> list[dict[str, Any]]:
    """The fields of a `Lives` row for each segment value with customers; see `lives.lives`."""
    frame = buyer_groups(data, period, segment)
    return _rows(data, cached_fit(data, period, None if segment else frame), frame)


def cached_fit(data: Dataset, period: Period, frame: pd.DataFrame | None = None) -> Fit:
    """The models of all customers at a period's end; `frame` has its `buyer_groups`, if already computed."""

    def compute() -> Fit:
        return fit(data, buyer_groups(data, period) if frame is None else frame, cutoff_date(data, period))

    return data.cached(SummaryKey("buyers_fit", str(period)), f"no models of {period}", compute)


def fit(data: Dataset, frame: pd.DataFrame, cut: date) -> Fit:
    """Fit both models to the customers before a date."""
    try:
        x, t_x, T = times(frame)
        purchases = fit_bg_nbd(x, t_x, T, frame["customers"])
    except ModelError as error:
        return Fit(None, None, error.text, error.text, "")
    notes = [*purchases.warnings, *([SHORT_NOTE] if data.starts["orders"] > add_months(cut, -24) else [])]
    sample = spend_sample(data, cut)
    try:
        spend = fit_gamma_gamma(sample["frequency"], sample["repeat_amount"] / sample["frequency"] / data.minor)
        spend.expected_value(0, 0)  # raises ModelError if it is undefined for one-time buyers
    except ModelError as error:
        return Fit(purchases, None, "", error.text, Sentence.joined(*notes))
    return Fit(purchases, spend, "", "", Sentence.joined(*notes, *spend.warnings))


def times(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The arrays x, t_x and T: repeat purchases, weeks from the first purchase to the last one and to the cutoff."""
    x, t_x, T = (frame[name].to_numpy(float) for name in ("frequency", "recency_days", "age_days"))
    return x, t_x / WEEK, T / WEEK


def horizon_weeks(data: Dataset) -> float:
    """The horizon of forecasts, in weeks."""
    return data.settings.definitions.horizon_months * MONTH / WEEK


def _rows(data: Dataset, fit: Fit, frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A row of sums for each segment value."""
    group_values, values = pd.factorize(frame["segment_value"])
    forecast = Forecast(frame, data.minor, group_values, len(values))
    customers = forecast.group_sums(forecast.customers)
    if fit.purchases is None:
        return [undefined(value, fit.reason, int(n)) for value, n in zip(values, customers, strict=True)]
    definitions = data.settings.definitions
    purchases = forecast.purchases(fit.purchases, [0.0] * (definitions.horizon_months - 1) + [1.0])
    is_at_risk, chance = forecast.at_risk(fit.purchases, horizon_weeks(data))
    money, factors = forecast.money(fit, discounts(definitions))
    intervals = [(None, None)] * len(values) if money is None else [*map(interval, money, factors)]
    counts = forecast.group_sums(forecast.customers * is_at_risk)
    at_stake = forecast.group_sums(frame["recent_amount"].to_numpy(float) / data.minor * chance * is_at_risk)
    return [
        {
            "segment_value": value,
            "customers": int(customers[number]),
            "purchases": float(purchases[number]),
            "value": None if money is None else float(money[number]),
            "low": intervals[number][0],
            "high": intervals[number][1],
            "at_risk": int(counts[number]),
            "at_stake": float(at_stake[number]),
            "reason": fit.money_reason,
            "at_risk_reason": "",
            "note": fit.note,
        }
        for number, value in enumerate(values)
    ]


class Forecast:
    """Forecasts for groups of customers (rows of `buyer_groups`), summed by the index of their segment value.

    What depends on some columns only is computed once for all rows with the same values.
    """

    def __init__(self, frame: pd.DataFrame, minor: int, place: np.ndarray | None = None, values: int = 1):
        self.place, self.values = np.zeros(len(frame), int) if place is None else place, values
        self.x, self.t_x, self.T = times(frame)
        self.customers = frame["customers"].to_numpy(float)
        self.x_kind, kinds = pd.factorize(frame["frequency"].to_numpy("int64"))
        self.x_kinds = kinds.astype(float)
        spent = frame["repeat_amount"].to_numpy(float) / minor
        # The mean of the group, as expectations are linear in it.
        self.spent = self.x * np.where(self.x > 0, spent / self.customers / np.where(self.x > 0, self.x, 1), 0.0)
        pairs = frame["frequency"].to_numpy("int64") * (1 << 32) + frame["age_days"].to_numpy("int64")
        self.pair, kinds = pd.factorize(pairs)
        self.x_of, self.T_of = (kinds >> 32).astype(float), (kinds & ((1 << 32) - 1)) / WEEK
        self.alive = AliveChances(self.x, self.t_x, self.T)

    def group_sums(self, amounts: np.ndarray) -> np.ndarray:
        """Sums over the rows of each segment value."""
        return np.bincount(self.place, amounts, self.values)

    def purchases(self, model: BgNbd, worth: list[float]) -> np.ndarray:
        """Expected purchases up to the end of each month of the horizon, weighted by `worth` and summed."""
        return self.group_sums(self.customers * self._expected(model, worth))

    def at_risk(self, model: BgNbd, weeks: float) -> tuple[np.ndarray, np.ndarray]:
        """Which rows are at risk, and the probability that a customer of each buys nothing within `weeks`.

        At risk are repeat buyers who are overdue by their median gap and will more likely buy nothing than something.
        """
        chance = 1 - self.alive.of(model) * model.probability_to_buy(weeks, self.x_of, self.T_of)[self.pair]
        is_silent = self.T - self.t_x > model.usual_gap(USUAL, self.x, self.t_x)
        return (self.x > 0) & is_silent & (chance >= UNLIKELY), chance

    def money(self, fit: Fit, worth: list[float]) -> tuple[np.ndarray | None, np.ndarray]:
        """Expected revenue, discounted by `worth` at the end of each month, and the factor of its interval (see
        `interval_factor`), which is infinite without one.

        The interval is by the delta method on the logarithm, for the uncertainty of the parameters; its slopes take all
        purchases at the discount of the horizon's end.
        """
        model, spend = fit.purchases, fit.spend
        no_interval = np.full(self.values, np.inf)
        if model is None or spend is None:
            return None, no_interval
        steps = [now - after for now, after in zip(worth, [*worth[1:], 0.0], strict=True)]
        bought = self._expected(model, steps)
        money = self.group_sums(bought * self._spend(spend))
        if (
            model.covariance is None
            or spend.covariance is None
            or self.customers.sum() < MIN_CUSTOMERS
            or not (money > 0).all()
        ):
            return money, no_interval
        spend_of_rows = self._spend(spend)
        last = [0.0] * (len(worth) - 1) + [1.0]
        by_model = _slopes(model, lambda other: self.group_sums(self._expected(other, last) * spend_of_rows))
        by_spend = _slopes(spend, lambda other: self.group_sums(bought * self._spend(other)))
        variance = ((by_model.T @ model.covariance) * by_model.T).sum(1)
        variance += ((by_spend.T @ spend.covariance) * by_spend.T).sum(1)
        return money, interval_factor(np.sqrt(np.maximum(variance, 0)))

    def totals_within(self, fit: Fit, weeks: float) -> tuple[float, float]:
        """Expected purchases and revenue of all customers within `weeks`, undiscounted; 0 without a model."""
        if fit.purchases is None:
            return 0.0, 0.0
        bought = self._within(fit.purchases, weeks)
        money = 0.0 if fit.spend is None else dot(bought, self._spend(fit.spend))
        return dot(bought, self.customers), money

    def _spend(self, spend: GammaGamma) -> np.ndarray:
        """The expected value of a purchase, summed over the customers of each row."""
        return self.customers * (spend.p * (spend.v + self.spent) / spend.expected_shape(self.x_kinds)[self.x_kind])

    def _expected(self, model: BgNbd, weights: list[float]) -> np.ndarray:
        """Expected purchases of one customer of each row, up to each month's end, weighted and summed."""
        bought = [
            (weight, self._while_alive(model, month * MONTH / WEEK))
            for month, weight in enumerate(weights, 1)
            if weight
        ]
        alive, totals = self.alive.of(model), np.zeros(len(self.x))
        for begin in range(0, len(totals), BLOCK):
            part = slice(begin, begin + BLOCK)
            pair, chance, total = self.pair[part], alive[part], totals[part]
            for weight, purchases in bought:
                total += weight * (purchases[pair] * chance)
        return totals

    def _within(self, model: BgNbd, weeks: float) -> np.ndarray:
        """Expected purchases of one customer of each row within `weeks`."""
        return self._while_alive(model, weeks)[self.pair] * self.alive.of(model)

    def _while_alive(self, model: BgNbd, weeks: float) -> np.ndarray:
        """The same given that they are still customers, for each pair of repeat purchases and age."""
        tau = weeks / (model.alpha + self.T_of)
        return purchases_while_alive(model.r, model.a, model.b, self.x_of, tau)


def _slopes(model: Any, total: Callable[[Any], np.ndarray]) -> np.ndarray:
    """The derivatives of log totals by the logarithms of a model's parameters: a row for each parameter."""
    step, at, slopes = 1e-4, model.log_parameters, []
    for number in range(len(at)):
        shift = step * (np.arange(len(at)) == number)
        above, below = total(model.with_log_parameters(at + shift)), total(model.with_log_parameters(at - shift))
        slopes.append((np.log(above) - np.log(below)) / (2 * step))
    return np.array(slopes)
