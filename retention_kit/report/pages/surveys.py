"""Blocks on surveys: scores, net promoter groups, and the distribution of answers."""

from __future__ import annotations

from retention_kit.data.values.scales import top_boxes
from retention_kit.lazy import pd
from retention_kit.metrics.breakdowns import answer_counts
from retention_kit.metrics.definitions.feedback import SURVEYS
from retention_kit.metrics.queries.spans import Granularity
from retention_kit.metrics.queries.summaries import missing_reason, summary
from retention_kit.periods import Period
from retention_kit.report.blocks import Block
from retention_kit.report.charts import series
from retention_kit.report.charts.surveys import answers
from retention_kit.report.pages.comments import CommentBlocks
from retention_kit.report.pages.context import Blocks
from retention_kit.report.pages.metric import MetricBlocks
from retention_kit.report.pages.response_rate import ResponseBlocks

SCORES = {survey: metric for metric, survey in SURVEYS.items()}


class SurveyBlocks(MetricBlocks, CommentBlocks, ResponseBlocks):
    """Blocks on surveys."""

    def survey(self, survey: str) -> Blocks:
        """All blocks on one survey (nps, csat or ces).

        A list of blocks: those of `trend`, `answers`, `later_retention` and `comments`; for nps also of `response_rate`
        at the beginning and `nps` after the trend. Empty without answers; raises KeyError for another name.
        """
        rate = self.response_rate() if survey == "nps" else []
        scores = [self.trend(SCORES[survey]), self.nps() if survey == "nps" else None, self.answers(survey)]
        return Blocks(filter(None, [*rate, *scores, self.later_retention(survey), self.comments(survey)]))

    def nps(self) -> Block | None:
        """Promoters, passives and detractors over thirteen periods.

        The block `chart`: weighted shares of the answers, a bar per period. None if the data lack the table, or on a
        page of one segment value.
        """
        if self.only or missing_reason(self.data, "feedback"):
            return None
        frame = summary(self.data, "feedback", Granularity(self.every)).rename(columns={"nps_answers": "n"})
        frame = self.recent(frame.assign(period=[str(Period(self.every, int(index))) for index in frame["period"]]))
        chart, row = series.nps(frame, self.words), frame[frame["period"] == str(self.period)].iloc[0]
        shares = {
            name: self.words.value(row[name] / row["nps_weight"] if row["nps_weight"] else None, "fraction")
            for name in ("promoters", "detractors")
        }
        title = self.words.text("chart.nps_title", period=self.words.period(self.period), **shares)
        caption = self.words.text("chart.nps", every=self.words.text(f"every.{self.every}"))
        return None if chart is None else self.chart(chart, title, [caption, *self.incomplete(frame)])

    def answers(self, survey: str) -> Block | None:
        """The distribution of the answers to one survey (nps, csat or ces) over its scale in this period.

        The block `chart`: a bar per score, as a weighted share of all answers. None without answers in the period, or
        on a page of one segment value.
        """
        if self.only or missing_reason(self.data, "scores"):
            return None
        counts = answer_counts(self.data, self.every)
        counts = counts[(counts["period"] == str(self.period)) & (counts["survey"] == survey)]
        now = self.row(SCORES[survey])
        if counts.empty or now is None:
            return None
        rows = self._grouped(counts, survey)
        chart = answers(rows, self.words)
        scale = {
            "low": self.words.value(rows["score"].min(), "count"),
            "high": self.words.value(rows["score"].max(), "count"),
        }
        texts = {"n": self.words.value(now.n, "count"), "period": self.words.period(self.period), **scale}
        title = self._most_frequent(rows, survey)
        return None if chart is None else self.chart(chart, title, [self.words.text("chart.answers", **texts)])

    def _grouped(self, counts: pd.DataFrame, survey: str) -> pd.DataFrame:
        """Every score of the scale with its share and its group."""
        high, definitions = int(counts["high"].iloc[0]), self.data.settings.definitions
        top = {"csat": definitions.csat_top, "ces": definitions.ces_top}.get(survey)
        top = top_boxes(survey, high) if top is None else top
        scale = range(0 if survey == "nps" or high <= 2 else 1, high + 1)
        rows = counts.set_index("score").reindex(scale).rename_axis("score").reset_index()
        rows = rows.assign(period=str(self.period), survey=survey, answers=rows["answers"].fillna(0))
        if survey == "nps":
            rows["group"] = [
                "promoters" if score >= 9 else "passives" if score >= 7 else "detractors" for score in scale
            ]
            labels = {name: self.words.text(f"charts.nps.{name}") for name in rows["group"]}
        else:
            rows["group"] = ["all" if top == "mean" else "top" if score > high - top else "rest" for score in scale]
            labels = {
                name: self.words.text(f"charts.answers.{name}_{survey}" if name == "top" else f"charts.answers.{name}")
                for name in rows["group"]
            }
        return rows.assign(group_label=rows["group"].map(labels), share=rows["answers"] / rows["answers"].sum())

    def _most_frequent(self, rows: pd.DataFrame, survey: str) -> str:
        """The finding: the most frequent answer, unless several are equally frequent."""
        most_frequent = rows[rows["answers"] == rows["answers"].max()]
        texts = {"survey": self.words.text(f"charts.answers.{survey}"), "period": self.words.period(self.period)}
        if len(most_frequent) > 1:
            return self.words.text("chart.answers_spread", **texts)
        row = most_frequent.iloc[0]
        figures = {
            "score": self.words.value(row["score"], "count"),
            "share": self.words.value(row["share"], "fraction"),
        }
        return self.words.text("chart.answers_title", **texts, **figures)
