"""A page of the report as the explorer has it: of the chosen segment values, and quick to move on by a period."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retention_kit.data.summary_key import SummaryKey
from retention_kit.metrics.catalogue import METRICS
from retention_kit.metrics.scorecard import scorecard
from retention_kit.metrics.trend import TREND, trend_periods
from retention_kit.report.page import Page

if TYPE_CHECKING:
    import pandas as pd


class ChosenPage(Page):
    """A page of the report that looks at the chosen segment values only, and keeps the figures of each period."""

    values: tuple[str, ...] = ()

    def _trend(self) -> pd.DataFrame:
        return self._known("trend", self.only, self._by_period)

    def _by_period(self) -> pd.DataFrame:
        """What `trend_rows` gives, of which only the periods that are new have to be computed."""
        import pandas as pd

        keys = {
            str(period): SummaryKey("period", str(period), self.only, (*METRICS,))
            for period in trend_periods(self.data, self.period)
        }
        if missing := [period for period, key in keys.items() if key not in self.computed]:
            rows = scorecard(self.data, periods=missing, segment=self.only or None)
            for period, part in rows.groupby("period", sort=False):
                self.computed[keys[period]] = part
        rows = pd.concat([self.computed[key] for key in keys.values()])
        order = {name: number for number, name in enumerate(METRICS)}
        rows = rows.sort_values("metric", key=lambda names: names.map(order), kind="stable", ignore_index=True)
        rows.attrs = dict(self.computed[next(iter(keys.values()))].attrs)
        return rows.assign(segment="", segment_value="") if self.only else rows

    def parts(self, column: str) -> pd.DataFrame:
        rows = super().parts(column)
        return rows[rows["segment_value"].isin(self.values)] if self.values else rows

    def cells(self) -> pd.DataFrame | None:
        """The cells of the heat map, None where there is none."""
        return self._cells(TREND)
