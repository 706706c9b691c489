"""Everything that is shown for one selection, as blocks, frames and chart specifications, without widgets.

`steps` are the slow computations; once they have run, all other methods use their cached results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from typing import Any, NamedTuple

from retention_kit.lazy import pd
from retention_kit.metrics.breakdowns import customer_movements, mrr_movements
from retention_kit.metrics.catalogue import METRICS, ranked
from retention_kit.metrics.queries.spans import Granularity
from retention_kit.metrics.queries.summaries import available_summaries, missing_reason, summary
from retention_kit.report.appendix import appendix
from retention_kit.report.blocks import Block
from retention_kit.report.charts import cohorts as cohort_charts
from retention_kit.report.charts import series
from retention_kit.report.charts.base import ChartSpec, join_items
from retention_kit.report.pages import narrative, rules, tables
from retention_kit.report.pages.context import rows_for
from retention_kit.report.pages.overview import MOST_CARDS
from retention_kit.widgets.background import Step
from retention_kit.widgets.lists import CustomerLists, Listing
from retention_kit.widgets.selection import values_of

TABS = ("trend", "movements", "cohorts", "segments", "customers", "goals", "about")


class TitledChart(NamedTuple):
    """A chart with its title and caption; without `spec`, `title` is a sentence that is shown instead."""

    title: str
    spec: dict | None = None
    caption: str = ""


class Content(CustomerLists):
    """What the explorer shows for one selection of a dataset. `computed` caches scorecards and customer lists."""

    # Computation

    def steps(self, listing: Listing | None = None) -> list[Step]:
        """The steps that all tabs need, and those of a list of customers."""
        chosen, data = self.selection, self.data
        grids = [(Granularity(chosen.every), "")]
        if chosen.column:
            both = {(Granularity(every), chosen.column) for every in (data.settings.report.every, chosen.every)}
            grids += sorted(both, key=str)
        steps = [
            self._step(name, partial(summary, data, name, granularity, column or None), column)
            for granularity, column in grids
            for name in available_summaries(data)
        ]
        steps.append(self._step("figures", lambda: self.scorecard, ""))
        if missing_reason(data, "cohorts") is None:
            steps.append(self._step("cohorts", lambda: summary(data, "cohorts", Granularity(chosen.every)), ""))
        if data.settings.goals or data.settings.alerts:
            steps.append(self._step("goals", lambda: (self.page.goal_states(), self.page.alert_states), ""))
        steps.append(self._step("chance", lambda: self.page.judge(), ""))
        return steps if listing is None else steps + self.list_steps(listing)

    def list_steps(self, listing: Listing) -> list[Step]:
        """The steps that a list of customers needs."""
        if missing_reason(self.data, "movements"):
            return []
        return [self._step("customers", lambda: self.customers(listing), "")]

    def prefetch_steps(self) -> Iterator[Step]:
        """The same computations in smaller steps, between which other tasks can run."""
        for period in self.page.unknown_periods():
            yield Step("", partial(self.page.rows_of, [period]))
        yield from self.steps()

    def _step(self, name: str, run: Callable[[], object], column: str) -> Step:
        text = self.words.text(f"explorer.step.{name}")
        return Step(self.words.text("explorer.step.by", step=text, column=column) if column else text, run)

    # Data

    @cached_property
    def scorecard(self) -> pd.DataFrame:
        """The scorecard of the selection: the trend's periods, and this period by segment value."""
        rows, values = self.page.scorecard(), self.selection.values
        if len(values) > 1:
            rows = rows[(rows["segment"] == "") | rows["segment_value"].isin(values)].reset_index(drop=True)
        rows.attrs |= self.page.rows.attrs
        return rows

    @cached_property
    def trend_rows(self) -> pd.DataFrame:
        """The rows of the chosen metric over the trend's periods."""
        return rows_for(self.page.rows, self.selection.metric).reset_index(drop=True)

    def values(self) -> list[str]:
        """All values of the segment column."""
        return values_of(self.data, self.selection.column, self.selection.every)

    def state(self) -> str:
        """A sentence on the data, and another if several values are chosen, as not everything is limited to them."""
        company = self.data.settings.report.company
        key = "explorer.state" + "_sample" * self.data.is_sample + "_unnamed" * (not company)
        sentences = [self.words.text(key, company=company, day=self.page.last_day())]
        if len(self.selection.values) > 1:
            sentences.append(self.words.text("explorer.several"))
        return " ".join(sentences)

    # Blocks

    def cards(self) -> list[dict]:
        """The cards of the chosen metric and of the report's key metrics, `MOST_CARDS` in all."""
        now = self.page.now(ranked("card"))
        others = [row.metric for row in now.itertuples() if narrative.is_known(row.value)]
        names = [self.selection.metric, *(name for name in others if name != self.selection.metric)][:MOST_CARDS]
        block = self.page.cards(*names, compare=(self.selection.compare,))
        return block.data["cards"] if block else []

    def trend(self) -> TitledChart:
        """The chosen metric over the trend's periods, with last year's if it is compared with that."""
        block, words, rows = self.page.trend(self.selection.metric), self.words, self.trend_rows
        now, compare = self.page.row(self.selection.metric), self.selection.compare
        if block is None or now is None:
            return self._sentence("none", label=METRICS[self.selection.metric].label)
        if block.kind == "text":
            return TitledChart(block.data["text"])
        goal = now.target if narrative.is_known(now.target) else None
        before = "year_ago" if compare == "year_ago" else None
        chart = series.trend(rows, words, goal=goal, before=before, brush=True)
        title, captions = block.data["title"], [block.data["caption"]]
        if compare != "previous":
            card = self.cards()[0]
            changes = [f"{card['label']}: {card['value']}", *(change["text"] for change in card["changes"])]
            title = join_items(changes, words)
        if compare == "goal" and goal is None:
            captions.append(words.text("explorer.no_goal", label=now.label))
        if before:
            captions.append(words.text("explorer.last_year"))
        return TitledChart(title, _with_description(chart), " ".join(captions))

    def figures(self, periods: Iterable[str] = ()) -> Block:
        """The scorecard's rows of the trend as a table, newest first; only those of `periods`, if any are given."""
        rows, chosen = self.trend_rows, set(periods)
        rows = rows[rows["period"].isin(chosen)] if chosen else rows
        return self._table(rows[::-1], "explorer.period_head", lambda row: self.words.period(row.period, "short"))

    def movements(self, of_money: bool) -> list[TitledChart]:
        """The charts of gained and lost customers, or recurring revenue."""
        if self.page.only:
            return [self._sentence("whole_only")]
        blocks = [self.page.mrr_waterfall(), self.page.mrr_movements()] if of_money else [self.page.movements()]
        return [_titled_chart(block) for block in blocks if block] or [self._sentence("no_movements")]

    def movement_figures(self, of_money: bool) -> Block | None:
        """The movements as a table with all digits, newest period first."""
        name, table, unit = ("mrr", mrr_movements, "money") if of_money else ("customers", customer_movements, "count")
        if self.page.only or missing_reason(self.data, "mrr" if of_money else "movements"):
            return None
        words, frame = self.words, self.page.recent(table(self.data, self.page.every))[::-1]
        parts = [part for part in frame.columns if part not in ("period", "complete")]
        keys = [f"explorer.{part}" if part in ("start", "end") else f"charts.{name}.{part}" for part in parts]
        columns = tables.label_columns(words.text(key) for key in ("explorer.period_head", *keys))
        rows = [
            [words.period(row["period"], "short"), *(words.value(row[part], unit, "full") for part in parts)]
            for row in frame.to_dict("records")
        ]
        return Block("table", columns=columns, rows=rows)

    def has_movements(self) -> tuple[bool, bool]:
        """Whether there are movements of customers and of recurring revenue."""
        return missing_reason(self.data, "movements") is None, missing_reason(self.data, "mrr") is None

    def cohorts(self) -> TitledChart:
        """The cohort heat map with selectable cells."""
        if self.page.only:
            return self._sentence("whole_only")
        block = self.page.cohorts()
        if block is None or block.kind == "text":
            return TitledChart(block.data["text"]) if block else self._sentence("no_cohorts")
        cells = self.cells().rename(columns={"retention": "value"})
        chart = cohort_charts.heat_map(cells, self.words, self.page.every, "fraction", select=True)
        return TitledChart(block.data["title"], _with_description(chart), block.data["caption"])

    def cells(self) -> pd.DataFrame:
        """The cells of the heat map: `Page.cells`, or an empty frame with `cohort` and `period`."""
        cells = self.page.cells()
        return pd.DataFrame({name: [] for name in ("cohort", "period")}) if cells is None else cells

    def segments(self) -> TitledChart:
        """The chosen metric by segment value."""
        if not self.page.columns:
            return self._sentence("one_value" if self.page.only else "no_column")
        blocks = self.page.segments(self.selection.metric)
        return (
            _titled_chart(blocks[0]) if blocks else self._sentence("none", label=METRICS[self.selection.metric].label)
        )

    def segment_figures(self) -> Block | None:
        """The scorecard's rows by segment value as a table, highest first."""
        if not self.page.columns:
            return None
        rows = rows_for(self.page.parts(self.selection.column), self.selection.metric)
        rows = rows[rows["value"].notna() | (rows["n"] > 0)].sort_values("value", ascending=False, kind="stable")
        return self._table(rows, "explorer.value_head", lambda row: self.words.name(row.segment_value))

    def about(self) -> list[Block]:
        """The chosen metric's figures and definition, then data quality and provenance."""
        page, metric = self.page, METRICS[self.selection.metric]
        sections: dict[str, list[Block]] = {}
        for block in appendix(page, []):
            if block.kind == "heading":
                current = sections.setdefault(block.data["id"], [])
            current.append(block)
        definitions = sections["definitions"]
        index = next(number for number, block in enumerate(definitions) if block.kind == "terms")
        term = self.words.say(metric.label)
        terms = Block("terms", items=[item for item in definitions[index].data["items"] if item["term"] == term])
        intro = [block for block in definitions[:index] if block.kind == "text"]
        in_force = rules.describe_options([metric], self.data, self.words)
        notice = Block("notice", title=self.words.text("rules.title"), items=in_force) if in_force else None
        blocks = [page.figures(metric.name), definitions[0], terms, *intro, notice]
        return [*filter(None, blocks), *sections["quality"], *sections["provenance"]]

    def _table(self, rows: pd.DataFrame, label: str, name: Callable[[Any], str]) -> Block:
        """Scorecard rows with all digits: value, numerator, denominator, n, interval, comparison and change."""
        words, text, compare = self.words, self.words.text, self.selection.compare
        parts = ("value", "numerator", "denominator", "n", "interval")
        labels = [text(label), *(text(f"figures.{part}") for part in parts)]
        labels += [text(f"explorer.compared.{compare}"), text("figures.change")]
        column = "target" if compare == "goal" else compare
        body, notes = [], []
        for row in rows.itertuples():
            reference = getattr(row, column)
            change = row.change if compare == "previous" else row.value - reference if row.complete else None
            body.append(
                [
                    name(row),
                    words.value(row.value, row.unit, "full"),
                    tables.part(row.numerator, row, words, is_top=True),
                    tables.part(row.denominator, row, words, is_top=False),
                    words.value(row.n, "count"),
                    tables.interval(row, words, "full") or words.value(None, "count"),
                    words.value(reference, row.unit, "full"),
                    words.change(change, row.unit, "full"),
                ]
            )
            if row.note:
                notes.append(text("figures.note", label=name(row), note=words.say(row.note)))
        return Block("table", columns=tables.label_columns(labels), rows=body, caption=" ".join(notes))

    def _sentence(self, key: str, **values: str) -> TitledChart:
        return TitledChart(self.words.text(f"explorer.{key}", **values))


def _titled_chart(block: Block) -> TitledChart:
    data = block.data
    if block.kind == "text":
        return TitledChart(data["text"])
    return TitledChart(data["title"], data["spec"] | {"description": data["alt"]}, data["caption"])


def _with_description(chart: ChartSpec | None) -> dict:
    """A chart's specification with its text alternative."""
    assert chart is not None  # the page has drawn it too
    return chart.spec | {"description": chart.alt}
