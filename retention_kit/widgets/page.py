"""The explorer's page: limited to the chosen segment values, with figures cached by period."""

from __future__ import annotations

from dataclasses import replace

from retention_kit.data.summary_key import SummaryKey
from retention_kit.lazy import pd
from retention_kit.metrics.catalogue import METRICS
from retention_kit.metrics.scorecard import scorecard
from retention_kit.metrics.trend import TREND, trend_periods
from retention_kit.report.page import Page


class ExplorerPage(Page):
    """A page of the report with the chosen segment values only, which caches the figures of each period."""

    values: tuple[str, ...] = ()

    def _trend(self) -> pd.DataFrame:
        return self._cached("trend", self.only, self._by_period)

    def _by_period(self) -> pd.DataFrame:
        """The result of `trend_rows`, computed only for the periods that are not cached."""
        if missing := self.unknown_periods():
            self.rows_of(missing)
        frames = [self.computed[key] for key in self._period_keys().values()]
        rows = pd.concat(frames)
        order = {name: number for number, name in enumerate(METRICS)}
        rows = rows.sort_values("metric", key=lambda names: names.map(order), kind="stable", ignore_index=True)
        rows.attrs = dict(frames[0].attrs)
        return rows.assign(segment="", segment_value="") if self.only else rows

    def unknown_periods(self) -> list[str]:
        """The periods of the trend whose figures are not cached."""
        return [period for period, key in self._period_keys().items() if key not in self.computed]

    def rows_of(self, periods: list[str]) -> None:
        """Compute and cache the figures of some periods of the trend."""
        keys, rows = self._period_keys(), scorecard(self.data, periods=periods, segment=self.only or None)
        for period, part in rows.groupby("period", sort=False):
            self.computed[keys[period]] = part

    def _period_keys(self) -> dict[str, SummaryKey]:
        periods = map(str, trend_periods(self.data, self.period))
        return {period: SummaryKey("period", period, self.only, (*METRICS,)) for period in periods}

    def judge(self) -> None:
        """Test all claims of the page, unless the results are cached."""
        if self._claims_key not in self.computed:
            self.keep_claims()

    @property
    def _claims_key(self) -> SummaryKey:
        key = super()._claims_key
        return replace(key, segment=(key.segment, self.values))  # claims depend on the chosen values

    def parts(self, column: str) -> pd.DataFrame:
        rows = super().parts(column)
        return rows[rows["segment_value"].isin(self.values)] if self.values else rows

    def cells(self) -> pd.DataFrame | None:
        """The cells of the cohort heat map; None if there are none."""
        return self._cells(TREND)
