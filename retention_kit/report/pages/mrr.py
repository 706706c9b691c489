"""Blocks on the movements of monthly recurring revenue (MRR)."""

from __future__ import annotations

from retention_kit.lazy import pd
from retention_kit.metrics.breakdowns import mrr_movements
from retention_kit.metrics.queries.summaries import missing_reason
from retention_kit.report.blocks import Block
from retention_kit.report.charts import series
from retention_kit.report.charts.waterfall import waterfall
from retention_kit.report.pages.context import Blocks, Context

GAINS, LOSSES = ("new", "expansion", "reactivation"), ("contraction", "churned")


class MrrBlocks(Context):
    """Blocks on the movements of monthly recurring revenue (MRR)."""

    def mrr(self) -> Blocks:
        """The movements of MRR in this period and over thirteen periods.

        A list of the blocks of `mrr_waterfall` and `mrr_movements`, without missing ones; empty without subscriptions.
        """
        return Blocks(filter(None, (self.mrr_waterfall(), self.mrr_movements())))

    def mrr_waterfall(self) -> Block | None:
        """MRR from the start of the period to its end, with the sum in its caption.

        The block `chart`: money a month, from start to end in steps. None if the data lack the table, or on a page of
        one segment value.
        """
        if self.only or missing_reason(self.data, "mrr"):
            return None
        frame = self._mrr_moves()
        frame = frame[frame["period"] == str(self.period)]
        row = frame.to_dict("records")[0]
        changes = {name: row[name] for name in GAINS} | {"fx": row["fx"]} | {name: -row[name] for name in LOSSES}
        steps, total = [_level("start", row["start"])], row["start"]
        for name, value in changes.items():
            if value or name != "fx":
                steps.append({"name": name, "value": value, "before": total, "after": total + value})
                total += value
        chart = waterfall([*steps, _level("end", row["end"])], self.words.period(self.period), self.words)
        exact = {name: self.words.bound(row[name], "money", "full") for name in ("start", *changes, "end")}
        caption = self.words.text("chart.mrr_fx" if row["fx"] else "chart.mrr", **exact, **self.named_periods())
        if chart is None:
            return None
        return self.chart(chart, self._mrr_title(row), [caption, *self._limits(), *self.incomplete(frame)])

    def mrr_movements(self) -> Block | None:
        """MRR gained and lost over thirteen periods.

        The block `chart`: one stacked bar of money per period of the trend. None if the data lack the table, or on a
        page of one segment value.
        """
        if self.only or missing_reason(self.data, "mrr"):
            return None
        frame = self._mrr_moves()
        if (chart := series.mrr_movements(frame, self.words)) is None:
            return None
        known = frame[frame["complete"]]
        texts = {
            "more": self.words.value((known["gained"] > known["given_up"]).sum(), "count"),
            "count": self.words.value(len(known), "count"),
            "every": self.words.text(f"every.{self.every}"),
        }
        title = self.words.text("chart.mrr_trend" if len(known) > 1 else "chart.mrr_movements", **texts)
        return self.chart(
            chart, title, [self.words.text("chart.mrr_caption", **texts), *self._limits(), *self.incomplete(frame)]
        )

    def _limits(self) -> list[str]:
        """A sentence if the data have only today's prices, so that changes of price are not seen."""
        return [self.words.text("chart.mrr_snapshot")] if self.data.lacks_earlier_prices else []

    def _mrr_title(self, row: dict) -> str:
        """The finding: the change of MRR in a period, and the MRR gained and lost."""
        words, change = self.words, row["end"] - row["start"]
        texts = {name: words.value(row[name], "money") for name in ("start", "end", "gained", "given_up")}
        texts |= {"change": words.value(abs(change), "money"), "period": words.period(self.period)}
        is_same = texts["start"] == texts["end"]
        key = "so_far" if not row["complete"] else "same" if is_same else "rose" if change > 0 else "fell"
        title = words.text(f"chart.mrr_{key}", **texts)
        return words.text("chart.mrr_by_fx", title=title, fx=words.change(row["fx"], "money")) if row["fx"] else title

    def _mrr_moves(self) -> pd.DataFrame:
        """The movements of the trend's periods, with their sums `gained` and `given_up`, without exchange rates."""
        frame = self.recent(mrr_movements(self.data, self.every))
        return frame.assign(gained=frame[[*GAINS]].sum(axis=1), given_up=frame[[*LOSSES]].sum(axis=1))


def _level(name: str, value: float) -> dict:
    return {"name": name, "value": value, "before": value, "after": value}
