"""Blocks on value segments (recency, frequency, money): the groups, and movements between them."""

from __future__ import annotations

from datetime import timedelta

from retention_kit.lazy import pd
from retention_kit.metrics.catalogue import SMALL
from retention_kit.metrics.queries.summaries import missing_reason
from retention_kit.metrics.queries.value_segments import GROUPS, NONE_YET, value_segments
from retention_kit.report.blocks import Block
from retention_kit.report.pages import tables
from retention_kit.report.pages.context import Blocks, Context
from retention_kit.wording import DASH


class ValueGroupBlocks(Context):
    """Blocks on value segments."""

    def value_groups(self) -> Blocks:
        """Customers grouped by the recency, frequency and money of their purchases, and movements between the groups.

        A list of two blocks `table`: customers of each group at the period's end and start, with their revenue in the
        twelve months up to the end, in the report's currency; then the number of customers from each group in each
        other. Empty without orders, with fewer than thirty customers, or on a page of one segment value.
        """
        if self.only or missing_reason(self.data, "value_segments"):
            return Blocks()
        moves = value_segments(self.data, self.period)
        now = moves[moves["now"] != NONE_YET].groupby("now")[["customers", "revenue"]].sum()
        if now["customers"].sum() < SMALL:
            return Blocks()
        before = moves[moves["before"] != NONE_YET].groupby("before")["customers"].sum()
        return Blocks(filter(None, [self._group_table(now, before), self._moved_table(moves, int(before.sum()))]))

    def _group_table(self, now: pd.DataFrame, before: pd.Series) -> Block:
        words, totals = self.words, now.sum()
        now = now.reindex(GROUPS, fill_value=0)
        body, best = [], now["revenue"].idxmax()
        for name, row in now.iterrows():
            customers_before = int(before.get(name, 0))
            body.append(
                [
                    self._group_name(str(name)),
                    words.value(row["customers"], "count"),
                    words.value(row["customers"] / totals["customers"], "fraction"),
                    words.value(row["revenue"], "money", "full"),
                    words.value(row["revenue"] / totals["revenue"] if totals["revenue"] else None, "fraction"),
                    words.value(customers_before, "count") if before.sum() else DASH,
                    words.change(row["customers"] - customers_before, "count") if before.sum() else DASH,
                ]
            )
        body.append(self._group_sums(totals, before))
        heads = ("group", "customers", "share", "revenue", "of_revenue", "before", "change")
        texts = {
            "group": words.text(f"value_groups.names.{best}"),
            "share": words.value(now.loc[best, "customers"] / totals["customers"], "fraction"),
            "revenue": words.value(
                now.loc[best, "revenue"] / totals["revenue"] if totals["revenue"] else None, "fraction"
            ),
            "last": words.date(min(self.period.end, self.data.as_of) - timedelta(days=1)),
        }
        every = words.text(f"every.{self.every}")
        columns = tables.label_columns(words.text(f"value_groups.{head}", every=every) for head in heads)
        title, caption = words.text("value_groups.title", **texts), words.text("value_groups.caption", **texts)
        return Block("table", title=title, columns=columns, rows=body, caption=caption)

    def _group_sums(self, totals: pd.Series, before: pd.Series) -> list[str]:
        words, then = self.words, int(before.sum())
        full_share = words.value(1, "fraction")
        ends = [words.value(then, "count"), words.change(totals["customers"] - then, "count")] if then else [DASH, DASH]
        money = words.value(totals["revenue"], "money", "full")
        return [
            words.text("value_groups.all"),
            words.value(totals["customers"], "count"),
            full_share,
            money,
            full_share,
            *ends,
        ]

    def _moved_table(self, moves: pd.DataFrame, before: int) -> Block | None:
        """Movements from each group (rows) to each other (columns, by number); None without customers before."""
        if not before:
            return None
        words, names = self.words, [*GROUPS, NONE_YET]
        counts = moves.pivot_table(index="before", columns="now", values="customers", aggfunc="sum", fill_value=0)
        counts = counts.reindex(index=names, columns=names, fill_value=0).astype("int64")
        counts["all"] = counts.sum(axis=1)
        counts.loc["all"] = counts.sum()
        unchanged = sum(int(counts.loc[name, name]) for name in GROUPS)
        rows = [
            [
                self._group_name(name),
                *(
                    DASH if not count or name == to == NONE_YET else words.value(count, "count")
                    for to, count in row.items()
                ),
            ]
            for name, row in counts.iterrows()
        ]
        labels = [
            words.text("value_groups.from"),
            *(words.value(number, "count") for number in range(1, len(GROUPS) + 1)),
        ]
        labels += [words.text("value_groups.gone"), words.text("value_groups.all")]
        columns = tables.label_columns(labels)
        texts = {
            "stayed": words.value(unchanged, "count"),
            "count": words.value(before, "count"),
            "every": words.text(f"every.{self.every}"),
            **self.named_periods(),
        }
        title, caption = words.text("value_groups.moves_title", **texts), words.text("value_groups.moves", **texts)
        return Block("table", title=title, columns=columns, rows=rows, caption=caption)

    def _group_name(self, name: str) -> str:
        """The label of a group with its number; without one for customers in no group, and for all."""
        if name in GROUPS:
            number, text = [*GROUPS].index(name) + 1, self.words.text(f"value_groups.names.{name}")
            return self.words.text("value_groups.numbered", number=number, name=text)
        return self.words.text("value_groups.came" if name == NONE_YET else "value_groups.all")
