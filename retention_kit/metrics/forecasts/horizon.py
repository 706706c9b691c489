"""Common parts of forecasts: their date, horizon, discounts and intervals, and undefined rows."""

from __future__ import annotations

import hashlib
import re
from datetime import date
from typing import TYPE_CHECKING, Any

from retention_kit.lazy import np
from retention_kit.metrics.formulas import Z95
from retention_kit.periods import Period

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset
    from retention_kit.settings import Definitions

MONTH = 365.25 / 12  # days
WIDEST = 10.0  # largest factor of an interval: beyond it the linear approximation is useless
HORIZON_KINDS = ("probability_no_purchase", "probability_of_leaving")  # columns of lists that depend on the horizon


def cutoff_date(data: Dataset, period: Period) -> date:
    """The date of a period's forecast: its end, or the as-of date if that is earlier."""
    return min(period.end, data.as_of)


def whole_months(start: date, end: date) -> int:
    """The number of whole months between two dates; 0 if `end` is before `start`."""
    return max((end.year - start.year) * 12 + end.month - start.month - (end.day < start.day), 0)


def discounts(definitions: Definitions) -> list[float]:
    """The discount factor of each month's end in the horizon."""
    monthly = (1 + definitions.discount) ** (-1 / 12)
    return [monthly**month for month in range(1, definitions.horizon_months + 1)]


def interval_factor(deviations: np.ndarray) -> np.ndarray:
    """The factor from a forecast to the upper end of its 95% interval, by the standard error of its logarithm."""
    with np.errstate(over="ignore"):
        return np.exp(Z95 * deviations)


def interval(value: float, factor: float) -> tuple[float | None, float | None]:
    """The interval from value / factor to value * factor; (None, None) if the factor is above WIDEST."""
    return (float(value / factor), float(value * factor)) if factor <= WIDEST else (None, None)


def undefined(segment_value: str, reason: str, customers: int = 0) -> dict[str, Any]:
    """The fields of a `Lives` row without a forecast, with the reason."""
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
    """The name of a list's column that depends on the horizon, such as probability_no_purchase_12_months."""
    return f"{name}_{data.settings.definitions.horizon_months}_months"


def horizon_kind(column: str) -> str:
    """The name of a list's column without the months of the horizon; empty for other columns."""
    kind = re.sub(r"_\d+_months$", "", column)
    return kind if kind != column and kind in HORIZON_KINDS else ""


def is_control(customer_id: str, share: float = 0.1) -> bool:
    """Whether a customer is in the control group, a share of all (one in ten), by a digest of the id.

    It is the same on every engine; a larger share includes a smaller one.
    """
    digest = int(hashlib.sha256(customer_id.encode("utf-8", "surrogatepass")).hexdigest()[:12], 16)
    tenth, rest = digest % 10, digest // 10 % 10**9
    return tenth * 10**9 + rest < round(share * 10**10)
