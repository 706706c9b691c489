"""The back test of the forecast for buyers, compared with a simple rule: the time since the last purchase."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from retention_kit.data.summary_key import SummaryKey
from retention_kit.metrics.forecasts.back_test import BackTest, compare, rising_rule
from retention_kit.metrics.forecasts.buyers import WEEK, Fit, Forecast, fit, times
from retention_kit.metrics.forecasts.horizon import cutoff_date, whole_months
from retention_kit.metrics.queries.lives import later_purchases
from retention_kit.periods import Period, add_months

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from retention_kit.data.dataset import Dataset


def back_test(data: Dataset, period: Period) -> BackTest:
    """Compare the models of a horizon before the period's end with the purchases since.

    The simple rule ranks by days since the last purchase. Its probabilities are learned from the horizon before, or, if
    the history is too short for that, from the tested time itself.
    """
    end, months = cutoff_date(data, period), data.settings.definitions.horizon_months
    key, description = SummaryKey("buyers_back_test", str(period)), f"no back-test of {period}"
    return data.cached(key, description, lambda: back_test_at(data, add_months(end, -months), end, months))


def back_test_at(data: Dataset, cut: date, until: date, months: int) -> BackTest:
    """Compare the models of the date `cut` with the purchases from then to before `until`.

    `months` is that time as printed. The history counts to `until`, like the data of a forecast made today.
    """
    start = data.starts["orders"]
    history = whole_months(start, until)
    frame = later_purchases(data, cut, until)
    models = Fit(None, None, "", "", "") if frame.empty else fit(data, frame, cut)
    if models.purchases is None:
        return BackTest(cut, months, history, None, (0.0, 0.0), (0.0, 0.0))
    weeks = (until - cut).days / WEEK
    customers, silent = frame["customers"].to_numpy(float), _silent(frame)
    lost = customers * (frame["later_purchases"] == 0).to_numpy()
    chance = models.purchases.probability_no_purchase(weeks, *times(frame))
    # The rule has to learn from customers without purchases for as long as the horizon, else it would be too weak.
    earlier = cut - (until - cut)
    training = frame if earlier - start < until - cut else later_purchases(data, earlier, cut)
    if training.empty:
        training = frame
    is_flattered = training is frame
    n = training["customers"].to_numpy(float)
    rule = rising_rule(_silent(training), n * (training["later_purchases"] == 0).to_numpy(), n)
    expected = Forecast(frame, data.minor).totals_within(models, weeks)
    bought = float(frame["later_purchases"].to_numpy(float) @ customers)
    return BackTest(
        cut,
        months,
        history,
        compare(chance, rule(silent), silent, lost, customers),
        (expected[0], bought),
        (expected[1], float(frame["later_amount"].sum()) / data.minor),
        is_flattered,
    )


def _silent(frame: pd.DataFrame) -> np.ndarray:
    """Days since the last purchase."""
    return (frame["age_days"] - frame["recency_days"]).to_numpy(float)
