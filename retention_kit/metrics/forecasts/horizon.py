"""What all forecasts share: the date that they are made at, the months ahead, and rows that say nothing."""

from __future__ import annotations

import hashlib
import re
from datetime import date
from typing import TYPE_CHECKING, Any

from retention_kit.metrics.formulas import Z95
from retention_kit.periods import Period

if TYPE_CHECKING:
    import numpy as np

    from retention_kit.data.dataset import Dataset
    from retention_kit.settings import Definitions

MONTH = 365.25 / 12  # days
WIDEST = 10.0  # times a forecast that its interval reaches up to: further away the model's slopes say nothing
HORIZON_KINDS = ("probability_no_purchase", "probability_of_leaving")  # columns of lists that speak of the horizon


def cut_of(data: Dataset, period: Period) -> date:
    """The date that a period's forecast is made at: its end, or the as-of date if that is earlier."""
    return min(period.end, data.as_of)


def whole_months(start: date, end: date) -> int:
    """How many whole months lie between two dates; 0 where they stand the other way round."""
    return max((end.year - start.year) * 12 + end.month - start.month - (end.day < start.day), 0)


def discounts(definitions: Definitions) -> list[float]:
    """What money at the end of each month of the horizon is worth at its start."""
    monthly = (1 + definitions.discount) ** (-1 / 12)
    return [monthly**month for month in range(1, definitions.horizon_months + 1)]


def reach(deviations: np.ndarray) -> np.ndarray:
    """How many times a forecast its 95% interval reaches up to, by the standard error of its logarithm."""
    import numpy as np

    with np.errstate(over="ignore"):
        return np.exp(Z95 * deviations)


def interval(value: float, factor: float) -> tuple[float | None, float | None]:
    """A forecast's interval, so many times lower and higher; none where that is too far."""
    return (float(value / factor), float(value * factor)) if factor <= WIDEST else (None, None)


def undefined(segment_value: str, reason: str, customers: int = 0) -> dict[str, Any]:
    """The fields of a `Lives` row of which nothing can be said, and why."""
    missing = dict.fromkeys(("purchases", "value", "low", "high", "at_risk", "at_stake"))
    return {
        "segment_value": segment_value,
        "customers": customers,
        "reason": reason,
        "at_risk_reason": reason,
        "note": "",
        **missing,
    }


def horizon_column(name: str, data: Dataset) -> str:
    """The head of a list's column that speaks of the horizon."""
    return f"{name}_{data.settings.definitions.horizon_months}_months"


def horizon_kind(column: str) -> str:
    """What a list's column says of the horizon, its head without the months; empty of other columns."""
    kind = re.sub(r"_\d+_months$", "", column)
    return kind if kind != column and kind in HORIZON_KINDS else ""


def is_control(customer_id: str, share: float = 0.1) -> bool:
    """Whether a customer is of the share (one in ten) that is not to be asked, by a digest of the id, so that the
    effect of asking can be measured: always the same, on every engine. A larger share holds a smaller one.
    """
    digest = int(hashlib.sha256(customer_id.encode("utf-8", "surrogatepass")).hexdigest()[:12], 16)
    tenth, rest = digest % 10, digest // 10 % 10**9
    return tenth * 10**9 + rest < round(share * 10**10)
