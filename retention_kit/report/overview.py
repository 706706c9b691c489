"""What the first screen shows: the finding, key figures, and what needs attention."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from retention_kit.errors import UnknownNameError, did_you_mean
from retention_kit.metrics.catalogue import METRICS
from retention_kit.metrics.formulas import difference
from retention_kit.metrics.tables import mrr_movements
from retention_kit.report import story, tables
from retention_kit.report.charts_parts import listed
from retention_kit.report.context import Context, of
from retention_kit.report.display import Block

if TYPE_CHECKING:
    from retention_kit.periods import Period

CARDS = ("customer_retention_rate", "mrr", "net_revenue_retention", "repeat_purchase_rate", "average_revenue_per_customer",
         "net_promoter_score", "active_customers", "revenue", "customer_satisfaction_score",
         "customer_effort_score")  # fmt: skip
SHOWN = 6  # cards unless others are asked for
# What figures are held against, and the column that has it.
COMPARED = {"previous": "previous", "year_ago": "year_ago", "goal": "target"}


class Overview(Context):
    """What the first screen shows: the finding, key figures, and what needs attention."""

    def headline(self) -> Block:
        """The finding of the period and two or three sentences around it."""
        return Block("headline", text=story.headline(self.rows, str(self.period), self.words), lead=self._lead())

    def cards(self, *metrics: str, compare: Iterable[str] = ("previous", "year_ago")) -> Block | None:
        """Key figures with changes, interval, goal and the trend as a small line; the defined ones of `CARDS` by default.

        `compare` names what the changes are against: "previous", "year_ago" or "goal", where a figure has one.
        """
        for name in (compare := [compare] if isinstance(compare, str) else list(compare)):
            if name not in COMPARED:
                raise UnknownNameError(f"Figures are not compared with {name!r}: {did_you_mean(name, COMPARED)}")
        now = self.now(metrics or CARDS)
        if not metrics:
            now = now[now["value"].notna()].head(SHOWN)
            now = now.head(len(now) // 2 * 2 if len(now) > 3 else 3)  # two side by side
        cards = [self._card(row, compare) for row in now.itertuples()]
        return Block("cards", cards=cards) if cards else None

    def attention(self) -> Block | None:
        """What a reader should look into, in sentences."""
        items = [*self.data.warnings, *self._lost(), *self._missed_goals(), *self._worse(), *self._weak_segments()]
        title = self.words.text("attention.title")
        return Block("notice", tone="attention", title=title, items=items) if items else None

    def _lead(self) -> list[str]:
        words, said = self.words, []
        retention, leading = self.row("customer_retention_rate"), story.leading(self.rows, str(self.period))
        if retention is not None and story.is_known(retention.value):
            counts = {name: words.value(getattr(retention, part), "count")
                      for name, part in (("retained", "numerator"), ("start", "denominator"))}  # fmt: skip
            said.append(words.text(f"story.kept_{self.base}", **counts, **self.named_periods()))
        if leading is not None and (certainty := story.certainty(leading, words)):
            said.append(certainty)
        others = [self.row(name) for name in ("average_revenue_per_customer", "mrr", "net_promoter_score")]
        for row in [row for row in others if row is not None and story.is_known(row.value)][:2]:
            if leading is None or row.metric != leading.metric:
                said.append(words.text("story.sentence", finding=story.finding(row, words)))
        if not self.period.is_complete(self.data.as_of):
            said.append(words.text("story.incomplete", period=words.period(self.period), day=self.last_day()))
        return said

    def _card(self, row: Any, compare: list[str]) -> dict:
        words, text = self.words, self.words.text
        trend = of(self.rows, row.metric)
        trend = trend[trend["complete"]]["value"]
        card = {
            "metric": row.metric,
            "label": row.label,
            "value": words.value(row.value, row.unit),
            "changes": list(self._changes(row, compare)),
            "spark": [value if story.is_known(value) else None for value in trend],
            "note": row.note,
        }
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

    def _changes(self, row: Any, compare: list[str]) -> Iterator[dict]:
        """Against the period before, with its interval, the same of last year, or the goal; grey where it may be chance."""
        if not row.complete or not story.is_known(row.value):
            return
        periods = {"previous": self.period.shift(-1), "year_ago": self.period.year_ago()}
        for name in compare:
            before, is_twice = COMPARED[name], self.every == "year" and name == "year_ago" and "previous" in compare
            if not story.is_known(getattr(row, before)) or is_twice:
                continue
            is_flat, is_up = story.is_same(row, self.words, before), row.value > getattr(row, before)
            is_certain, detail = self._certainty(row, before, periods.get(name))
            yield {
                "text": self._against(row, name, periods.get(name)),
                "detail": "" if is_flat else detail,
                "direction": "flat" if is_flat else "up" if is_up else "down",
                "good": is_up == (row.better == "higher") if row.better and is_certain and not is_flat else None,
            }

    def _against(self, row: Any, name: str, period: Period | None) -> str:
        change = story.signed(row, self.words, COMPARED[name])
        if name == "goal":
            return self.words.text("card.change_goal", change=change, goal=self.words.value(row.target, row.unit))
        return self.words.text("card.change", change=change, period=self.words.period(period, "short"))

    def _certainty(self, row: Any, before: str, period: Period | None) -> tuple[bool, str]:
        """Whether a change is more than chance, or a sum, which knows none; and its interval in words."""
        if not story.is_known(row.low):
            return True, ""
        if before == "target":
            is_chance = row.low <= row.target <= row.high
            return not is_chance, self.words.text("card.chance") if is_chance else ""
        if before == "year_ago":
            then = next(of(self.rows[self.rows["period"] == str(period)], row.metric).itertuples(), None)
            span = difference(row, then) if then is not None and story.is_known(then.low) else None
            is_chance = span is not None and span[0] <= 0 <= span[1]
            return span is not None and not is_chance, self.words.text("card.chance") if is_chance else ""
        if not story.is_known(row.change_low):
            return False, ""
        key = "card.within_chance" if story.is_chance(row) else "card.change_interval"
        return not story.is_chance(row), self.words.text(key, **story.bounds(row, self.words))

    def _goal(self, row: Any) -> dict:
        goal = {"goal": self.words.value(row.target, row.unit), "by": self.data.settings.goals[row.metric].by}
        key = f"card.goal_{row.status}" if row.status else "card.goal"
        share = row.value / row.target if row.better != "lower" and row.target else float(row.status == "reached")
        return {
            "text": self.words.text(key, **goal),
            "share": min(max(share, 0.0), 1.0) if story.is_known(row.value) else 0.0,
        }

    def _lost(self) -> Iterator[str]:
        row = self.row("lost_customers")
        if row is None or not row.complete or not row.value:
            return
        lost = self.words.value(row.value, "count")
        key = "event" if self.data.settings.definitions.churn_mode == "event" else self.base
        said = [self.words.text(f"attention.lost_{key}", lost=lost, **self.named_periods())]
        if self.base == "subscriptions" and not self.only:
            moves = mrr_movements(self.data, self.every).set_index("period")
            churned = self.words.value(moves["churned"][str(self.period)], "money")
            said.append(self.words.text("attention.churned", churned=churned))
        yield " ".join(said)

    def _missed_goals(self) -> Iterator[str]:
        for row in self.now(METRICS).itertuples():
            if row.status == "missed":
                said = {"value": self.words.value(row.value, row.unit), "goal": self.words.value(row.target, row.unit)}
                yield self.words.text("attention.goal", label=row.label, **said)

    def _worse(self) -> Iterator[str]:
        """The figures that are worse by more than chance; of two that add up to one, such as retention and churn, the first."""
        worse: dict[tuple, Any] = {}
        for row in self.now(METRICS).itertuples():
            if story.is_worse(row):
                worse.setdefault((row.unit, row.n, round(abs(row.change), 9)), row)
        figures = [
            self.words.text("attention.worse_figure", label=row.label, change=story.signed(row, self.words),
                            value=self.words.value(row.value, row.unit))
            for row in worse.values()
        ]  # fmt: skip
        if figures:
            yield self.words.text("attention.worse", figures=listed(figures, self.words), **self.named_periods())

    def _weak_segments(self) -> Iterator[str]:
        for column in self.columns:
            for name in ("customer_retention_rate", "net_promoter_score"):
                whole = self.row(name)
                if whole is None or not story.is_known(whole.value) or not whole.complete:
                    continue
                worst = story.stands_out(of(self.parts(column), name), whole)
                if worst is not None:
                    said = {"value": self.words.value(worst.value, worst.unit), "value_name": worst.segment_value}
                    said["column"] = column
                    said["whole"] = self.words.value(whole.value, whole.unit)
                    yield self.words.text("attention.segment", label=whole.label, **said)
