"""Metrics of your own: `retention.toml` names this file under [report] plugins."""

from retention_kit.metrics.catalogue import Measure, metric
from retention_kit.metrics.formulas import share


@metric(label="Share of new customers", unit="fraction", formula="new customers / customers at the end", source="us")
def new_customer_share(movements) -> Measure:
    """Share of the customers at the period's end who had never been one before."""
    return share(movements.new, movements.end, "There is no customer at the period's end.")
