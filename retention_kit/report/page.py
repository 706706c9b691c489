"""A page of the report: what the templates call. Every method gives one block, or None where there is nothing to show."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from retention_kit.metrics.catalogue import METRICS, Metric
from retention_kit.metrics.grids import Grid
from retention_kit.metrics.scorecard import SMALL, absent, scorecard, split_segment
from retention_kit.metrics.summaries import needs, periods_of, pick_period, summary
from retention_kit.metrics.tables import churn_reasons, customer_movements, mrr_movements
from retention_kit.periods import Period
from retention_kit.report import charts, story, tables
from retention_kit.report.display import Block
from retention_kit.report.rules import in_force
from retention_kit.wording import Words

if TYPE_CHECKING:
    import pandas as pd

    from retention_kit.data.dataset import Dataset

HANDOVER = "RETENTION_KIT_SUMMARIES"  # in the batch: the file that holds the summaries of the run
TREND = 13  # periods in a trend: a year and the same period of the year before
CARDS = ("customer_retention_rate", "repeat_purchase_rate", "average_revenue_per_customer", "active_customers",
         "mrr", "net_promoter_score", "revenue", "customer_satisfaction_score")  # fmt: skip


class Page:
    """One period of one dataset in one language.

    The parameters are those of every template: `period` ("" for the last complete one), `every`, `segment` (columns
    to break down by, with commas between; or `column=value` to look at that value alone), `language`, and `data`
    (a path; "" for the sample company) or an open dataset.
    """

    def __init__(
        self,
        period: str = "",
        every: str | None = "month",
        segment: str = "",
        language: str = "en",
        data: str | Dataset = "",
    ):
        self.data = open_data(data) if isinstance(data, str) else data
        self.period = pick_period(self.data, period, every)
        self.words = Words(language, self.data.settings.report.currency)
        self.every = self.period.every
        is_column = segment in self.data.segments  # a name may hold a comma or a =
        self.only = segment if "=" in segment and not is_column else ""
        named = [segment] if is_column else [] if self.only else segment.split(",")
        self.columns = [column.strip() for column in named if column.strip()]
        self.rows = trend_rows(self.data, self.period, self.only)
        self._parts: dict[str, pd.DataFrame] = {}

    def heading(self, name: str) -> Block:
        """The title of a section, or of a metric's own page; an analyst's own section is called as its file is."""
        try:
            text = METRICS[name].label if name in METRICS else self.words.text(f"sections.{name}")
        except KeyError:
            text = name.replace("_", " ").capitalize()
        return Block("heading", level=2, text=text, id=name.replace("_", "-"))

    def headline(self) -> Block:
        """The finding of the period and two or three sentences around it."""
        return Block("headline", text=story.headline(self.rows, str(self.period), self.words), lead=self._lead())

    def cards(self, *metrics: str) -> Block | None:
        """Key figures with change, interval, goal and the trend as a small line; the defined ones of `CARDS` by default."""
        now = self._now(metrics or CARDS)
        now = now if metrics else now[now["value"].notna()].head(4)
        cards = [self._card(row) for row in now.itertuples()]
        return Block("cards", cards=cards) if cards else None

    def attention(self) -> Block | None:
        """What a reader should look into, in sentences."""
        items = [*self._lost(), *self._missed_goals(), *self._weak_segments()]
        return (
            Block("notice", tone="attention", title=self.words.text("attention.title"), items=items) if items else None
        )

    def trend(self, metric: str) -> Block | None:
        """One metric over thirteen periods."""
        rows = _of(self.rows, metric)
        now = self._row(metric)
        if now is None:
            return None
        drawing = charts.trend(rows, self.words, goal=now.target if story.is_known(now.target) else None)
        if drawing is None:
            return Block("text", text=self.words.text("story.reason", label=now.label, note=now.note))
        caption = [self.words.text("chart.trend", definition=METRICS[metric].definition)]
        if rule := in_force(METRICS[metric], self.data, self.words):
            caption.append(rule)
        if rows["low"].notna().any():
            caption.append(self.words.text("chart.band"))
        return self._chart(drawing, story.finding(now, self.words), [*caption, *self._incomplete(rows)])

    def movements(self) -> Block | None:
        """Customers gained and lost, with the identity spelled out."""
        if self.only or needs(self.data, "movements"):
            return None
        frame = self._recent(customer_movements(self.data, self.every))
        drawing = charts.customer_movements(frame, self.words)
        return drawing and self._sum_chart(drawing, frame, f"movements_{self.base}", "movements_title", "count")

    def mrr_movements(self) -> Block | None:
        """Recurring revenue gained and lost, with the identity spelled out."""
        if self.only or needs(self.data, "mrr"):
            return None
        frame = self._recent(mrr_movements(self.data, self.every))
        drawing = charts.mrr_movements(frame, self.words)
        frame = frame.assign(
            gained=frame["new"] + frame["expansion"] + frame["reactivation"],
            given_up=frame["contraction"] + frame["churned"],
        )
        caption = "mrr_fx" if frame["fx"].any() else "mrr"
        return drawing and self._sum_chart(drawing, frame, caption, "mrr_title", "money")

    def reasons(self) -> Block | None:
        """Why customers left, where `cancel_reason` tells it: lost customers and churned MRR by reason."""
        if self.only or needs(self.data, "reasons"):
            return None
        rows = churn_reasons(self.data, self.every)
        rows = rows[rows["period"] == str(self.period)]
        return tables.reasons(rows, self.period, self.words)

    def nps(self) -> Block | None:
        """Promoters, passives and detractors over thirteen periods."""
        if self.only or needs(self.data, "feedback"):
            return None
        frame = summary(self.data, "feedback", Grid(self.every)).rename(columns={"nps_answers": "n"})
        frame = self._recent(frame.assign(period=[str(Period(self.every, int(index))) for index in frame["period"]]))
        drawing = charts.nps(frame, self.words)
        return drawing and self._sum_chart(drawing, frame, "nps", "nps_title", "count")

    def segments(self, metric: str) -> list[Block]:
        """One metric by segment value, for each segment column asked for."""
        return _Blocks(filter(None, (self._segment(metric, column) for column in self.columns)))

    def figures(self, *names: str) -> Block | None:
        """Every figure of some metrics, or of all metrics of a section, to the last digit, with what it is made of."""
        chosen = [name for given in names for name in _metrics_of(given)]
        rows = list(self._now(chosen).itertuples())
        if not any(story.is_known(row.value) for row in rows):
            return None
        return tables.figures(rows, self.period, self.words)

    def parts(self, column: str) -> pd.DataFrame:
        """The scorecard of this period by one segment column, computed once."""
        if column not in self._parts:
            rows = scorecard(self.data, self.period, segment=column)
            self._parts[column] = rows[rows["segment"] == column]
        return self._parts[column]

    def _lead(self) -> list[str]:
        words, said = self.words, []
        retention, leading = self._row("customer_retention_rate"), story.leading(self.rows, str(self.period))
        if retention is not None and story.is_known(retention.value):
            counts = {name: words.value(getattr(retention, part), "count")
                      for name, part in (("retained", "numerator"), ("start", "denominator"))}  # fmt: skip
            said.append(words.text(f"story.kept_{self.base}", **counts, **self._periods()))
        others = [self._row(name) for name in ("average_revenue_per_customer", "mrr", "net_promoter_score")]
        for row in [row for row in others if row is not None and story.is_known(row.value)][:2]:
            if leading is None or row.metric != leading.metric:
                said.append(words.text("story.sentence", finding=story.finding(row, words)))
        if not self.period.is_complete(self.data.as_of):
            said.append(words.text("story.incomplete", period=words.period(self.period), day=self.last_day()))
        return said

    def _card(self, row) -> dict:
        words, text = self.words, self.words.text
        trend = self.rows[(self.rows["metric"] == row.metric) & self.rows["complete"]]["value"]
        card = {
            "label": row.label,
            "value": words.value(row.value, row.unit),
            "spark": [value if story.is_known(value) else None for value in trend],
            "note": row.note,
        }
        if story.is_known(row.change):
            direction = "flat" if story.is_same(row, words) else "up" if row.change > 0 else "down"
            good = None if direction == "flat" or not row.better else (direction == "up") == (row.better == "higher")
            before = words.period(self.period.shift(-1), "short")
            said = text("card.change", change=story.change(row, words), period=before)
            card["change"] = {"text": said, "direction": direction, "good": good}
        details = []
        if story.is_known(row.denominator):
            parts = {"numerator": tables.part(row.numerator, row, words, is_top=True, style="short"),
                     "denominator": tables.part(row.denominator, row, words, is_top=False, style="short")}  # fmt: skip
            details.append(text("card.share", **parts))
        if interval := tables.interval(row, words, "short", worded=True):
            details.append(interval)
        card["detail"] = " · ".join(details or [text("card.n", n=words.value(row.n, "count"))])
        if story.is_known(row.target):
            card["goal"] = self._goal(row)
        return card

    def _goal(self, row) -> dict:
        goal = {"goal": self.words.value(row.target, row.unit), "by": self.data.settings.goals[row.metric].by}
        key = f"card.goal_{row.status}" if row.status else "card.goal"
        share = row.value / row.target if row.better != "lower" and row.target else float(row.status == "reached")
        return {
            "text": self.words.text(key, **goal),
            "share": min(max(share, 0.0), 1.0) if story.is_known(row.value) else 0.0,
        }

    def _lost(self) -> Iterable[str]:
        row = self._row("customer_retention_rate")  # who returned within the period is not gone
        if row is not None and row.complete and row.denominator > row.numerator:
            lost = self.words.value(row.denominator - row.numerator, "count")
            yield self.words.text(f"attention.lost_{self.base}", lost=lost, **self._periods())

    def _missed_goals(self) -> Iterable[str]:
        for row in self._now(METRICS).itertuples():
            if row.status == "missed":
                said = {"value": self.words.value(row.value, row.unit), "goal": self.words.value(row.target, row.unit)}
                yield self.words.text("attention.goal", label=row.label, **said)

    def _weak_segments(self) -> Iterable[str]:
        for column in self.columns:
            for name in ("customer_retention_rate", "net_promoter_score"):
                whole = self._row(name)
                worst = None
                if whole is not None and story.is_known(whole.value) and whole.complete:
                    worst = story.stands_out(_of(self.parts(column), name), whole)
                if worst is not None:
                    stands = {"value": self.words.value(worst.value, worst.unit), "value_name": worst.segment_value}
                    yield self.words.text(
                        "attention.segment",
                        label=whole.label,
                        whole=self.words.value(whole.value, whole.unit),
                        **stands,
                    )

    def _segment(self, metric: str, column: str) -> Block | None:
        whole = self._row(metric)
        if whole is None:
            return None
        rows = _of(self.parts(column), metric)
        rows = rows[rows["value"].notna() | (rows["n"] > 0)]
        drawing = charts.segments(rows, self.words, total=whole.value if story.is_known(whole.value) else None)
        if drawing is None:
            return None
        known = rows[rows["value"].notna() & (rows["n"] >= SMALL)].sort_values("value")
        title = {"label": whole.label, "column": column, "period": self.words.period(self.period)}
        caption = [self.words.text("story.sentence", finding=self.words.text("chart.segments_title", **title))]
        if rows["low"].notna().any():
            caption.append(self.words.text("chart.interval"))
        caption.append(self.words.text("chart.whole"))
        if len(known) < 2:  # of few customers nothing is said
            return self._chart(drawing, self.words.text("chart.segments_title", **title), caption[1:])
        ends = {"highest": known["segment_value"].iloc[-1], "lowest": known["segment_value"].iloc[0]}
        return self._chart(drawing, self.words.text("chart.segments_spread", **title, **ends), caption)

    def _sum_chart(self, drawing: charts.Drawing, frame: pd.DataFrame, caption: str, title: str, unit: str) -> Block:
        """A chart of parts that add up: the sum is spelled out under it."""
        now = frame[frame["period"] == str(self.period)].to_dict("records")[0]
        said = {name: self.words.value(value, unit, "full") for name, value in now.items()
                if name not in ("period", "complete", "segment_value")}  # fmt: skip
        said |= {"every": self.words.text(f"every.{self.every}"), **self._periods()}
        sentences = [self.words.text(f"chart.{caption}", **said), *self._incomplete(frame)]
        return self._chart(drawing, self.words.text(f"chart.{title}", **said), sentences)

    def _chart(self, drawing: charts.Drawing, title: str, caption: list[str]) -> Block:
        return Block("chart", title=title, caption=" ".join(caption), alt=drawing.alt, spec=drawing.spec)

    def _recent(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The periods of the trend, each known to be complete or not."""
        shown = [str(period) for period in trend_periods(self.data, self.period)]
        frame = frame[frame["period"].isin(shown)].reset_index(drop=True)
        return frame.assign(complete=[Period.parse(period).is_complete(self.data.as_of) for period in frame["period"]])

    def _now(self, metrics: Iterable[str]) -> pd.DataFrame:
        """The rows of this period, in the order asked for, with the direction that is better."""
        rows = self.rows[(self.rows["period"] == str(self.period)) & self.rows["metric"].isin(list(metrics))]
        place = {name: number for number, name in enumerate(metrics)}
        rows = rows.sort_values("metric", key=lambda names: names.map(place))
        return rows.assign(better=[METRICS[name].better for name in rows["metric"]])

    def _row(self, metric: str):
        return next(self._now([metric]).itertuples(), None)

    @property
    def base(self) -> str:
        """What makes a customer, as the sentences tell it apart."""
        is_window = self.data.basis == "orders" and self.data.settings.definitions.inactivity_days
        return "inactivity" if is_window else self.data.basis

    def _periods(self) -> dict[str, object]:
        return {"period": self.words.period(self.period), "before": self.words.period(self.period.shift(-1)),
                "days": self.data.settings.definitions.inactivity_days}  # fmt: skip

    def _incomplete(self, rows: pd.DataFrame) -> list[str]:
        pending = rows[~rows["complete"]]["period"]
        return [
            self.words.text("chart.incomplete", period=self.words.period(period), day=self.last_day())
            for period in pending
        ]

    def last_day(self) -> str:
        """The last day that the data know, in words."""
        return self.words.date(self.data.as_of - timedelta(days=1))


class _Blocks(list):
    """Several blocks from one call, each shown for itself."""

    def _ipython_display_(self) -> None:
        from IPython.display import display

        for block in self:
            display(block)


def open_data(path: str) -> Dataset:
    """The dataset a template's `data` names; in the batch, the summaries that were computed for the run."""
    from retention_kit.data.dataset import load, sample

    if kept := os.environ.get(HANDOVER):
        from retention_kit.metrics.handover import reopen

        return reopen(kept)
    return load(path) if path else sample()


def trend_periods(data: Dataset, period: Period) -> list[Period]:
    """Thirteen periods up to this one, and the one after it while that is incomplete."""
    known = periods_of(data, period.every)
    later = [one for one in known if one == period.shift(1) and not one.is_complete(data.as_of)]
    return [one for one in known if one <= period][-TREND:] + later


def trend_rows(data: Dataset, period: Period, only: str = "") -> pd.DataFrame:
    """The scorecard of a report: all metrics over the periods of its trend, of the whole or of one segment value."""
    split_segment(data, only)
    rows = scorecard(data, periods=trend_periods(data, period), segment=only or None)
    return rows.assign(segment="", segment_value="") if only else rows


def _of(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    return rows[rows["metric"] == metric]


def _metrics_of(name: str) -> list[str]:
    """A section's metrics, or the one metric of that name."""
    return [one.name for one in METRICS.values() if one.template == name] or [name]


def unavailable(data: Dataset) -> dict[str, list[Metric]]:
    """The metrics that these data cannot give, by the reason."""
    reasons: dict[str, list[Metric]] = {}
    for name, reason in absent(data).items():
        reasons.setdefault(reason, []).append(METRICS[name])
    return reasons
