"""Blocks on what needs attention: warnings of the data, the most expensive findings, and lists of customers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from retention_kit.metrics.catalogue import METRICS, SMALL
from retention_kit.metrics.goals.states import OFF_TRACK
from retention_kit.metrics.insights import usual_value
from retention_kit.metrics.queries.customer_lists import ListTotal, list_totals, money_column
from retention_kit.metrics.scorecard import first_periods
from retention_kit.report.blocks import Block
from retention_kit.report.charts.base import join_items
from retention_kit.report.pages import narrative, tables
from retention_kit.report.pages.context import rows_for
from retention_kit.report.pages.overview import Overview
from retention_kit.wording import DASH

MOST_ITEMS = 6  # sentences or goals where space is limited
FIRST_COLUMNS = 3  # named of a list with many columns


class Finding(NamedTuple):
    """One thing to look into, and its money in the report's currency; 0 if unknown."""

    text: str
    money: float = 0.0


class Attention(Overview):
    """Blocks on what needs attention, and on the lists of customers in the pack."""

    def attention(self, most: int = 0) -> Block | None:
        """What a reader should look into: warnings of the data, then findings, the most expensive first.

        The block `notice` with a sentence for each, `most` at most unless that is 0; money is in the report's currency,
        over twelve months. None if there is nothing to look into.
        """
        findings = [
            *self._lost(),
            *self._at_risk(),
            *self._missed_goals(),
            *self._off_track(),
            *self._worse(),
            *self._weak_segments(),
        ]
        findings.sort(key=lambda finding: -finding.money)
        items = [*map(self.words.say, self.data.warnings), *(finding.text for finding in findings)]
        if 0 < most < len(items):
            items[most:] = [self.words.text("attention.more", count=len(items) - most)]
        title = self.words.text("attention.title")
        return Block("notice", tone="attention", title=title, items=items) if items else None

    def list_totals(self) -> dict[str, ListTotal]:
        """The totals of the lists of customers, by the metric that counts their rows."""
        return list_totals(self.data, self.period, self.columns, self.alone)

    def lists(self) -> Block | None:
        """The files of the pack that list customers.

        The block `table`: file, number of customers, money in the report's currency (paid or spent, or at stake for
        customers to contact), and the columns of the file. None if no file lists anybody.
        """
        words, risks = self.words, self.risk_totals()
        totals = {name: total for name, total in (self.list_totals() | risks).items() if total.customers}
        kinds = {name: "at_stake" if name in risks else money_column(self.data) for name in totals}
        sums = sorted({*kinds.values()}, key="at_stake".__eq__)
        rows = [
            [
                self.list_file(name),
                words.value(total.customers, "count"),
                *(words.value(total.money, "money") if kind == kinds[name] else DASH for kind in sums),
                self._column_names(total.columns),
            ]
            for name, total in totals.items()
        ]
        numbers = ["customers", *sums]
        caption = words.text("lists.caption")
        return tables.titled(words, "lists", ["file", *numbers, "columns"], rows, numbers, caption) if rows else None

    def _column_names(self, columns: tuple[str, ...]) -> str:
        """The columns of a list; only the first of many."""
        more = len(columns) - FIRST_COLUMNS if len(columns) > 2 * FIRST_COLUMNS else 0
        names = [*columns[: len(columns) - more]]
        return self.words.listed([*names, self.words.text("chart.more_names", count=more)] if more else names)

    def _lost(self) -> Iterator[Finding]:
        row = self.row("lost_customers")
        if row is None or not row.complete or not row.value:
            return
        words, text = self.words, self.words.text
        key = "event" if self.data.settings.definitions.churn_mode == "event" else self.base
        sentence = text(f"attention.lost_{key}", lost=words.value(row.value, "count"), **self.named_periods())
        column, value = self.alone or (None, "")
        first = first_periods(self.data, "lost_customers", self.every, column).get(value)
        if (usual := usual_value(self.rows, "lost_customers", self.period, first)) is not None:
            number, every = words.value(int(usual + 0.5), "count"), text(f"every.{self.every}")
            sentence = text("attention.usual", said=sentence, usual=number, every=every)
        if (total := self.list_totals().get("lost_customers")) is None:
            yield Finding(text("story.sentence", finding=sentence))
            return
        sentence = text(f"attention.money_{self.data.basis}", said=sentence, money=words.value(total.money, "money"))
        yield Finding(f"{sentence} {text('attention.list', file=self.list_file('lost_customers'))}", total.money)

    def _at_risk(self) -> Iterator[Finding]:
        """Customers at risk, if they are listed."""
        row, total = self.row("customers_at_risk"), self.risk_totals().get("at_risk")
        if row is None or not narrative.is_known(row.value) or total is None or not total.customers:
            return
        texts = {
            "count": self.words.value(row.value, "count"),
            "months": self.words.value(self.data.settings.definitions.horizon_months, "count"),
            "listed": self.words.value(total.customers, "count"),
            "money": self.words.value(total.money, "money"),
            "file": self.list_file("at_risk"),
            "plan": self.words.text("at_risk.on_plan") if "plan" in self.data.segments else "",
        }
        kind = "some" if total.in_all > total.customers else "all"
        yield Finding(self.words.text(f"attention.at_risk_{self.data.basis}_{kind}", **texts), total.money)

    def _missed_goals(self) -> Iterator[Finding]:
        for row in self.now(METRICS).itertuples():
            if self.goal_state(row) != "missed":
                continue
            words, gap = self.words, row.value - row.target
            texts = {"value": words.value(row.value, row.unit), "goal": words.bound(row.target, row.unit)}
            by = words.change(abs(gap), row.unit, sign="")
            yield Finding(
                words.text("attention.goal", label=row.label, gap=self._with_money(by, row, gap), **texts),
                _impact(row, gap),
            )

    def _off_track(self) -> Iterator[Finding]:
        """Goals of all period lengths that are behind, and unlikely to be reached."""
        for goal_state in self.goal_states():
            if goal_state.state == OFF_TRACK:
                goal = self.goal_in_words(goal_state, brief=True)
                texts = {"label": self._goal_figure(goal_state), "value": goal["value"], "goal": goal["target"]}
                yield Finding(self.words.text("attention.off_track", **texts))

    def _worse(self) -> Iterator[Finding]:
        """Figures that are significantly worse; of complementary ones, such as retention and churn, the first."""
        worse: dict[tuple, Any] = {}
        for row in self.now(METRICS).itertuples():
            if narrative.is_bad(row) and self.is_significant(row.metric):
                worse.setdefault((row.unit, row.n, round(abs(row.change), 9)), row)
        if not (ranked := sorted(worse.values(), key=lambda row: -_impact(row, row.change))):
            return
        figures = [
            self.words.text(
                "attention.worse_figure",
                label=row.label,
                change=narrative.signed(row, self.words),
                value=self._with_money(self.words.value(row.value, row.unit), row, row.change),
            )
            for row in ranked
        ]
        seasons = {row.label: narrative.season(row, self.words) for row in ranked}
        sentences = [
            self.words.text("attention.season", label=label, season=season)
            for label, season in seasons.items()
            if season
        ]
        first = self.words.text("attention.worse", figures=join_items(figures, self.words), **self.named_periods())
        yield Finding(" ".join([first, *sentences]), _impact(ranked[0], ranked[0].change))

    def _with_money(self, sentence: str, row: Any, gap: float) -> str:
        """A text on a figure; for a mean with the gap in total over all customers or purchases."""
        if not _is_mean(row):
            return sentence
        return self.words.text("attention.in_all", said=sentence, money=self.words.value(_impact(row, gap), "money"))

    def _weak_segments(self) -> Iterator[Finding]:
        for column in self.columns:
            for name in ("customer_retention_rate", "net_promoter_score"):
                total = self.row(name)
                if total is None or not narrative.is_known(total.value):
                    continue
                parts = rows_for(self.parts(column), name)
                bad = parts["value"] > total.value if total.better == "lower" else parts["value"] < total.value
                if sentence := self.differing(parts[bad], total, column, int((parts["n"] >= SMALL).sum()), "worse"):
                    yield Finding(sentence)


def _is_mean(row: Any) -> bool:
    """Whether a figure is money per customer, account or purchase of its own period."""
    metric = METRICS[row.metric]
    is_own = not metric.overlaps and metric.parts == ("money", "count")
    return row.unit == "money" and is_own and narrative.is_known(row.denominator)


def _impact(row: Any, gap: float) -> float:
    """The total of a gap in money: the gap of a sum, or of a mean times its denominator; 0 if not in money."""
    if row.unit != "money" or METRICS[row.metric].overlaps:
        return 0.0
    return abs(gap) * (row.denominator if _is_mean(row) else 1)
