"""What the first screen shows: the finding, key figures, and what needs attention."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from retention_kit.errors import UnknownNameError, did_you_mean
from retention_kit.metrics.catalogue import ranked
from retention_kit.metrics.queries.spans import Granularity
from retention_kit.metrics.queries.summaries import summary
from retention_kit.periods import Period
from retention_kit.report.blocks import Block
from retention_kit.report.pages import narrative, tables
from retention_kit.report.pages.context import rows_for
from retention_kit.report.pages.goals import GoalBlocks

SHOWN = 6  # cards unless others are asked for
# What figures are held against, and the column that has it.
COMPARED = {"previous": "previous", "year_ago": "year_ago", "goal": "target"}


class Overview(GoalBlocks):
    """What the first screen shows: the finding, key figures, and what needs attention."""

    def headline(self) -> Block:
        """The finding of the period and two or three sentences around it.

        The block `headline`: the leading figure with its change, then sentences in `lead`. Where nothing is
        defined it says so; it is never None.
        """
        row = self.leading()
        verdict, goal = ("", "") if row is None else (self.verdict(row), self.goal_state(row))
        text = narrative.headline(row, str(self.period), self.words, verdict, goal)
        return Block("headline", text=text, lead=self._lead())

    def leading(self) -> Any | None:
        """The row of the figure that the headline speaks of."""

        def compute() -> Any | None:
            return narrative.leading(self.rows, str(self.period), lambda row: row.complete and self.holds(row.metric))

        return self._once("leading", compute)

    def cards(self, *metrics: str, compare: Iterable[str] = ("previous", "year_ago")) -> Block | None:
        """Key figures with changes, interval, goal and the trend as a small line; those with a place among the cards by
        default.

        `compare` names what the changes are against: "previous", "year_ago" or "goal", where a figure has one.
        """
        for name in (compare := [compare] if isinstance(compare, str) else list(compare)):
            if name not in COMPARED:
                raise UnknownNameError(
                    "Figures are not compared with {name!r}: {hint}", name=name, hint=did_you_mean(name, COMPARED)
                )
        now = self.now(metrics or ranked("card"))
        if not metrics:
            now = now[now["value"].notna()].head(SHOWN)
            now = now.head(len(now) // 2 * 2 if len(now) > 3 else 3)  # two side by side
        cards = [self._card(row, compare) for row in now.itertuples()]
        return Block("cards", cards=cards) if cards else None

    def _lead(self) -> list[str]:
        words, texts = self.words, []
        retention, leading = self.row("customer_retention_rate"), self.leading()
        if retention is not None and narrative.is_known(retention.value):
            counts = {
                name: words.value(getattr(retention, part), "count")
                for name, part in (("retained", "numerator"), ("start", "denominator"))
            }
            texts.append(words.text(f"story.kept_{self.base}", **counts, **self.named_periods()))
        if leading is not None:
            verdict = self.verdict(leading)
            texts.append(narrative.certainty(leading, words, verdict))
            texts.append(narrative.season(leading, words) if verdict in ("", "real") else "")
            texts.append(self.driver(leading))
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
        """The answers that a net promoter score is made of; empty of other figures."""
        if row.metric != "net_promoter_score" or not row.n:
            return ""
        column, value = self.alone or (None, "")
        frame = summary(self.data, "feedback", Granularity(self.every), column)
        found = frame[(frame["period"] == self.period.index) & (frame["segment_value"] == value)]
        texts = {
            name: self.words.value(found[part].iloc[0], "count")
            for name, part in (("promoters", "promoters"), ("detractors", "detractors"), ("answers", "nps_weight"))
        }
        return self.words.text("card.answers", **texts)

    def _changes(self, row: Any, compare: list[str]) -> Iterator[dict]:
        """Against the period before, with its interval, the same of last year, or the goal; grey unless more than
        chance.
        """
        if not row.complete or not narrative.is_known(row.value):
            return
        periods = {"previous": self.period.shift(-1), "year_ago": self.period.year_ago()}
        for name in compare:
            before, is_twice = COMPARED[name], self.every == "year" and name == "year_ago" and "previous" in compare
            if not narrative.is_known(getattr(row, before)) or is_twice:
                continue
            is_flat, is_up = narrative.is_same(row, self.words, before), row.value > getattr(row, before)
            is_certain = self.holds(row.metric, name)
            yield {
                "text": self._against(row, name, periods.get(name)),
                "detail": "" if is_flat else self._certainty(row, name, is_certain),
                "direction": "flat" if is_flat else "up" if is_up else "down",
                "good": is_up == (row.better == "higher") if row.better and is_certain and not is_flat else None,
            }

    def _against(self, row: Any, name: str, period: Period | None) -> str:
        change = narrative.signed(row, self.words, COMPARED[name])
        if name == "goal":
            return self.words.text("card.change_goal", change=change, goal=self.words.value(row.target, row.unit))
        assert period is not None  # the figure of then is known
        return self.words.text("card.change", change=change, period=self.words.period(period, "short"))

    def _certainty(self, row: Any, name: str, is_certain: bool) -> str:
        """What is said of a change beside it: its interval, that it may be chance, or of a sum what it is a day."""
        if name == "previous":
            verdict = self.verdict(row)
            if not verdict:
                return narrative.per_day(row, self.words)
            return self.words.text(f"card.{verdict}", **narrative.bounds(row, self.words), **narrative.lengths(row))
        return self.words.text("card.may_be_chance") if narrative.is_known(row.low) and not is_certain else ""
