"""What a page shows about customers: who came and left, and why."""

from __future__ import annotations

from retention_kit.metrics.summaries import needs
from retention_kit.metrics.tables import churn_reasons, customer_movements
from retention_kit.report import charts, tables
from retention_kit.report.context import Context
from retention_kit.report.display import Block


class AboutCustomers(Context):
    """What a page shows about customers: who came and left, and why."""

    def movements(self) -> Block | None:
        """Customers gained and lost, with the identity spelled out."""
        if self.only or needs(self.data, "movements"):
            return None
        frame = self.recent(customer_movements(self.data, self.every))
        drawing = charts.customer_movements(frame, self.words)
        return drawing and self.sum_chart(drawing, frame, f"movements_{self.base}", "movements_title", "count")

    def reasons(self) -> Block | None:
        """Why customers left, where `cancel_reason` tells it: lost customers and churned MRR by reason."""
        if self.only or needs(self.data, "reasons"):
            return None
        rows = churn_reasons(self.data, self.every)
        rows = rows[rows["period"] == str(self.period)]
        return tables.reasons(rows, self.period, self.words)
