"""Blocks of the first screen: the main finding and the key figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from retention_kit.errors import UnknownNameError, check_choice
from retention_kit.metrics.catalogue import ranked
from retention_kit.metrics.queries.spans import Granularity
from retention_kit.metrics.queries.summaries import summary
from retention_kit.periods import Period
from retention_kit.report.blocks import Block
from retention_kit.report.pages import narrative, tables
from retention_kit.report.pages.context import rows_for
from retention_kit.report.pages.goals import GoalBlocks

MOST_CARDS = 6  # unless metrics are given
# The column for each comparison.
COMPARISON_COLUMNS = {"previous": "previous", "year_ago": "year_ago", "goal": "target"}


class Overview(GoalBlocks):
    """Blocks of the first screen."""

    def headline(self) -> Block:
        """The main finding of the period with a few sentences.

        The block `headline`: `text` with the leading figure and its change, then sentences in `lead`. It is never None:
        if no figure is defined it says so.
        """
        row = self.leading()
        verdict, goal = ("", "") if row is None else (self.verdict(row), self.goal_state(row))
        text = narrative.headline(row, str(self.period), self.words, verdict, goal)
        return Block("headline", text=text, lead=self._lead())

    def leading(self) -> Any | None:
        """The scorecard row of the headline; None without figures."""

        def is_real(row: Any) -> bool:
            return row.complete and self.is_significant(row.metric)

        return self._cached_by_rows("leading", lambda: narrative.leading(self.rows, str(self.period), is_real))

    def cards(self, *metrics: str, compare: Iterable[str] = ("previous", "year_ago")) -> Block | None:
        """Key figures with changes, interval, goal and a sparkline of the trend.

        The block `cards`. `metrics` are keys of `METRICS`, by default those declared with `card`; `compare` has the
        comparisons, "previous", "year_ago" or "goal". None without figures; raises UnknownNameError for another
        comparison.
        """
        for name in (compare := [compare] if isinstance(compare, str) else list(compare)):
            template = "Figures are not compared with {name!r}: {hint}"
            check_choice(UnknownNameError, template, COMPARISON_COLUMNS, name=name)
        now = self.now(metrics or ranked("card"))
        if not metrics:
            now = now[now["value"].notna()].head(MOST_CARDS)
            now = now.head(len(now) // 2 * 2 if len(now) > 3 else 3)  # two side by side
        cards = [self._card(row, compare) for row in now.itertuples()]
        return Block("cards", cards=cards) if cards else None

    def _lead(self) -> list[str]:
        """Next to the headline what is said of it: how certain it is, and why; then how many stayed, and others."""
        words, kept, texts = self.words, [], []
        retention, leading = self.row("customer_retention_rate"), self.leading()
        if retention is not None and narrative.is_known(retention.value):
            counts = {
                name: words.value(getattr(retention, part), "count")
                for name, part in (("retained", "numerator"), ("start", "denominator"))
            }
            kept = [words.text(f"story.kept_{self.base}", **counts, **self.named_periods())]
        if leading is not None:
            verdict = self.verdict(leading)
            texts.append(narrative.certainty(leading, words, verdict))
            texts.append(narrative.season(leading, words) if verdict in ("", "real") else "")
            texts.append(self.driver(leading))
        is_of_retention = leading is not None and leading.metric == "customer_retention_rate"
        texts = [*kept, *texts] if is_of_retention else [*texts, *kept]
        others = [self.row(name) for name in ("average_revenue_per_customer", "mrr", "net_promoter_score")]
        for row in [row for row in others if row is not None and narrative.is_known(row.value)][:2]:
            if leading is None or row.metric != leading.metric:
                texts.append(words.text("story.sentence", finding=narrative.finding(row, words, self.verdict(row))))
        if not self.period.is_complete(self.data.as_of):
            texts.append(words.text("story.incomplete", period=words.period(self.period), day=self.last_day()))
        return [sentence for sentence in texts if sentence]

    def _card(self, row: Any, compare: list[str]) -> dict:
        words, text = self.words, self.words.text
        trend = rows_for(self.rows, row.metric)
        trend = trend[trend["complete"]]["value"]
        card = {
            "metric": row.metric,
            "label": row.label,
            "value": words.value(row.value, row.unit),
            "changes": list(self._changes(row, compare)),
            "spark": [value if narrative.is_known(value) else None for value in trend],
            "time_direction": words.time_direction,
            "note": row.note,
        }
        details = []
        if answers := self._answers(row):
            details.append(answers)
        elif narrative.is_known(row.denominator):
            details.append(tables.made_of(row, words))
        if interval := tables.interval(row, words, "short", worded=True):
            details.append(interval)
        card["detail"] = " · ".join(details or [text("card.n", n=words.value(row.n, "count"))])
        if narrative.is_known(row.target):
            card["goal"] = self.goal_on_card(row)
        return card

    def _answers(self, row: Any) -> str:
        """The numbers of answers behind a net promoter score; empty for other figures."""
        if row.metric != "net_promoter_score" or not row.n:
            return ""
        column, value = self.alone or (None, "")
        frame = summary(self.data, "feedback", Granularity(self.every), column)
        rows = frame[(frame["period"] == self.period.index) & (frame["segment_value"] == value)]
        texts = {
            name: self.words.value(rows[part].iloc[0], "count")
            for name, part in (("promoters", "promoters"), ("detractors", "detractors"), ("answers", "nps_weight"))
        }
        return self.words.text("card.answers", **texts)

    def _changes(self, row: Any, compare: list[str]) -> Iterator[dict]:
        """The changes of a figure against each comparison; `good` is None unless the change is significant."""
        if not row.complete or not narrative.is_known(row.value):
            return
        periods = {"previous": self.period.shift(-1), "year_ago": self.period.year_ago()}
        for name in compare:
            before, is_twice = (
                COMPARISON_COLUMNS[name],
                self.every == "year" and name == "year_ago" and "previous" in compare,
            )
            if not narrative.is_known(getattr(row, before)) or is_twice:
                continue
            is_flat, is_up = narrative.is_same(row, self.words, before), row.value > getattr(row, before)
            is_certain = self.is_significant(row.metric, name)
            yield {
                "text": self._against(row, name, periods.get(name)),
                "detail": "" if is_flat else self._certainty(row, name, is_certain),
                "direction": "flat" if is_flat else "up" if is_up else "down",
                "good": is_up == (row.better == "higher") if row.better and is_certain and not is_flat else None,
            }

    def _against(self, row: Any, name: str, period: Period | None) -> str:
        change = narrative.signed(row, self.words, COMPARISON_COLUMNS[name])
        if name == "goal":
            return self.words.text("card.change_goal", change=change, goal=self.words.bound(row.target, row.unit))
        assert period is not None  # its figure is known
        return self.words.text("card.change", change=change, period=self.words.period(period, "short"))

    def _certainty(self, row: Any, name: str, is_certain: bool) -> str:
        """The detail of a change: its interval, that it may be chance, or for a sum the change per day."""
        if name == "previous":
            if not (verdict := self.verdict(row)):
                return narrative.per_day(row, self.words)
            return self.words.text(f"card.{verdict}", **narrative.bounds(row, self.words), **narrative.lengths(row))
        return self.words.text("card.may_be_chance") if narrative.is_known(row.low) and not is_certain else ""
