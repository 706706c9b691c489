"""Blocks on causes of change: the parts of sums, and segment values that changed significantly."""

from __future__ import annotations

from collections.abc import Iterator
from math import fsum
from typing import Any

from retention_kit.lazy import pd
from retention_kit.metrics.catalogue import METRICS, ranked
from retention_kit.metrics.change_parts import ChangePart, change_parts, is_within_chance, part_claims, segment_changes
from retention_kit.metrics.decomposition import shapley
from retention_kit.metrics.insights import Claim
from retention_kit.metrics.queries.spans import Granularity
from retention_kit.metrics.queries.summaries import in_currency, missing_reason, summary
from retention_kit.report.blocks import Block
from retention_kit.report.charts.base import join_items
from retention_kit.report.pages import narrative
from retention_kit.report.pages.context import Context, rows_for
from retention_kit.report.pages.mrr import GAINS, LOSSES

MOST_NAMES = 3  # values in a sentence


class WhyBlocks(Context):
    """Blocks on causes of change."""

    def claims(self) -> list[Claim]:
        """The claims of other blocks, and those of segment values on changes of the leading figures."""
        claims = super().claims()
        for column in self.columns:
            for metric in self._explained():
                claims += part_claims(self.change_parts(column).get(metric, []), metric, column)
        return claims

    def changes(self, column: str) -> pd.DataFrame:
        """The contribution of each value of a segment column to the change of the leading figures, cached."""
        known = [name for name in ranked("headline") if missing_reason(self.data, METRICS[name].summary) is None]
        return self._cached("changes", column, lambda: segment_changes(self.data, self.period, column, known))

    def change_parts(self, column: str) -> dict[str, list[ChangePart]]:
        """The parts of the change of each of these figures, by name, cached."""

        def compute() -> dict[str, list[ChangePart]]:
            rows = self.changes(column)
            names = rows["metric"].unique()
            return {name: change_parts(rows_for(rows, name), self.base, self.period) for name in names}

        return self._cached("change parts", column, compute)

    def why(self) -> Block | None:
        """Why the leading figures changed since the period before, a sentence each.

        The block `notice`: for revenue the contributions of customers, their purchases, the value of these and guests,
        for MRR its movements, in the report's currency; then the values of a segment column that changed significantly,
        with their contribution in points or money, and whether the rest is within chance. None for an incomplete period
        or the first one.
        """
        items = [self._explanation(row) for row in self.now(self._explained()).itertuples()]
        items = [item for item in items if item]
        return Block("notice", title=self.words.text("why.title"), items=items) if items else None

    def _explained(self) -> list[str]:
        """The names of leading figures with a change."""
        rows = {name: self.row(name) for name in ranked("headline")}
        return [
            name for name, row in rows.items() if row is not None and row.complete and narrative.is_known(row.change)
        ]

    def _explanation(self, row: Any) -> str:
        parts, verdict = list(self._part_texts(row)), self.verdict(row)
        if parts or not verdict:  # the parts of a sum explain it better than the length of the period
            verdict = "real"
        text = join_items(parts, self.words) if parts else ""
        if by := self._by_segment(row, verdict):
            text = self.words.text("why.and_by", parts=text, by=by) if text else by
        if not text:
            return ""
        return self.words.text("why.sentence", finding=narrative.finding(row, self.words, verdict), parts=text)

    def _part_texts(self, row: Any) -> Iterator[str]:
        """The parts of the change of a sum, in words."""
        parts = {"revenue": self._revenue_parts, "mrr": self._mrr_parts}.get(row.metric)
        for name, amount in parts().items() if parts else ():
            if self.words.value(abs(amount), row.unit) == self.words.value(0, row.unit):
                continue
            change = self.words.change(amount, row.unit)
            text = self.words.text(f"why.{name}_{'more' if amount > 0 else 'less'}", amount=change)
            figure = self.row({"frequency": "purchase_frequency", "value": "average_purchase_value"}.get(name, ""))
            is_sure = figure is None or self.verdict(figure) not in ("chance", "many", "few")
            yield text if is_sure else self.words.text("why.may_be_chance", part=text)

    def _revenue_parts(self) -> dict[str, float]:
        """The change of revenue by customers, purchases per customer, value per purchase, and guests.

        Empty without figures of the period before.
        """
        factors = []
        for period in (self.period.shift(-1), self.period):
            rows = self.rows[self.rows["period"] == str(period)]
            frames = [rows_for(rows, name) for name in ("purchase_frequency", "average_purchase_value")]
            if any(frame.empty for frame in frames):
                return {}
            frequency, value = (frame.iloc[0] for frame in frames)
            customers = frequency["denominator"]
            factors.append(
                {
                    "customers": float(customers),
                    "frequency": frequency["numerator"] / customers if customers else None,
                    "value": value["numerator"] / value["denominator"] if value["denominator"] else None,
                }
            )
        guests = self.row("guest_revenue")
        return shapley(*factors) | {"guests": guests.change if guests and narrative.is_known(guests.change) else 0.0}

    def _mrr_parts(self) -> dict[str, float]:
        """The change of MRR by its movements, of a segment value also by customers who had another one before."""
        column, value = self.alone or (None, "")
        frame = in_currency(self.data, "mrr", summary(self.data, "mrr", Granularity(self.every), column))
        rows = frame[frame["segment_value"] == value].set_index("period")
        row, before = rows.loc[self.period.index], rows.loc[self.period.index - 1]
        gains = {name: float(row[name]) for name in (*GAINS, "fx")}
        moved = {"moved": float(row["start"] - before["end"])} if column else {}
        return gains | {name: -float(row[name]) for name in LOSSES} | moved

    def _by_segment(self, row: Any, verdict: str) -> str:
        """The values that changed significantly, of the column that explains most; that none did; or empty, if none was
        tested.
        """
        tested, most, text = [], 0.0, ""
        for column in self.columns:
            parts = self.change_parts(column).get(row.metric, [])
            if not part_claims(parts, row.metric, column):
                continue
            tested.append(column)
            real = [part for part in parts if self.is_significant(row.metric, part.against, column, part.value)]
            if (size := fsum(abs(part.amount) for part in real)) > most:
                others = [part for part in parts if part not in real]
                most, text = size, self._segment_text(row, column, real, others, verdict)
        if text or not tested:
            return text
        return self.words.text("why.none", columns=join_items(tested, self.words))

    def _segment_text(
        self, row: Any, column: str, real: list[ChangePart], others: list[ChangePart], verdict: str
    ) -> str:
        """The significant parts, the largest first, and whether the rest is within chance."""
        text, real = self.words.text, sorted(real, key=lambda part: -abs(part.amount))
        is_moved = verdict == "real" and not narrative.is_same(row, self.words)
        names = [self._segment_part(row, column, part, is_moved) for part in real]
        if len(names) > MOST_NAMES:
            names[MOST_NAMES:] = [text("chart.more_names", count=len(names) - MOST_NAMES)]
        sentence = text("why.by", column=column, parts=join_items(names, self.words))
        rest = row.change - fsum(part.amount for part in real)
        if self._amount(row, abs(rest)) == self._amount(row, 0.0):
            return sentence
        return text(f"why.rest_{'chance' if is_within_chance(others) else 'spread'}", said=sentence)

    def _segment_part(self, row: Any, column: str, part: ChangePart, is_moved: bool) -> str:
        """One part in words: as a part of the change if it has the same direction, else with its sign."""
        is_same_way = is_moved and (part.amount > 0) == (row.change > 0)
        amount = self._amount(row, abs(part.amount)) if is_same_way else self.words.change(part.amount, row.unit)
        key = f"{'mix' if not part.value else 'part'}{'_of' if is_same_way else ''}"
        text = self.words.text(f"why.{key}", amount=amount, column=column, value=part.value)
        if not part.value:
            return text
        values = {name: self.words.value(getattr(part, name), row.unit) for name in ("before", "now")}
        return self.words.text("why.ends", part=text, **values)

    def _amount(self, row: Any, amount: float) -> str:
        """A change without its sign."""
        return self.words.change(abs(amount), row.unit, sign="")
