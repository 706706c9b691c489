"""Blocks on any metric: its trend, its segments and its figures."""

from __future__ import annotations

from math import isclose

import pandas as pd

from retention_kit.metrics.catalogue import METRICS, ranked
from retention_kit.metrics.insights import pooled
from retention_kit.metrics.queries.segment_values import NONE
from retention_kit.metrics.scorecard import SMALL
from retention_kit.report.blocks import Block
from retention_kit.report.charts import series
from retention_kit.report.pages import narrative, rules, tables
from retention_kit.report.pages.context import Blocks, Context, metrics_of, rows_for
from retention_kit.wording import Words


class MetricBlocks(Context):
    """Blocks on any metric."""

    def trend(self, metric: str) -> Block | None:
        """One metric over thirteen periods.

        The block `chart` with 95% interval and goal, or a `text` that says why no value is defined. None if the data
        lack the metric. `metric` is a key of `METRICS`.
        """
        rows = rows_for(self.rows, metric)
        now = self.row(metric)
        if now is None or not self._has_answers(metric):
            return None
        chart = series.trend(rows, self.words, goal=now.target if narrative.is_known(now.target) else None)
        if chart is None:
            return Block("text", text=self.words.text("story.reason", label=now.label, note=now.note))
        notes = [] if narrative.is_known(now.value) or not now.note else [self.words.say(now.note)]
        caption = [*notes, self.words.text("chart.trend", definition=METRICS[metric].definition)]
        if rule := rules.in_force(METRICS[metric], self.data, self.words):
            caption.append(rule)
        if rows["low"].notna().any():
            caption.append(self.words.text("chart.band"))
        caption += filter(None, [self.driver(now)])
        return self.chart(
            chart, narrative.finding(now, self.words, self.verdict(now)), [*caption, *self.incomplete(rows)]
        )

    def trends(self, *metrics: str) -> Blocks:
        """Several metrics over thirteen periods, a chart each.

        A list of the blocks of `trend`, in the order of `metrics`, without missing ones.
        """
        return Blocks(filter(None, map(self.trend, metrics)))

    def segments(self, *metrics: str) -> Blocks:
        """Metrics by segment value, for each segment column of the page.

        A list of blocks: a `chart` of values with 95% intervals, the largest first, those of fewer than 30 pooled; a
        `text` if all are that small. Empty without segment columns.
        """
        return Blocks(filter(None, (self._segment(metric, column) for metric in metrics for column in self.columns)))

    def figures(self, *names: str) -> Block | None:
        """The figures of metrics, or of all metrics of a section, with all digits.

        The block `table`: value, numerator, denominator, n, 95% interval, the value before and the change. `names` are
        metrics or sections. None if no value is defined.
        """
        chosen = [name for given in names for name in metrics_of(given) if self._has_answers(name)]
        rows = list(self.now(chosen).itertuples())
        if not any(narrative.is_known(row.value) for row in rows):
            return None
        return tables.figures(rows, self.period, self.words)

    def _has_answers(self, metric: str) -> bool:
        """False for a metric of a survey without answers in the periods of the trend, of which nothing is shown."""
        return (
            metric not in METRICS
            or METRICS[metric].summary != "feedback"
            or (rows_for(self.rows, metric)["n"] > 0).any()
        )

    def _segment(self, metric: str, column: str) -> Block | None:
        if (whole := self.row(metric)) is None:
            return None
        rows = rows_for(self.parts(column), metric)
        rows = rows[rows["value"].notna() | (rows["n"] > 0)]
        if not narrative.is_known(whole.value) and rows["value"].isna().all():
            return None  # the block of `trend` says why
        title = {"label": whole.label, "column": column, "period": self.words.period(self.period)}
        if not (tested := int((rows["n"] >= SMALL).sum())):
            few = self.words.text("chart.segments_few", count=len(rows), least=SMALL, **title)
            return Block("text", text=few) if len(rows) else None
        total = whole.value if narrative.is_known(whole.value) else None
        if (chart := series.segments(by_size(rows, self.words, total), self.words, total=total)) is None:
            return None
        caption = [self.words.text("chart.segments_caption", **title)]
        if rows["low"].notna().any():
            caption.append(self.words.text("chart.interval"))
        caption.append(self.words.text("chart.whole"))
        if metric not in ranked("by_segment") or tested < 2 or not whole.complete:
            return self.chart(chart, self.words.text("chart.segments_title", **title), caption)
        difference = self.differing(rows, whole, column, tested, "differ")
        kind = "differ" if difference else "alike"
        caption.insert(1, difference or self.words.text("chart.differ_none", count=tested, column=column))
        return self.chart(chart, self.words.text(f"chart.segments_{kind}", **title), caption)


def by_size(rows: pd.DataFrame, words: Words, whole: float | None) -> pd.DataFrame:
    """Segment values in the order of a page: the largest first, those of fewer than 30 pooled, unnamed ones last.

    Pooled values are added up if all values add up to that of the `whole`.
    """
    rows = rows.sort_values("n", ascending=False, kind="stable")
    unnamed, small = rows["segment_value"] == NONE, rows["n"] < SMALL
    few = rows[small & ~unnamed]
    if len(few) > 1:
        total = pooled(few)
        figures = {name: getattr(total, name) for name in ("value", "numerator", "denominator", "n", "low", "high")}
        if total.value is None and whole is not None and isclose(rows["value"].sum(), whole, rel_tol=1e-9):
            figures["value"] = few["value"].sum(min_count=1)
        name = words.text("chart.small", count=words.value(len(few), "count"))
        few = few.head(1).assign(segment_value=name, note="", **figures)
    return pd.concat([rows[~small & ~unnamed], few, rows[unnamed]], ignore_index=True)
