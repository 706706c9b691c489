"""What a page shows about any metric: its trend, its segments, its figures."""

from __future__ import annotations

from retention_kit.metrics.catalogue import METRICS
from retention_kit.metrics.scorecard import SMALL
from retention_kit.report import charts, rules, story, tables
from retention_kit.report.context import SEGMENTED, Blocks, Context, metrics_of, of
from retention_kit.report.display import Block


class AboutFigures(Context):
    """What a page shows about any metric: its trend, its segments, its figures."""

    def trend(self, metric: str) -> Block | None:
        """One metric over thirteen periods."""
        rows = of(self.rows, metric)
        now = self.row(metric)
        if now is None or not self._is_asked(metric):
            return None
        drawing = charts.trend(rows, self.words, goal=now.target if story.is_known(now.target) else None)
        if drawing is None:
            return Block("text", text=self.words.text("story.reason", label=now.label, note=now.note))
        caption = [self.words.text("chart.trend", definition=METRICS[metric].definition)]
        if rule := rules.in_force(METRICS[metric], self.data, self.words):
            caption.append(rule)
        if rows["low"].notna().any():
            caption.append(self.words.text("chart.band"))
        return self.chart(
            drawing, story.finding(now, self.words, self.verdict(now)), [*caption, *self.incomplete(rows)]
        )

    def trends(self, *metrics: str) -> Blocks:
        """Several metrics over thirteen periods, a chart each."""
        return Blocks(filter(None, map(self.trend, metrics)))

    def segments(self, *metrics: str) -> Blocks:
        """Metrics by segment value, for each segment column asked for."""
        return Blocks(filter(None, (self._segment(metric, column) for metric in metrics for column in self.columns)))

    def figures(self, *names: str) -> Block | None:
        """Every figure of some metrics, or of all metrics of a section, to the last digit, with what it is made of."""
        chosen = [name for given in names for name in metrics_of(given) if self._is_asked(name)]
        rows = list(self.now(chosen).itertuples())
        if not any(story.is_known(row.value) for row in rows):
            return None
        return tables.figures(rows, self.period, self.words)

    def _is_asked(self, metric: str) -> bool:
        """Of a survey that was never held in these periods nothing is said."""
        return metric not in METRICS or METRICS[metric].summary != "feedback" or (of(self.rows, metric)["n"] > 0).any()

    def _segment(self, metric: str, column: str) -> Block | None:
        whole = self.row(metric)
        if whole is None:
            return None
        rows = of(self.parts(column), metric)
        rows = rows[rows["value"].notna() | (rows["n"] > 0)]
        drawing = charts.segments(rows, self.words, total=whole.value if story.is_known(whole.value) else None)
        if drawing is None:
            return None
        known = rows[rows["value"].notna() & (rows["n"] >= SMALL)].sort_values("value")
        title = {"label": whole.label, "column": column, "period": self.words.period(self.period)}
        caption = []
        if rows["low"].notna().any():
            caption.append(self.words.text("chart.interval"))
        caption.append(self.words.text("chart.whole"))
        tested = int((rows["n"] >= SMALL).sum())
        if metric in SEGMENTED and tested > 1 and whole.complete:
            none = self.words.text("chart.differ_none", count=tested, column=column)
            caption.insert(0, self.differing(rows, whole, column, tested, "differ") or none)
        if len(known) < 2 or known["value"].iloc[0] == known["value"].iloc[-1]:  # of few customers nothing is said
            return self.chart(drawing, self.words.text("chart.segments_title", **title), caption)
        ends = {"highest": known["segment_value"].iloc[-1], "lowest": known["segment_value"].iloc[0]}
        is_all = len(known) == rows["value"].notna().sum()
        said = self.words.text(
            "chart.segments_spread" if is_all else "chart.segments_spread_large", **title, **ends, least=SMALL
        )
        plain = self.words.text("story.sentence", finding=self.words.text("chart.segments_title", **title))
        return self.chart(drawing, said, [plain, *caption])
