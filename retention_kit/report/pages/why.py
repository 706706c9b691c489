"""Why the leading figures changed: what made their sums, and which segment values changed by more than chance."""

from __future__ import annotations

from collections.abc import Iterator
from math import fsum
from typing import TYPE_CHECKING, Any

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
from retention_kit.report.pages.mrr import GAINED, GIVEN_UP

if TYPE_CHECKING:
    import pandas as pd

NAMED = 3  # values in a sentence


class WhyBlocks(Context):
    """Why the leading figures changed since the period before."""

    def claims(self) -> list[Claim]:
        """Those about figures, and what segment values claim to have done to them."""
        found = super().claims()
        for column in self.columns:
            for metric in self._explained():
                found += part_claims(self.change_parts(column).get(metric, []), metric, column)
        return found

    def changes(self, column: str) -> pd.DataFrame:
        """What each value of a segment column adds to the change of the leading figures, computed once."""
        known = [name for name in ranked("headline") if missing_reason(self.data, METRICS[name].summary) is None]
        return self._known("changes", column, lambda: segment_changes(self.data, self.period, column, known))

    def change_parts(self, column: str) -> dict[str, list[ChangePart]]:
        """The same as parts of the change of each of these figures, by its name, computed once."""

        def compute() -> dict[str, list[ChangePart]]:
            rows = self.changes(column)
            found = {name: rows_for(rows, name) for name in rows["metric"].unique()}
            return {name: change_parts(own, self.base, self.period) for name, own in found.items()}

        return self._known("change parts", column, compute)

    def why(self) -> Block | None:
        """Why the leading figures changed since the period before, a sentence each.

        The block `notice`: of revenue what customers, their purchases, the value of these and guests made of it, of MRR
        its movements, in the report's currency; then the values of a segment column of the report that changed by more
        than chance explains, with their part in points or money, and whether the rest is within chance. Nothing of a
        period that is not over, or of the first one.
        """
        items = [self._sentence(row) for row in self.now(self._explained()).itertuples()]
        items = [item for item in items if item]
        return Block("notice", title=self.words.text("why.title"), items=items) if items else None

    def _explained(self) -> list[str]:
        """The leading figures that have a change."""
        rows = {name: self.row(name) for name in ranked("headline")}
        return [
            name for name, row in rows.items() if row is not None and row.complete and narrative.is_known(row.change)
        ]

    def _sentence(self, row: Any) -> str:
        parts, verdict = list(self._made_of(row)), self.verdict(row)
        if parts or not verdict:  # of a sum the parts tell what the length of the period would
            verdict = "real"
        said = join_items(parts, self.words) if parts else ""
        if by := self._by_segment(row, verdict):
            said = self.words.text("why.and_by", parts=said, by=by) if said else by
        if not said:
            return ""
        return self.words.text("why.sentence", finding=narrative.finding(row, self.words, verdict), parts=said)

    def _made_of(self, row: Any) -> Iterator[str]:
        """What a sum is made of, as its parts changed it."""
        parts = {"revenue": self._revenue_parts, "mrr": self._mrr_parts}.get(row.metric)
        for name, amount in parts().items() if parts else ():
            printed = self.words.change(amount, row.unit)
            if self.words.value(abs(amount), row.unit) == self.words.value(0, row.unit):
                continue
            said = self.words.text(f"why.{name}_{'more' if amount > 0 else 'less'}", amount=printed)
            figure = self.row({"frequency": "purchase_frequency", "value": "average_purchase_value"}.get(name, ""))
            is_sure = figure is None or self.verdict(figure) not in ("chance", "many", "few")
            yield said if is_sure else self.words.text("why.may_be_chance", part=said)

    def _revenue_parts(self) -> dict[str, float]:
        """The change of revenue by customers, their purchases each, the value of a purchase, and guests.

        Empty where the period before is not at hand.
        """
        factors = []
        for period in (self.period.shift(-1), self.period):
            rows = self.rows[self.rows["period"] == str(period)]
            found = [rows_for(rows, name) for name in ("purchase_frequency", "average_purchase_value")]
            if any(one.empty for one in found):
                return {}
            each, value = (one.iloc[0] for one in found)
            factors.append(
                {
                    "customers": float(each["denominator"]),
                    "frequency": each["numerator"] / each["denominator"] if each["denominator"] else None,
                    "value": value["numerator"] / value["denominator"] if value["denominator"] else None,
                }
            )
        guests = self.row("guest_revenue")
        return shapley(*factors) | {"guests": guests.change if guests and narrative.is_known(guests.change) else 0.0}

    def _mrr_parts(self) -> dict[str, float]:
        """The change of MRR by its movements."""
        column, value = self.alone or (None, "")
        frame = in_currency(self.data, "mrr", summary(self.data, "mrr", Granularity(self.every), column))
        row = frame[(frame["period"] == self.period.index) & (frame["segment_value"] == value)].iloc[0]
        gained = {name: float(row[name]) for name in (*GAINED, "fx")}
        return gained | {name: -float(row[name]) for name in GIVEN_UP}

    def _by_segment(self, row: Any, verdict: str) -> str:
        """Which values of the column that tells most changed by more than chance explains, and what of the rest; that
        none did; or nothing, where none was tested.
        """
        tested, most, told = [], 0.0, ""
        for column in self.columns:
            parts = self.change_parts(column).get(row.metric, [])
            if not part_claims(parts, row.metric, column):
                continue
            tested.append(column)
            held = [part for part in parts if self.holds(row.metric, part.against, column, part.value)]
            if (size := fsum(abs(part.amount) for part in held)) > most:
                most, told = size, self._told(row, column, held, [part for part in parts if part not in held], verdict)
        if told or not tested:
            return told
        return self.words.text("why.none", columns=join_items(tested, self.words))

    def _told(self, row: Any, column: str, held: list[ChangePart], others: list[ChangePart], verdict: str) -> str:
        """The parts that hold, the largest first, and whether what they leave is within chance."""
        text, held = self.words.text, sorted(held, key=lambda part: -abs(part.amount))
        is_moved = verdict == "real" and not narrative.is_same(row, self.words)
        names = [self._part(row, column, part, is_moved) for part in held]
        if len(names) > NAMED:
            names[NAMED:] = [text("chart.more_names", count=len(names) - NAMED)]
        said = text("why.by", column=column, parts=join_items(names, self.words))
        rest = row.change - fsum(part.amount for part in held)
        if self._figure(row, abs(rest)) == self._figure(row, 0.0):
            return said
        return text(f"why.rest_{'chance' if is_within_chance(others) else 'spread'}", said=said)

    def _part(self, row: Any, column: str, part: ChangePart, is_moved: bool) -> str:
        """One part: of the change where it goes the same way, else with its sign."""
        is_of_it = is_moved and (part.amount > 0) == (row.change > 0)
        amount = self._figure(row, abs(part.amount)) if is_of_it else self.words.change(part.amount, row.unit)
        key = f"{'mix' if not part.value else 'part'}{'_of' if is_of_it else ''}"
        said = self.words.text(f"why.{key}", amount=amount, column=column, value=part.value)
        if not part.value:
            return said
        ends = {name: self.words.value(getattr(part, name), row.unit) for name in ("before", "now")}
        return self.words.text("why.ends", part=said, **ends)

    def _figure(self, row: Any, amount: float) -> str:
        """A change without its sign."""
        return self.words.change(abs(amount), row.unit, sign="")
