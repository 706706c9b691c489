"""What a page shows about feedback: how answers spread."""

from __future__ import annotations

from retention_kit.metrics.grids import Grid
from retention_kit.metrics.summaries import needs, summary
from retention_kit.periods import Period
from retention_kit.report import charts
from retention_kit.report.context import Context
from retention_kit.report.display import Block


class AboutFeedback(Context):
    """What a page shows about feedback: how answers spread."""

    def nps(self) -> Block | None:
        """Promoters, passives and detractors over thirteen periods."""
        if self.only or needs(self.data, "feedback"):
            return None
        frame = summary(self.data, "feedback", Grid(self.every)).rename(columns={"nps_answers": "n"})
        frame = self.recent(frame.assign(period=[str(Period(self.every, int(index))) for index in frame["period"]]))
        drawing = charts.nps(frame, self.words)
        return drawing and self.sum_chart(drawing, frame, "nps", "nps_title", "count")
