"""What is expected of customers who buy: BG/NBD and Gamma-Gamma on the orders so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retention_kit.periods import Period

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset


def rows(data: Dataset, period: Period, segment: str | None) -> list[dict[str, Any]]:  # noqa: ARG001
    """The fields of a `Lives` row for each segment value with customers; none so far."""
    return []
