"""Blocks on customers: movements, reasons for leaving, cohorts, and their revenue."""

from __future__ import annotations

from datetime import timedelta

from retention_kit.lazy import pd
from retention_kit.metrics.breakdowns import churn_reasons, cohorts, customer_movements
from retention_kit.metrics.catalogue import Measure
from retention_kit.metrics.formulas import share
from retention_kit.metrics.insights import Claim, by_cohort_length, cohort_claims
from retention_kit.metrics.queries.summaries import concentration, missing_reason
from retention_kit.metrics.trend import TREND, trend_periods
from retention_kit.periods import Period, add_months
from retention_kit.report.blocks import Block
from retention_kit.report.charts import cohorts as cohort_charts
from retention_kit.report.charts import concentration as concentration_chart
from retention_kit.report.charts import series
from retention_kit.report.pages import tables
from retention_kit.report.pages.context import Context

COMPARED_AGE = 3  # at which the newest cohort is compared with earlier ones; 2 or 1 in shorter data
LEAST_COHORTS = 3  # of an average
MONTHS = {"week": 12 / 52, "month": 1, "quarter": 3, "year": 12}  # in a period, as MRR counts them
BEST_TENTHS = 2  # tenths of the customers in the title of their revenue


class CustomerBlocks(Context):
    """Blocks on customers."""

    def claims(self) -> list[Claim]:
        """The claims of other blocks, and that of the newest cohort against earlier ones."""
        if (cells := self._cells(TREND)) is None:
            return super().claims()
        cells = cells[self._is_comparable(cells)]
        _, age, now, before = _newest(cells)
        if now is None or before is None or before.value is None:
            return super().claims()
        *earlier, period = map(Period.parse, cells[cells["age"] == age]["period"])
        explained = by_cohort_length(self.base, before.value, period, earlier)
        return super().claims() + cohort_claims(now, before, explained)

    def movements(self) -> Block | None:
        """Customers gained and lost, with the identity spelled out.

        The block `chart`: one stacked bar per period of the trend, counts of customers. None if the data lack the
        table, or on a page of one segment value.
        """
        if self.only or missing_reason(self.data, "movements"):
            return None
        frame = self.recent(customer_movements(self.data, self.every))
        drawn = frame
        if self.data.basis == "orders":  # in a running period customers may still buy, so none is lost yet
            drawn = frame.assign(lost=frame["lost"].where(frame["complete"], 0))
        chart = series.customer_movements(drawn, self.words)
        is_early = self.data.may_hold_earlier(self.data.basis, self.period.start)
        notes = [self.words.text("chart.movements_early")] if is_early else []
        if chart is None:
            return None
        return self.sum_chart(chart, frame, f"movements_{self.base}", "movements_title", "count", *notes)

    def reasons(self) -> Block | None:
        """Lost customers and churned MRR by `cancel_reason`.

        The block `table`: reason, lost customers, their share and churned MRR of the period. None if the data lack the
        table, if no reason is given, or on a page of one segment value.
        """
        if self.only or missing_reason(self.data, "reasons"):
            return None
        rows = churn_reasons(self.data, self.every)
        rows = rows[rows["period"] == str(self.period)]
        return tables.reasons(rows, self.period, self.words)

    def cohorts(self) -> Block | None:
        """Retention of the thirteen newest cohorts at every age, and whether the newest does better or worse.

        The block `chart`, a heat map of fractions, or a `text` while it is too early for one. None if the data lack
        the table, or on a page of one segment value.
        """
        if self.only or missing_reason(self.data, "cohorts"):
            return None
        chart, cells = None, self._cells(TREND)
        if cells is not None:
            values = cells.assign(value=cells["retention"])
            chart = cohort_charts.heat_map(values, self.words, self.every, "fraction")
        if cells is None or chart is None:
            return Block("text", text=self.words.text("cohorts.too_early", every=self._every()))
        return self.chart(chart, self._cohorts_title(cells), self._cohort_notes(cells, f"caption_{self.data.basis}"))

    def curves(self) -> Block | None:
        """Retention by age: all cohorts, their average, and the newest that is old enough to compare.

        The block `chart`: fractions by periods since the first; averages of at least three cohorts. None with fewer
        than two ages to show.
        """
        cells = self._cells(2 * TREND - 1)  # so that every age has thirteen cohorts, if the data reach back that far
        if cells is None:
            return None
        begun = self._early_notes(cells)
        cells = cells[self._is_comparable(cells) & (cells["age"] < TREND)]
        chosen, *_ = _newest(cells)
        average, cells = _average(cells, "active"), cells.assign(value=cells["retention"])
        return self._curves(cells, average, chosen, "fraction", ("curves_title", "curves_caption"), begun)

    def cohort_revenue(self) -> Block | None:
        """Revenue per customer of each cohort at every age; customers who left count with 0.

        The block `chart`, a heat map of money per customer of the cohort (for subscriptions, MRR). None if no cohort is
        old enough to be compared.
        """
        if (cells := self._cells(TREND)) is None:
            return None
        cells = cells.assign(value=cells["revenue"] / cells["size"])
        chart = cohort_charts.heat_map(cells, self.words, self.every, "money")
        known = cells[self._is_comparable(cells)]
        age = _shared_age(known)
        if chart is None or not age:
            return None
        at_age = known[known["age"] == age]
        first = cells[(cells["age"] == 0) & cells["cohort"].isin(at_age["cohort"])]
        texts = {
            "start": self.words.value(first["revenue"].sum() / first["size"].sum(), "money"),
            "value": self.words.value(at_age["revenue"].sum() / at_age["size"].sum(), "money"),
        }
        title = self.words.text(f"cohorts.revenue_{self.data.basis}_title", every=self._every(), age=age, **texts)
        return self.chart(chart, title, self._cohort_notes(cells, f"revenue_{self.data.basis}"))

    def value_curves(self) -> Block | None:
        """Cumulative revenue per customer of each cohort by age; customers who left count with 0.

        The block `chart`: money per customer at the cohort's start, by periods since the first; the average adds up the
        means of at least three cohorts at each age. For subscriptions, the MRR at the end of a period counts for each
        of its months. None with fewer than two ages to show.
        """
        if (cells := self._cells(2 * TREND - 1)) is None:
            return None
        begun, months = self._early_notes(cells), MONTHS[self.every] if self.data.basis == "subscriptions" else 1
        cells = cells[cells["complete"] & ~cells["may_hold_earlier"] & (cells["age"] < TREND)]
        cells = cells.assign(paid=cells["revenue"] * months).sort_values(["cohort", "age"])
        cells["value"] = cells.groupby("cohort")["paid"].cumsum() / cells["size"]
        average = _average(cells, "paid")
        average["value"] = average["value"].cumsum()
        chosen, *_ = _newest(cells[cells["age"] > 0])
        return self._curves(
            cells, average, chosen, "money", ("value_curves_title", f"value_curves_{self.data.basis}"), begun
        )

    def _curves(
        self,
        cells: pd.DataFrame,
        average: pd.DataFrame,
        chosen: str,
        unit: str,
        texts: tuple[str, str],
        notes: list[str],
    ) -> Block | None:
        """The chart of curves by age, with the texts of its title and caption."""
        cells = cells[cells["age"].isin(average["age"])]
        if (chart := cohort_charts.curves(cells, average, chosen, self.words, self.every, unit)) is None:
            return None
        ends = {
            name: {"age": int(row["age"]), "value": self.words.value(row["value"], unit)}
            for name, row in (("first", average.iloc[0]), ("last", average.iloc[-1]))
        }
        title, caption = (self.words.text(f"cohorts.{text}", every=self._every(), **ends) for text in texts)
        return self.chart(chart, title, [caption, *notes])

    def value(self) -> Block | None:
        """The distribution of revenue over customers: by tenths of them, the best first.

        The block `chart`: money by tenths of the customers in the twelve months that end with the period. None without
        orders, with fewer than ten customers, or on a page of one segment value.
        """
        if self.only or missing_reason(self.data, "concentration"):
            return None
        rows = concentration(self.data, self.period)
        if rows["customers"].sum() < 10 or not rows["revenue"].sum():
            return None
        by_tenth = rows.groupby(rows["place"] // 10 + 1).agg(
            {"customers": "sum", "revenue": "sum", "lowest": "min", "highest": "max"}
        )
        by_tenth = by_tenth.rename_axis("tenth").reset_index()
        by_tenth["share"] = by_tenth["revenue"] / by_tenth["revenue"].sum()
        best, money, count = by_tenth[:BEST_TENTHS], "money", "count"
        ends = min(self.period.end, self.data.as_of)
        begins = max(add_months(ends, -12), self.data.starts["orders"])
        words, customers = self.words, by_tenth["customers"].sum()
        title = words.text(
            "value.title",
            part=words.value(best["customers"].sum() / customers, "percent"),
            share=words.value(best["share"].sum(), "fraction"),
        )
        caption = words.text(
            "value.caption",
            customers=words.value(customers, count),
            revenue=words.value(by_tenth["revenue"].sum(), money),
            first=words.date(begins),
            last=words.date(ends - timedelta(days=1)),
            lowest=words.value(by_tenth["lowest"].iloc[0], money),
            highest=words.value(by_tenth["highest"].iloc[-1], money),
        )
        chart = concentration_chart.revenue_by_tenth(by_tenth, BEST_TENTHS, words)
        return None if chart is None else self.chart(chart, title, [caption])

    def _cells(self, count: int) -> pd.DataFrame | None:
        """The cells of the newest `count` cohorts whose own period is over, up to the last period of the trend.

        None if there are none, and for one segment value: customers may change theirs, so its cohorts could grow.
        """
        if self.only or missing_reason(self.data, "cohorts"):
            return None
        cells, until = cohorts(self.data, self.every), trend_periods(self.data, self.period)[-1]
        ended = [
            period for period in map(Period.parse, cells["cohort"].unique()) if period.is_complete(self.data.as_of)
        ]
        newest = [str(period) for period in sorted(ended) if period <= self.period][-count:]
        return cells[cells["cohort"].isin(newest) & (cells["period"] <= str(until))] if newest else None

    def _is_comparable(self, cells: pd.DataFrame) -> pd.Series:
        """A mask of the cells after age 0 whose period is over, of cohorts that can have new customers only."""
        return cells["complete"] & (cells["age"] > 0) & ~cells["may_hold_earlier"]

    def _cohorts_title(self, cells: pd.DataFrame) -> str:
        cohort, age, now, before = _newest(cells[self._is_comparable(cells)])
        if now is None or now.value is None:
            return self.words.text("cohorts.title", every=self._every())
        texts = {
            "cohort": self.words.period(cohort),
            "every": self._every(),
            "age": age,
            "value": self.words.value(now.value, "fraction"),
        }
        if before is None or before.value is None:
            return self.words.text("cohorts.title_alone", **texts)
        is_real = self.is_significant("cohorts", "earlier")
        kind = "alike" if not is_real else "more" if now.value > before.value else "fewer"
        return self.words.text(f"cohorts.title_{kind}", before=self.words.value(before.value, "fraction"), **texts)

    def _cohort_notes(self, cells: pd.DataFrame, caption: str) -> list[str]:
        running = self.incomplete(cells.drop_duplicates("period"))
        outlined = [self.words.text("cohorts.outlined"), *running] if running else []
        step = cohort_charts.age_step(int(cells["age"].max()), self.every)
        last = cohort_charts.EVERY_AGE
        span = self.words.text(f"spans.{self.every}", count=step)
        thinned = [self.words.text("cohorts.thinned", every=self._every(), last=last, span=span)] if step > 1 else []
        texts = [self.words.text(f"cohorts.{caption}", every=self._every())]
        if caption.startswith("revenue_") and self.words.currency != "XXX":
            texts.append(self.words.text("cohorts.currency", currency=self.words.currency))
        return [*texts, *thinned, *self._early_notes(cells), *outlined]

    def _early_notes(self, cells: pd.DataFrame) -> list[str]:
        early = cells.loc[cells["may_hold_earlier"], "cohort"]
        if early.empty:
            return []
        last = max(map(Period.parse, early.unique()))
        return [self.words.text("cohorts.begin", every=self._every(), last=self.words.period(str(last)))]

    def _every(self) -> str:
        return self.words.text(f"every.{self.every}")


def _average(cells: pd.DataFrame, column: str) -> pd.DataFrame:
    """The average of a column by age, over the customers of all cohorts, at ages that enough cohorts have reached."""
    average = cells.groupby("age").agg({column: "sum", "size": "sum", "cohort": "count"}).reset_index()
    average = average[average["cohort"] >= LEAST_COHORTS].drop(columns="cohort")
    return average.assign(value=average[column] / average["size"])


def _shared_age(cells: pd.DataFrame) -> int:
    """The highest age up to `COMPARED_AGE` that two cohorts have reached, or else one; 0 if none has."""
    reached = cells["age"].value_counts()
    return next((age for least in (2, 1) for age in range(COMPARED_AGE, 0, -1) if reached.get(age, 0) >= least), 0)


def _newest(cells: pd.DataFrame) -> tuple[str, int, Measure | None, Measure | None]:
    """The newest cohort that has reached the shared age, that age, its retention then, and that of all earlier ones.

    Without such a cohort "", 0, None and None.
    """
    if not (age := _shared_age(cells)):
        return "", 0, None, None
    newest, earlier = cells[cells["age"] == age].iloc[-1], cells[cells["age"] == age].iloc[:-1]
    before = share(int(earlier["active"].sum()), int(earlier["size"].sum()), "") if len(earlier) else None
    return newest["cohort"], age, share(int(newest["active"]), int(newest["size"]), ""), before
