"""What a page shows about follow-ups: how many customers are due, and never who."""

from __future__ import annotations

from datetime import timedelta

from retention_kit.metrics.follow_ups import due_counts
from retention_kit.report.blocks import Block
from retention_kit.report.pages import tables
from retention_kit.report.pages.attention import Attention
from retention_kit.report.pages.context import Blocks
from retention_kit.wording import DASH


class FollowUpBlocks(Attention):
    """What a page shows about follow-ups: how many customers are due, and never who."""

    def listed(self) -> Blocks:
        """Which customers are listed by name, and where: a table of the files, and one of the follow-ups that are due.

        Each only where there is something to show; see `lists` and `follow_ups`.
        """
        return Blocks(filter(None, [self.lists(), self.follow_ups()]))

    def follow_ups(self) -> Block | None:
        """How many customers are due for each follow-up of the settings, from which day to which, and who answers.

        They are due as of the data's as-of date, so the table is that of the report of the last period alone, and of
        all customers. Who has been on a list already is counted, too, as only the ledger of the lists knows of it.
        """
        words, data = self.words, self.data
        if self.alone or self.period.shift(1).is_complete(data.as_of) or self.period.start >= data.as_of:
            return None
        rows = []
        for one in due_counts(data):
            count, due = words.value(one["customers"], "count"), DASH
            if one["reason"]:
                count, due = DASH, one["reason"]
            elif one["customers"]:
                first, last = (words.date(one[name]) for name in ("first_due", "last_due"))
                due = words.text("follow_ups.due_by", first=first, last=last) if first != last else first
            if one["is_cut"]:
                count = words.text("follow_ups.more", count=count)
            rows.append([one["name"], one["when"], due, count, one["owner"] or DASH])
        heads = ["name", "when", "due", "customers", "owner"]
        if all(row[-1] == DASH for row in rows):
            heads, rows = heads[:-1], [row[:-1] for row in rows]
        texts = {"day": self.last_day(), "folder": f"follow_ups/{data.as_of - timedelta(days=1)}"}
        caption = words.text("follow_ups.caption", **texts)
        return tables.titled(words, "follow_ups", heads, rows, ["customers"], caption) if rows else None
