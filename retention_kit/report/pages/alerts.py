"""Blocks on alerts: a notice of those that fire, and a table of all states."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from retention_kit.metrics.alerts.judge import alert_states
from retention_kit.metrics.alerts.states import AlertState
from retention_kit.metrics.alerts.texts import customers, sentences, split_rows, state_name, title
from retention_kit.metrics.queries.customer_lists import list_totals
from retention_kit.report.blocks import Block
from retention_kit.report.pages import tables
from retention_kit.report.pages.context import Context

MOST_NAMED = 6  # alerts in a notice; the others are counted
# The list of the customers behind a metric.
METRIC_LISTS = {
    "customer_retention_rate": "lost_customers",
    "customer_churn_rate": "lost_customers",
    "lost_customers": "lost_customers",
    "new_customers": "new_customers",
    "reactivated_customers": "reactivated_customers",
    "customers_at_risk": "at_risk",
    "repeat_purchase_rate": "second_purchase",
}
_ORDER = ("firing", "no data", "pending", "resolved", "ok")


class AlertBlocks(Context):
    """Blocks on alerts."""

    @cached_property
    def alert_states(self) -> list[AlertState]:
        """The alert states; on a page of one segment value only those of its customers."""
        if not self.data.settings.alerts:
            return []
        return [
            state for state in alert_states(self.data, self.period) if customers(state) == self.only or not self.only
        ]

    def alert_notice(self, most: int = MOST_NAMED) -> Block | None:
        """A notice of firing alerts for the top of the report, if their `then` has `notice`.

        A sentence for each alert: since when it fires, its figures and, if its `then` has `list`, the files that name
        the customers. None if none fires.
        """
        words = self.words
        firing = [state for state in self.alert_states if state.state == "firing" and "notice" in state.alert.then]
        items = [self._notice(state) for state in firing]
        if 0 < most < len(items):
            items[most:] = [words.text("alerts.more", count=len(items) - most)]
        heading = words.text(f"alerts.{'firing_one' if len(firing) == 1 else 'firing_more'}", count=len(firing))
        return Block("notice", tone="attention", title=heading, items=items) if items else None

    def alerts(self) -> Block | None:
        """The state of each alert at the end of the period, as a table; None without alerts.

        The columns are alert, state, since, owner (of an address the part before the @), and figures. For an alert for
        each value of a column, the values that are ok or have no data are counted in one row.
        """
        words = self.words
        single, others = split_rows(self.alert_states)
        single.sort(key=lambda state: _ORDER.index(state.state))
        rows = [
            [
                title(state, words),
                state_name(state, words),
                words.period(state.since, "short") if state.since else "",
                (state.alert.owner or "").partition("@")[0],  # of an address, who reads it
                words.listed(sentences(state, words), "semicolon"),
            ]
            for state in single
        ]
        segments = {state.alert.name: state.alert.each or "" for state in self.alert_states}
        for name, counts in others.items():
            customers = words.text("alerts.others", column=segments[name])
            counted = (
                words.text("alerts.counted", state=words.text(f"alerts.{state.replace(' ', '_')}"), count=count)
                for state, count in counts.items()
            )
            states = words.listed(counted, "semicolon")
            rows.append([words.text("alerts.named", name=name, customers=customers), states, "", "", ""])
        if not rows:
            return None
        columns, cells = tables.without_empty(("name", "state", "since", "owner", "figures"), rows, ("name", "state"))
        certain = {state.alert.certain for state in self.alert_states}
        caption = words.text(f"alerts.caption_{'some' if False in certain else 'certain'}") if True in certain else ""
        return tables.titled(words, "alerts", columns, cells, (), caption)

    def _notice(self, state: AlertState) -> str:
        words = self.words
        texts = {
            "name": title(state, words),
            "since": words.period(state.since),
            "figures": words.listed(sentences(state, words), "semicolon"),
        }
        sentence = words.text("alerts.notice", **texts)
        files = [self.list_file(name) for name in self._lists(state)] if "list" in state.alert.then else []
        return f"{sentence} {words.text('alerts.list', files=words.listed(files))}" if files else sentence

    def _lists(self, state: AlertState) -> Iterator[str]:
        """The lists beside this report that name the customers behind an alert's figures."""
        if state.period != str(self.period):
            return
        metrics = [side.metric for comparison in state.figures for side in (comparison.left, comparison.right)]
        totals = list_totals(self.data, self.period, self.columns, self.alone) | self.risk_totals()
        for name in dict.fromkeys(METRIC_LISTS[metric] for metric in metrics if metric in METRIC_LISTS):
            if name in totals and totals[name].customers:
                yield name
