"""The base class of pages: the figures of one period of one dataset, in one language."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Hashable, Iterable
from datetime import timedelta
from typing import Any, TypeVar

from retention_kit.data.dataset import Dataset
from retention_kit.data.summary_key import SummaryKey
from retention_kit.hijri import with_hijri
from retention_kit.lazy import pd
from retention_kit.metrics.catalogue import METRICS, SMALL, Metric, ranked
from retention_kit.metrics.forecasts.lists import risk_totals
from retention_kit.metrics.insights import Claim, by_length, change_claims, goal_claims, segment_claims, significant
from retention_kit.metrics.queries.customer_lists import ListTotal
from retention_kit.metrics.queries.summaries import largest_change, pick_period
from retention_kit.metrics.scorecard import missing_metrics, scorecard, segment_values, split_segment
from retention_kit.metrics.snapshot import open_data
from retention_kit.metrics.trend import trend_periods, trend_rows
from retention_kit.periods import Period
from retention_kit.report.blocks import Block
from retention_kit.report.charts.base import ChartSpec, join_items
from retention_kit.report.pages import narrative
from retention_kit.wording import Words

Cached = TypeVar("Cached")
DRIVER_SHARE = 0.5  # the least share of a change that names its cause
MOST_NAMES = 5  # segment values in a sentence


class Context:
    """One period of one dataset in one language.

    The parameters are those of every template: `period` ("" for the last complete one), `every`, `segment` (columns
    to break down by, with commas between; or `column=value` to look at that value alone), `language`, and `data`
    (a path; "" for the sample company) or an open dataset.
    """

    def __init__(
        self,
        period: str = "",
        every: str | None = "month",
        segment: str = "",
        language: str = "en",
        data: str | Dataset = "",
    ):
        self.data = open_data(data) if isinstance(data, str) else data
        self.period = pick_period(self.data, period, every)
        self.words = Words.of(self.data.settings.report, language)
        self.every = self.period.every
        named = _columns_in(segment, self.data.segments)
        self.only = segment if "=" in segment and not {*named} <= {*self.data.segments} else ""
        self.columns = [] if self.only else named
        split_segment(self.data, self.only, self.every)
        self.computed: dict[Hashable, Any] = {}  # scorecards; a page of another language may share them
        self._translated: dict[int, tuple[pd.DataFrame, pd.DataFrame]] = {}
        self._by_rows: tuple[pd.DataFrame | None, dict[str, Any]] = None, {}

    @property
    def rows(self) -> pd.DataFrame:
        """The scorecard of the report, computed on first use; `label` and `note` are in the page's language."""
        return self._translate(self._trend())

    def _trend(self) -> pd.DataFrame:
        return self._cached("trend", self.only, lambda: trend_rows(self.data, self.period, self.only))

    def scorecard(self) -> pd.DataFrame:
        """All figures of the report, of the whole and by segment, with English texts."""
        whole = self._trend()
        if self.alone:
            column, value = self.alone
            whole = whole.assign(segment=column, segment_value=value)
        return pd.concat([whole, *map(self._parts, self.columns)], ignore_index=True)

    def _translate(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Rows of a scorecard with their texts in the page's language."""
        if (cached := self._translated.get(id(rows))) is None:
            texts = {name: rows[name].map(self.words.say).astype(object) for name in ("label", "note")}
            cached = self._translated[id(rows)] = rows, rows.assign(**texts)
        return cached[1]

    def parts(self, column: str) -> pd.DataFrame:
        """The scorecard of this period by one segment column, cached."""
        return self._translate(self._parts(column))

    def _parts(self, column: str) -> pd.DataFrame:
        def compute() -> pd.DataFrame:
            rows = scorecard(self.data, self.period, segment=column)
            return rows[rows["segment"] == column]

        return self._cached("parts", column, compute)

    def _cached(self, name: str, segment: str, compute: Callable[[], Cached]) -> Cached:
        key = SummaryKey(name, str(self.period), segment, (*METRICS,))  # a notebook may have defined another metric
        if key not in self.computed:
            stored = self.data.summaries.get(key)
            self.computed[key] = compute() if stored is None else stored
        return self.computed[key]

    def _cached_by_rows(self, name: str, compute: Callable[[], Cached]) -> Cached:
        """A result that depends on the rows, computed once for these: a notebook may have defined another metric."""
        rows = self.rows
        if self._by_rows[0] is not rows:
            self._by_rows = rows, {}
        results = self._by_rows[1]
        if name not in results:
            results[name] = compute()
        return results[name]

    @property
    def alone(self) -> tuple[str, str] | None:
        """The segment column and value that the page is limited to; None for the whole."""
        column, value = split_segment(self.data, self.only, self.every)
        return None if column is None or value is None else (column, value)

    @property
    def suffix(self) -> str:
        """The suffix of file names for a segment value: letters and digits, and a digest if anything else was in it.

        Values that differ only in case also get a digest, as some file systems ignore case.
        """
        if self.alone is None:
            return ""
        column, value = self.alone
        alike = [segment for segment in self.data.segments if segment.lower() == column.lower()]
        values = {*segment_values(self.data, column, self.every), value}
        alike += [candidate for candidate in values if candidate.lower() == value.lower()]
        plain = re.sub(r"[^A-Za-z0-9]+", "-", self.only).strip("-")
        if len(alike) == 2 and len(plain) <= 40 and plain.replace("-", "=", 1) == self.only:
            return f".{plain}"
        return f".{plain[:40]}-{hashlib.sha256(self.only.encode()).hexdigest()[:6]}"

    @property
    def base(self) -> str:
        """What makes a customer active: `orders`, `inactivity` (orders within a window) or `subscriptions`."""
        is_window = self.data.basis == "orders" and self.data.settings.definitions.inactivity_days
        return "inactivity" if is_window else self.data.basis

    def list_file(self, name: str) -> str:
        """The path of a list of customers in the pack."""
        return f"lists/{name}{self.suffix}.csv"

    def risk_totals(self) -> dict[str, ListTotal]:
        """The totals of the lists of customers to contact, by name of the list."""
        return risk_totals(self.data, self.period, self.columns, self.alone)

    def period_title(self) -> str:
        """The period, with months of the Umm al-Qura calendar if the settings say so."""
        is_hijri = self.data.settings.report.hijri
        return with_hijri(self.period, self.words) if is_hijri else self.words.period(self.period)

    def last_day(self) -> str:
        """The last day of the data, in words."""
        return self.words.date(self.data.as_of - timedelta(days=1))

    def now(self, metrics: Iterable[str]) -> pd.DataFrame:
        """The rows of this period in the order of `metrics`, with a column `better`."""
        rows = self.rows[(self.rows["period"] == str(self.period)) & self.rows["metric"].isin(list(metrics))]
        order = {name: number for number, name in enumerate(metrics)}
        rows = rows.sort_values("metric", key=lambda names: names.map(order))
        return rows.assign(better=[METRICS[name].better for name in rows["metric"]])

    def row(self, metric: str) -> Any | None:
        """The row of a metric in this period; None if there is none."""
        return self._cached_by_rows("row", lambda: {row.metric: row for row in self.now(METRICS).itertuples()}).get(
            metric
        )

    def claims(self) -> list[Claim]:
        """All comparisons that the report makes, on whichever page."""
        claims = change_claims(self.rows, self.period, self.base) + goal_claims(self.now(METRICS))
        for column in self.columns:
            for name in ranked("by_segment"):
                claims += segment_claims(rows_for(self.parts(column), name), self.row(name), column)
        return claims

    def is_significant(self, metric: str, against: str = "previous", column: str = "", value: str = "") -> bool:
        """Whether a difference is significant, corrected for all comparisons of the report; see `insights.Claim`."""
        return (metric, against, column, value) in self._cached_by_rows("significant", self._significant)

    def _significant(self) -> frozenset[tuple[str, str, str, str]]:
        cached = self.computed.get(self._claims_key, self.data.summaries.get(self._claims_key))
        return significant(self.claims()) if cached is None else cached

    def keep_claims(self) -> None:
        """Test all claims once, for the pages of all sections and languages."""
        self.computed[self._claims_key] = significant(self.claims())

    @property
    def _claims_key(self) -> SummaryKey:
        return SummaryKey("claims", str(self.period), (self.only, *self.columns), (*METRICS,))

    def verdict(self, row: Any) -> str:
        """How to read a change since the period before: `real`, `chance`, `many` (chance among so many comparisons),
        `length` (explained by the length of the period) or `few` (too few customers); empty for a figure without an
        interval, such as a sum.
        """
        if not row.complete or row.change_low is None or row.change_low != row.change_low:
            return ""
        before = self._cached_by_rows("n", self._n_before).get(row.metric, SMALL)
        if not row.n >= SMALL or not before >= SMALL:
            return "few"
        if self.is_significant(row.metric):
            return "real"
        if row.change_low <= 0 <= row.change_high:
            return "chance"
        low, high = by_length(row.metric, self.base, row.previous, self.period, self.period.shift(-1))
        return "length" if low <= row.change <= high else "many"

    def _n_before(self) -> dict[str, float]:
        """The n of each metric in the period before."""
        rows = self.rows[self.rows["period"] == str(self.period.shift(-1))]
        return dict(zip(rows["metric"], rows["n"], strict=True))

    def differing(self, parts: pd.DataFrame, whole: Any, column: str, tested: int, kind: str) -> str:
        """A sentence with the values of a column that differ significantly from the other customers; empty for none."""
        rows = [
            row for row in parts.itertuples() if self.is_significant(whole.metric, "rest", column, row.segment_value)
        ]
        rows.sort(key=lambda row: row.value, reverse=whole.better != "lower" and kind == "differ")
        names = [f"{self.words.name(row.segment_value)} {self.words.value(row.value, row.unit)}" for row in rows]
        if len(names) > MOST_NAMES:
            names[MOST_NAMES:] = [self.words.text("chart.more_names", count=len(names) - MOST_NAMES)]
        texts = {
            "label": whole.label,
            "column": column,
            "number": len(rows),
            "count": tested,
            "names": join_items(names, self.words),
            "whole": self.words.value(whole.value, whole.unit),
        }
        if not rows:
            return ""
        return self.words.text(f"chart.{kind}_{'one' if len(rows) == 1 else 'more'}", **texts)

    def driver(self, row: Any) -> str:
        """A sentence if guests or one customer account for most of a change in revenue; else empty."""
        is_sum = row.metric in ("revenue", "net_revenue") and not self.only
        if not is_sum or not row.complete or not narrative.is_known(row.change) or narrative.is_same(row, self.words):
            return ""
        guests, largest = self.row("guest_revenue"), largest_change(self.data, self.period)
        changes = {
            "guests": guests.change if guests is not None and narrative.is_known(guests.change) else 0.0,
            "one": largest[1] - largest[0] if largest else 0.0,
        }
        driver, change = max(changes.items(), key=lambda item: item[1] / row.change)
        if change / row.change < DRIVER_SHARE:
            return ""
        texts = {"change": self.words.value(abs(change), "money"), "period": self.words.period(self.period.shift(-1))}
        return self.words.text(f"story.driver_{driver}_{'more' if change > 0 else 'less'}", **texts)

    def recent(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows of the trend's periods, with a column `complete`."""
        periods = [str(period) for period in trend_periods(self.data, self.period)]
        frame = frame[frame["period"].isin(periods)].reset_index(drop=True)
        return frame.assign(complete=[Period.parse(period).is_complete(self.data.as_of) for period in frame["period"]])

    def named_periods(self) -> dict[str, Any]:
        return {
            "period": self.words.period(self.period),
            "before": self.words.period(self.period.shift(-1)),
            "days": self.data.settings.definitions.inactivity_days,
        }

    def incomplete(self, rows: pd.DataFrame) -> list[str]:
        pending = rows[~rows["complete"]]["period"]
        return [
            self.words.text("chart.incomplete", period=self.words.period(period), day=self.last_day())
            for period in pending
        ]

    def chart(self, chart: ChartSpec, title: str, caption: list[str]) -> Block:
        return Block("chart", title=title, caption=" ".join(caption), alt=chart.alt, spec=chart.spec)

    def sum_chart(
        self, chart: ChartSpec, frame: pd.DataFrame, caption: str, title: str, unit: str, *notes: str
    ) -> Block:
        """A chart of parts that add up, with the sum in its caption."""
        now = frame[frame["period"] == str(self.period)].to_dict("records")[0]
        texts = {
            name: self.words.value(value, unit, "full")
            for name, value in now.items()
            if name not in ("period", "complete", "segment_value")
        }
        texts |= {"every": self.words.text(f"every.{self.every}"), **self.named_periods()}
        sentences = [self.words.text(f"chart.{caption}", **texts), *notes, *self.incomplete(frame)]
        return self.chart(chart, self.words.text(f"chart.{title}", **texts), sentences)


class Blocks(list):
    """Several blocks from one call; a notebook displays each."""

    def _ipython_display_(self) -> None:
        from IPython.display import display

        for block in self:
            display(block)


def _columns_in(segment: str, known: Collection[str]) -> list[str]:
    """Split a list of columns at its commas; known names may contain commas, and the longest match wins."""
    parts, columns = segment.split(","), []
    while parts:
        ends = [end for end in range(len(parts), 0, -1) if ",".join(parts[:end]).strip() in known]
        end = ends[0] if ends else 1
        columns.append(",".join(parts[:end]).strip())
        parts = parts[end:]
    return [column for column in columns if column]


def rows_for(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows of a scorecard for one metric."""
    return rows[rows["metric"] == metric]


def metrics_of(name: str) -> list[str]:
    """The names of a section's metrics, or the one metric of that name."""
    return [metric.name for metric in METRICS.values() if metric.template == name] or [name]


def unavailable(data: Dataset) -> dict[str, list[Metric]]:
    """The metrics that the data lack, by reason."""
    reasons: dict[str, list[Metric]] = {}
    for name, reason in missing_metrics(data).items():
        reasons.setdefault(reason, []).append(METRICS[name])
    return reasons
