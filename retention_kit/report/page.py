"""A page of the report: what the templates call. Every method gives one block, or None where there is nothing to show."""

from __future__ import annotations

from collections.abc import Iterable

from retention_kit.metrics.catalogue import METRICS
from retention_kit.metrics.scorecard import SMALL
from retention_kit.report import charts, story, tables
from retention_kit.report.about_customers import AboutCustomers
from retention_kit.report.about_feedback import AboutFeedback
from retention_kit.report.about_money import AboutMoney
from retention_kit.report.context import Blocks, metrics_of, of
from retention_kit.report.display import Block

CARDS = ("customer_retention_rate", "repeat_purchase_rate", "average_revenue_per_customer", "active_customers",
         "mrr", "net_promoter_score", "revenue", "customer_satisfaction_score")  # fmt: skip


class Page(AboutCustomers, AboutMoney, AboutFeedback):
    """One period of one dataset in one language, as the templates show it; parameters as in `Context`."""

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
        now = self.now(metrics or CARDS)
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
        rows = of(self.rows, metric)
        now = self.row(metric)
        if now is None:
            return None
        drawing = charts.trend(rows, self.words, goal=now.target if story.is_known(now.target) else None)
        if drawing is None:
            return Block("text", text=self.words.text("story.reason", label=now.label, note=now.note))
        caption = [self.words.text("chart.trend", definition=METRICS[metric].definition)]
        if rows["low"].notna().any():
            caption.append(self.words.text("chart.band"))
        return self.chart(drawing, story.finding(now, self.words), [*caption, *self.incomplete(rows)])

    def segments(self, metric: str) -> list[Block]:
        """One metric by segment value, for each segment column asked for."""
        return Blocks(filter(None, (self._segment(metric, column) for column in self.columns)))

    def figures(self, *names: str) -> Block | None:
        """Every figure of some metrics, or of all metrics of a section, to the last digit, with what it is made of."""
        chosen = [name for given in names for name in metrics_of(given)]
        rows = list(self.now(chosen).itertuples())
        if not any(story.is_known(row.value) for row in rows):
            return None
        return tables.figures(rows, self.period, self.words)

    def _lead(self) -> list[str]:
        words, said = self.words, []
        retention, leading = self.row("customer_retention_rate"), story.leading(self.rows, str(self.period))
        if retention is not None and story.is_known(retention.value):
            counts = {name: words.value(getattr(retention, part), "count")
                      for name, part in (("retained", "numerator"), ("start", "denominator"))}  # fmt: skip
            said.append(words.text(f"story.kept_{self.base}", **counts, **self.named_periods()))
        others = [self.row(name) for name in ("average_revenue_per_customer", "mrr", "net_promoter_score")]
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
        row = self.row("lost_customers")
        if row is not None and row.complete and row.value:
            lost = self.words.value(row.value, "count")
            yield self.words.text(f"attention.lost_{self.base}", lost=lost, **self.named_periods())

    def _missed_goals(self) -> Iterable[str]:
        for row in self.now(METRICS).itertuples():
            if row.status == "missed":
                said = {"value": self.words.value(row.value, row.unit), "goal": self.words.value(row.target, row.unit)}
                yield self.words.text("attention.goal", label=row.label, **said)

    def _weak_segments(self) -> Iterable[str]:
        for column in self.columns:
            for name in ("customer_retention_rate", "net_promoter_score"):
                whole = self.row(name)
                worst = None
                if whole is not None and story.is_known(whole.value) and whole.complete:
                    worst = story.stands_out(of(self.parts(column), name), whole)
                if worst is not None:
                    stands = {"value": self.words.value(worst.value, worst.unit), "value_name": worst.segment_value}
                    yield self.words.text(
                        "attention.segment",
                        label=whole.label,
                        whole=self.words.value(whole.value, whole.unit),
                        **stands,
                    )

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
        caption = [self.words.text("story.sentence", finding=self.words.text("chart.segments_title", **title))]
        if rows["low"].notna().any():
            caption.append(self.words.text("chart.interval"))
        caption.append(self.words.text("chart.whole"))
        if len(known) < 2:  # of few customers nothing is said
            return self.chart(drawing, self.words.text("chart.segments_title", **title), caption[1:])
        ends = {"highest": known["segment_value"].iloc[-1], "lowest": known["segment_value"].iloc[0]}
        return self.chart(drawing, self.words.text("chart.segments_spread", **title, **ends), caption)
