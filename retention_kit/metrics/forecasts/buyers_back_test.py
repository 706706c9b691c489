"""The forecast of buyers made a horizon earlier, beside a plain rule: how long customers have been silent."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from retention_kit.data.summary_key import SummaryKey
from retention_kit.metrics.forecasts.back_test import BackTest, compare, rising_rule
from retention_kit.metrics.forecasts.buyers import WEEK, Fit, Forecast, fit, times
from retention_kit.metrics.forecasts.horizon import cut_of, whole_months
from retention_kit.metrics.queries.lives import later_purchases
from retention_kit.periods import Period, add_months

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from retention_kit.data.dataset import Dataset


def back_test(data: Dataset, period: Period) -> BackTest:
    """What the models of a horizon before the period's end said of the time since, beside what happened.

    The plain rule ranks by the days since the last purchase; how many so long silent buy nothing it has from the same
    time before, or where too little was known by then from the very time that it is held against.
    """
    ends, months = cut_of(data, period), data.settings.definitions.horizon_months
    key, what = SummaryKey("buyers_back_test", str(period)), f"no back-test of {period}"
    return data.kept(key, what, lambda: made_at(data, add_months(ends, -months), ends, months))


def made_at(data: Dataset, cut: date, until: date, months: int) -> BackTest:
    """The models of a date, held against what customers bought from it to another one.

    `months` is what the report calls that time. The history counts to its end: as long are the data that a forecast
    made today goes by.
    """
    start = data.starts["orders"]
    history = whole_months(start, until)
    frame = later_purchases(data, cut, until)
    models = Fit(None, None, "", "", "") if frame.empty else fit(data, frame, cut)
    if models.purchases is None:
        return BackTest(cut, months, history, None, (0.0, 0.0), (0.0, 0.0))
    weeks = (until - cut).days / WEEK
    customers, silent = frame["customers"].to_numpy(float), _silent(frame)
    gone = customers * (frame["later_purchases"] == 0).to_numpy()
    chance = models.purchases.probability_no_purchase(weeks, *times(frame))
    # Who has been silent for as long as the horizon has to be seen: else the plain rule would be a straw man.
    earlier = cut - (until - cut)
    before = later_purchases(data, earlier, cut)
    is_flattered = before.empty or earlier - start < until - cut
    learned = frame if is_flattered else before
    n = learned["customers"].to_numpy(float)
    rule = rising_rule(_silent(learned), n * (learned["later_purchases"] == 0).to_numpy(), n)
    expected = Forecast(frame, data.minor).totals_within(models, weeks)
    bought = float(frame["later_purchases"].to_numpy(float) @ customers)
    return BackTest(
        cut,
        months,
        history,
        compare(chance, rule(silent), silent, gone, customers),
        (expected[0], bought),
        (expected[1], float(frame["later_amount"].sum()) / data.minor),
        is_flattered,
    )


def _silent(frame: pd.DataFrame) -> np.ndarray:
    """Days since the last purchase."""
    return (frame["age_days"] - frame["recency_days"]).to_numpy(float)
