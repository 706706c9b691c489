"""Which of the competing rules are in force: said beside every figure that they change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retention_kit.metrics.catalogue import Metric
from retention_kit.settings import Definitions
from retention_kit.wording import Words

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset


def in_force(one: Metric, data: Dataset, words: Words) -> str:
    """The options that change a metric and are not at their default, in words; empty where all are."""
    chosen, default, said = data.settings.definitions, Definitions(), []
    idle = {"inactivity_days"} if data.basis != "orders" else set() if chosen.inactivity_days else {"churn_mode"}
    for option in one.options:
        value = getattr(chosen, option)
        if value != getattr(default, option) and option not in idle:
            said.append(words.text(f"options.{option}_mean" if value == "mean" else f"options.{option}", value=value))
    return words.text("options.title", rules=" ".join(said)) if said else ""
