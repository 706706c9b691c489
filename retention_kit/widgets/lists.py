"""The customer lists of one selection, as frames and as tables."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cached_property
from typing import Any, NamedTuple

from retention_kit.data.dataset import Dataset
from retention_kit.lazy import pd
from retention_kit.metrics.forecasts.horizon import horizon_kind
from retention_kit.metrics.forecasts.lists import RISK_LISTS, STAKES, risk_lists, risk_names
from retention_kit.metrics.queries.customer_lists import LISTS, active_customers, customer_lists
from retention_kit.metrics.queries.summaries import missing_reason
from retention_kit.periods import Period
from retention_kit.report.blocks import Block
from retention_kit.widgets.page import ExplorerPage
from retention_kit.widgets.selection import Selection
from retention_kit.wording import Words

ACTIVE, CELL = "active", "cell"
MOST_ROWS = 200  # in a table
MOST_LISTS = 12  # in the cache
_MONEY = ("paid", "mrr", "revenue_12_months", *STAKES)
_COUNTS = ("purchases", "usual_gap_days", "tenure_months")
_FLAGS = ("new_on_list", "control")
_DATES = ("last_purchase", "paid_until", "paid_since", "overdue_since", "act_by")


class Listing(NamedTuple):
    """A list of customers: the active ones, one of `LISTS` or `RISK_LISTS`, or (`CELL`) those of a cohort that are
    active in a period.
    """

    kind: str = ACTIVE
    cohort: str = ""
    period: str = ""


class CustomerLists:
    """The lists of one selection of a dataset. `computed` caches scorecards and lists for other selections."""

    def __init__(self, data: Dataset, selection: Selection, computed: dict[Hashable, pd.DataFrame]):
        self.data, self.selection, self.computed = data, selection, computed

    @cached_property
    def page(self) -> ExplorerPage:
        chosen = self.selection
        page = ExplorerPage(str(chosen.period), chosen.every, chosen.segment, self.words.language, self.data)
        page.values, page.computed = chosen.values, self.computed
        return page

    @cached_property
    def words(self) -> Words:
        return Words.of(self.data.settings.report)

    def listings(self) -> list[tuple[str, str]]:
        """The available lists: pairs of label and kind."""
        if missing_reason(self.data, "movements"):
            return []
        return [(self.words.text(f"explorer.list.{kind}"), kind) for kind in (ACTIVE, *LISTS, *risk_names(self.data))]

    def customers(self, listing: Listing) -> pd.DataFrame:
        """All customers of a list, a row for each; empty if the data have no customers."""
        chosen, page = self.selection, self.page
        if missing_reason(self.data, "movements"):
            return pd.DataFrame({"customer_id": []})
        period = Period.parse(listing.period) if listing.kind == CELL else chosen.period
        columns, only = tuple(page.columns), page.alone
        column = chosen.column if chosen.column and not only else ""
        key = (listing, str(period), columns, only, chosen.values)
        if (cached := self.computed.get(key)) is not None:  # another thread may drop it at any time
            return cached
        if listing.kind in LISTS:
            lists = customer_lists(self.data, period, columns, only)
            frames = {Listing(kind): frame for kind, frame in lists.items()}
        elif listing.kind in RISK_LISTS:
            lists, empty = risk_lists(self.data, period, columns, only), pd.DataFrame({"customer_id": []})
            frames = {Listing(kind): lists.get(kind, empty) for kind in RISK_LISTS}
        else:
            frames = {listing: active_customers(self.data, period, listing.cohort or None, columns, only)}
        for kind, frame in frames.items():
            name = f"segment.{column}" if f"segment.{column}" in frame else column
            if name and chosen.values:
                frame = frame[frame[name].isin(chosen.values)]
                frame.attrs = {}  # `in_all` counts all values
            frames[kind] = self.computed[(kind, *key[1:])] = frame.reset_index(drop=True)
        self._forget_lists()
        return frames[listing]

    def _forget_lists(self) -> None:
        """Keep the newest lists only, as one may have a million customers."""
        lists = [key for key in [*self.computed] if isinstance(key, tuple) and isinstance(key[0], Listing)]
        for key in lists[:-MOST_LISTS]:
            self.computed.pop(key, None)

    def customer_table(self, frame: pd.DataFrame, listing: Listing) -> Block:
        """The first `MOST_ROWS` customers of a list as a table, with their number in the title."""
        words, head = self.words, frame.head(MOST_ROWS)
        texts = {
            "list": self._list_title(listing),
            "all": words.value(len(frame), "count"),
            "shown": words.value(len(head), "count"),
        }
        numbers = [name in (*_MONEY, *_COUNTS) or bool(horizon_kind(name)) for name in frame.columns]
        columns = [
            {"label": self._column_label(name), "align": "end" if is_number else "start"}
            for name, is_number in zip(frame.columns, numbers, strict=True)
        ]
        rows = [
            [self._cell(name, value) for name, value in zip(frame.columns, row, strict=True)]
            for row in head.itertuples(index=False, name=None)
        ]
        title = words.text("explorer.customers_some" if len(head) < len(frame) else "explorer.customers_all", **texts)
        if (in_all := frame.attrs.get("in_all", 0)) > len(frame):
            title = words.text("explorer.customers_most", said=title, count=words.value(in_all, "count"))
        return Block("table", title=title, columns=columns, rows=rows)

    def _list_title(self, listing: Listing) -> str:
        if listing.kind == CELL:
            texts = {"cohort": self.words.period(listing.cohort), "period": self.words.period(listing.period)}
            return self.words.text("explorer.list.cell", **texts)
        texts = {
            "list": self.words.text(f"explorer.list.{listing.kind}"),
            "period": self.words.period(self.selection.period),
        }
        return self.words.text("explorer.list_of", **texts)

    def _column_label(self, name: str) -> str:
        """The translated label of a column; a segment column keeps its name."""
        if kind := horizon_kind(name):
            return self.words.text(f"explorer.column.{kind}", months=self.data.settings.definitions.horizon_months)
        label = self.words.table("explorer.column").get(name)
        return label or self.words.isolate(str(name).removeprefix("segment."))

    def _cell(self, name: str, value: Any) -> str:
        if pd.isna(value):
            return self.words.value(None, "count")
        if name in _MONEY:
            return self.words.value(float(value), "money", "full")
        if name in _DATES:
            return self.words.date(pd.Timestamp(value).date())
        if horizon_kind(name):
            return self.words.value(float(value), "fraction")
        if name in _FLAGS:
            return self.words.text(f"explorer.{'yes' if value else 'no'}")
        return self.words.name(str(value))
