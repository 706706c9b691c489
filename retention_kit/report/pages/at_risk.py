"""Blocks on forecasts: customers at risk, lifetime values, and the back-test of the forecast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retention_kit.metrics.forecasts.back_test import FULL, HIGH_RATIO, LOW_RATIO, BackTest
from retention_kit.metrics.forecasts.lives import back_test, lives
from retention_kit.metrics.queries.summaries import missing_reason
from retention_kit.report.blocks import Block
from retention_kit.report.charts.calibration import calibration
from retention_kit.report.pages import narrative, tables
from retention_kit.report.pages.context import Blocks
from retention_kit.report.pages.metric import MetricBlocks

if TYPE_CHECKING:
    from collections.abc import Iterator

TOLERANCE = 0.05  # difference between simple and predicted value that counts as alike, relative to the simple one


class RiskBlocks(MetricBlocks):
    """Blocks on forecasts."""

    def at_risk(self) -> Block | None:
        """How many customers are at risk, how much money is at stake, and which files list them.

        The block `notice` with a sentence for each; money is in the report's currency. None if nobody is at risk, or
        the data are too few for a forecast.
        """
        row = self._forecast()
        if row is None or not row["at_risk"]:
            return None
        words, months = self.words, self.data.settings.definitions.horizon_months
        texts = {
            "count": words.value(row["at_risk"], "count"),
            "customers": words.value(row["customers"], "count"),
            "money": words.value(row["at_stake"], "money"),
            "months": words.value(months, "count"),
            "period": words.period(self.period),
            "plan": words.text("at_risk.on_plan") if "plan" in self.data.segments else "",
        }
        items = [words.text(f"at_risk.finding_{self.data.basis}", **texts), *self._list_sentences()]
        return Block("notice", title=words.text("at_risk.title", **texts), items=items)

    def back_test(self) -> Blocks:
        """Whether the forecast is better than a plain rule: an earlier one compared with what happened since.

        A list of blocks: a `text` with the verdict; the `chart` of predicted against actual shares by tenths of the
        customers; a `table` of predicted and actual totals, and one of the scores of model and plain rule. Only the
        text if the data are too short, nothing if there is no forecast.
        """
        row = self._forecast()
        if row is None or row["at_risk"] is None:
            return Blocks()
        test = back_test(self.data, self.period)
        verdict = Block("text", text=" ".join(self._verdict(test)))
        return Blocks(
            filter(None, [verdict, self._calibration(test), self._predicted_and_actual(test), self._scores(test)])
        )

    def lifetime_values(self) -> Blocks:
        """The simple lifetime value, the lifespan and the predicted lifetime value over thirteen periods.

        A list of blocks: those of `trends`, then a `text` on how much the simple and predicted values differ and why,
        if both are defined. Empty if the data lack the table.
        """
        trends = self.trends("customer_lifetime_value", "customer_lifespan", "predicted_lifetime_value")
        return Blocks(filter(None, [*trends, self._compare_with_simple()]))

    def _forecast(self) -> dict[str, Any] | None:
        """The forecast for this page's customers; None if there is none."""
        if missing_reason(self.data, "lives"):
            return None
        column, value = self.alone or (None, "")
        rows = lives(self.data, self.period, column)
        return next((row for row in rows if row["segment_value"] == value), None)

    def _list_sentences(self) -> Iterator[str]:
        """Sentences on the files that list customers at risk."""
        for name, total in self.risk_totals().items():
            if total.customers:
                kind = "some" if total.in_all > total.customers else "all"
                texts = {
                    "file": self.list_file(name),
                    "listed": self.words.value(total.customers, "count"),
                    "all": self.words.value(total.in_all, "count"),
                    "money": self.words.value(total.money, "money"),
                }
                if name == "at_risk" and kind == "some":
                    is_better = back_test(self.data, self.period).verdict == "better"
                    kind = f"some_{'stake' if is_better else self.data.basis}"
                yield self.words.text(f"at_risk.list_{name}_{kind}", **texts)
        if any(total.customers for total in self.risk_totals().values()):
            yield self.words.text("at_risk.control")

    def _verdict(self, back_test: BackTest) -> Iterator[str]:
        """Sentences: the verdict, its scores, and caveats."""
        words, text = self.words, self.words.text
        texts = {
            "cut": words.date(back_test.cut),
            "months": words.value(back_test.months, "count"),
            "history": words.value(back_test.history, "count"),
            "end": words.period(self.period),
        }
        if (comparison := back_test.comparison) is None:
            yield text("back_test.none", **texts)
            return
        basis = self.data.basis
        figures = {
            "model": words.value(comparison.model.brier, "ratio", "full"),
            "plain": words.value(comparison.plain.brier, "ratio", "full"),
            "constant": words.value(comparison.constant, "ratio", "full"),
        }
        yield text(f"back_test.{back_test.verdict}_{basis}", **texts)
        yield text(f"back_test.brier_{basis}", **texts, **figures)
        if self.alone:
            yield text("back_test.everybody")
        if back_test.is_flattered:
            yield text("back_test.flattered", **texts)
        ratio = _ratio(back_test.purchases)
        if ratio is not None and not LOW_RATIO <= ratio <= HIGH_RATIO:
            yield text("back_test.too_many" if ratio > 1 else "back_test.too_few", ratio=words.value(ratio, "ratio"))
        if back_test.verdict != "short" and back_test.history < FULL:
            yield text("back_test.warned", **texts)
        if back_test.verdict != "better":
            yield text(f"back_test.ranked_{basis}")

    def _calibration(self, back_test: BackTest) -> Block | None:
        if back_test.comparison is None:
            return None
        words, bins = self.words, [vars(group) for group in back_test.comparison.bins]
        if (chart := calibration(bins, words)) is None:
            return None
        texts = {
            "cut": words.date(back_test.cut),
            "months": words.value(back_test.months, "count"),
            "n": words.value(back_test.comparison.customers, "count"),
            "gone": words.value(back_test.comparison.gone, "count"),
        }
        basis = self.data.basis
        title, caption = (words.text(f"back_test.{part}_{basis}", **texts) for part in ("chart", "caption"))
        return self.chart(chart, title, [caption])

    def _predicted_and_actual(self, back_test: BackTest) -> Block | None:
        """A table of predicted and actual totals."""
        if back_test.comparison is None:
            return None
        words, rows = self.words, []
        for name, pair, unit in (("purchases", back_test.purchases, "count"), ("money", back_test.money, "money")):
            figures = [words.value(round(value) if unit == "count" else value, unit) for value in pair]
            ratio = words.value(_ratio(pair), "ratio")
            rows.append([words.text(f"back_test.{name}_{self.data.basis}"), *figures, ratio])
        return self._back_test_table("happened", ["what", "predicted", "actual", "ratio"], rows)

    def _scores(self, back_test: BackTest) -> Block | None:
        """A table of the scores of the model, the plain rule, and one probability for all customers."""
        if back_test.comparison is None:
            return None
        model, plain = back_test.comparison.model, back_test.comparison.plain
        scores = {
            "brier": (model.brier, plain.brier, back_test.comparison.constant),
            "auc": (model.auc, plain.auc, 0.5),
            "lift": (model.lift, plain.lift, 1.0),
        }
        rows = [
            [self.words.text(f"back_test.{name}"), *(self.words.value(value, "ratio", "full") for value in values)]
            for name, values in scores.items()
        ]
        return self._back_test_table("scores", ["measure", "model", f"plain_{self.data.basis}", "constant"], rows)

    def _back_test_table(self, name: str, heads: list[str], rows: list[list[str]]) -> Block:
        columns = tables.label_columns(self.words.text(f"back_test.{head}") for head in heads)
        return Block("table", title=self.words.text(f"back_test.{name}_title"), columns=columns, rows=rows)

    def _compare_with_simple(self) -> Block | None:
        predicted, simple = self.row("predicted_lifetime_value"), self.row("customer_lifetime_value")
        if predicted is None or simple is None:
            return None
        if not narrative.is_known(predicted.value) or not narrative.is_known(simple.value):
            return None
        words, less = self.words, simple.value - predicted.value
        kind = "alike" if abs(less) <= TOLERANCE * simple.value else "less" if less > 0 else "more"
        texts = {
            "predicted": words.value(predicted.value, "money"),
            "simple": words.value(simple.value, "money"),
            "by": words.value(abs(less), "money"),
            "share": words.value(abs(less) / simple.value, "fraction"),
            "months": words.value(self.data.settings.definitions.horizon_months, "count"),
        }
        lifespan = self.row("customer_lifespan")
        texts["years"] = words.value(lifespan.value if lifespan is not None else None, "years")
        return Block("text", text=words.text(f"predicted.{kind}_{self.data.basis}", **texts))


def _ratio(pair: tuple[float, float]) -> float | None:
    return pair[0] / pair[1] if pair[1] else None
