"""Blocks on follow-ups: the number of customers due, never their names."""

from __future__ import annotations

from datetime import timedelta

from retention_kit.metrics.follow_ups import due_counts
from retention_kit.report.blocks import Block
from retention_kit.report.pages import tables
from retention_kit.report.pages.attention import Attention
from retention_kit.report.pages.context import Blocks
from retention_kit.wording import DASH


class FollowUpBlocks(Attention):
    """Blocks on follow-ups, and on all files with customers."""

    def listed(self) -> Blocks:
        """The files that list customers, and the follow-ups that are due.

        A list of the blocks of `lists` and `follow_ups`, if there are any.
        """
        return Blocks(filter(None, [self.lists(), self.follow_ups()]))

    def follow_ups(self) -> Block | None:
        """The number of customers due for each follow-up of the settings, the days, and the owner.

        The block `table`. They are due as of the data's as-of date, so it is only in the report of the last period, of
        all customers; else None. It also counts customers who have been on a list before, which only the ledger of the
        lists records.
        """
        words, data = self.words, self.data
        if self.alone or self.period.shift(1).is_complete(data.as_of) or self.period.start >= data.as_of:
            return None
        rows = []
        for due_count in due_counts(data):
            count, due = words.value(due_count["customers"], "count"), DASH
            if due_count["reason"]:
                count, due = DASH, due_count["reason"]
            elif due_count["customers"]:
                first, last = (words.date(due_count[name]) for name in ("first_due", "last_due"))
                due = words.text("follow_ups.due_by", first=first, last=last) if first != last else first
            if due_count["is_cut"]:
                count = words.text("follow_ups.more", count=count)
            rows.append([due_count["name"], due_count["when"], due, count, due_count["owner"] or DASH])
        heads = ["name", "when", "due", "customers", "owner"]
        if all(row[-1] == DASH for row in rows):
            heads, rows = heads[:-1], [row[:-1] for row in rows]
        texts = {"day": self.last_day(), "folder": f"follow_ups/{data.as_of - timedelta(days=1)}"}
        caption = words.text("follow_ups.caption", **texts)
        return tables.titled(words, "follow_ups", heads, rows, ["customers"], caption) if rows else None
