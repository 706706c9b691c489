"""What a page shows about money: how recurring revenue moved."""

from __future__ import annotations

from retention_kit.metrics.summaries import needs
from retention_kit.metrics.tables import mrr_movements
from retention_kit.report import charts
from retention_kit.report.context import Context
from retention_kit.report.display import Block


class AboutMoney(Context):
    """What a page shows about money: how recurring revenue moved."""

    def mrr_movements(self) -> Block | None:
        """Recurring revenue gained and lost, with the identity spelled out."""
        if self.only or needs(self.data, "mrr"):
            return None
        frame = self.recent(mrr_movements(self.data, self.every))
        drawing = charts.mrr_movements(frame, self.words)
        frame = frame.assign(
            gained=frame["new"] + frame["expansion"] + frame["reactivation"],
            given_up=frame["contraction"] + frame["churned"],
        )
        caption = "mrr_fx" if frame["fx"].any() else "mrr"
        return drawing and self.sum_chart(drawing, frame, caption, "mrr_title", "money")
