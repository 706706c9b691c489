"""What a page shows about how long customers stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retention_kit.metrics.forecasts.survival import Curve, survival_curves, survival_difference
from retention_kit.metrics.insights import Claim
from retention_kit.metrics.queries.memberships import traits_of
from retention_kit.report.blocks import Block
from retention_kit.report.charts.survival import survival
from retention_kit.report.pages.context import Blocks, Context
from retention_kit.wording import DASH

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = 2  # by which there are curves
FEW_LOST = 5  # losses below which a curve says nothing
TOLD = (12, 6, 3)  # months that a title may speak of, the first that all groups have reached
FOLLOWED = (6, 12, 24)  # months at which the table says how many are followed


def survival_columns(page: Context) -> list[str | None]:
    """By which columns a page shows survival: those it breaks down by, then the plan; without any, all together.

    None at all where customers do not subscribe, or one segment value is looked at alone.
    """
    if page.only or page.data.basis != "subscriptions":
        return []
    columns: list[str | None] = [*dict.fromkeys([*page.columns, *traits_of(page.data)])]
    return columns[:COLUMNS] or [None]


class SurvivalBlocks(Context):
    """What a page shows about how long customers stay."""

    def claims(self) -> list[Claim]:
        """Those of the other blocks, and that the values of a column stay for different times."""
        found = super().claims()
        for column in survival_columns(self):
            p = None if column is None else survival_difference(self.data, self.period, column)
            if p is not None and column is not None:
                found.append(Claim(("survival",), "survival", "groups", p, value=column))
        return found

    def survival(self) -> Blocks:
        """How long subscribers stay, by the columns of the page and by plan: curves, and a table of those followed.

        A list of blocks, a chart and a table for each column; empty without subscriptions, where one segment value is
        looked at alone, or while hardly anybody has left.
        """
        found = [block for column in survival_columns(self) for block in self._survival_by(column)]
        return Blocks(found)

    def _survival_by(self, column: str | None) -> list[Block]:
        import pandas as pd

        curves = survival_curves(self.data, self.period, column)
        p = None if column is None else survival_difference(self.data, self.period, column)
        if sum(curve.lost for curve in curves) < FEW_LOST:
            return []
        named = [(self._group(curve) if len(curves) > 1 else "", curve) for curve in curves]
        seen = pd.concat([_steps(curve).assign(group=name) for name, curve in named], ignore_index=True)
        projected = pd.concat([curve.projected.assign(group=name) for name, curve in named], ignore_index=True)
        chart = survival(seen, projected, self.words)
        if chart is None:
            return []
        caption = [self.words.text("survival.caption", day=self.last_day_of_period())]
        if len(projected):
            caption.append(self.words.text("survival.projected"))
        if p is not None:
            key = "differ" if self.holds("survival", "groups", value=column or "") else "alike"
            caption.append(self.words.text(f"survival.{key}", p=self._p(p)))
        title = self._survival_title(named, column)
        return [self.chart(chart, title, caption), self._survival_table(named, column)]

    def last_day_of_period(self) -> str:
        """The last day of the period that the data know, in words."""
        from datetime import timedelta

        return self.words.date(min(self.period.end, self.data.as_of) - timedelta(days=1))

    def _group(self, curve: Curve) -> str:
        """The name of a group: its value, or how many it has."""
        if len(curve.values) == 1:
            return curve.values[0]
        return self.words.text("survival.others", count=self.words.value(len(curve.values), "count"))

    def _p(self, p: float) -> str:
        return self.words.text("survival.p_small") if p < 0.001 else self.words.text("survival.p", p=f"{p:.3f}")

    def _survival_title(self, named: list[tuple[str, Curve]], column: str | None) -> str:
        """Which group stays longest and which shortest, where they differ by more than chance."""
        month = next((month for month in TOLD if all(curve.longest >= month for _, curve in named)), 0)
        known = [(name, _share(curve, month)) for name, curve in named]
        best, worst = max(known, key=lambda one: one[1]), min(known, key=lambda one: one[1])
        texts = {
            "month": month,
            "column": column,
            "best": best[0],
            "high": self.words.value(best[1], "fraction"),
            "worst": worst[0],
            "low": self.words.value(worst[1], "fraction"),
        }
        if not month:
            return self.words.text("survival.title")
        if len(named) == 1:
            return self.words.text("survival.title_all", **texts)
        if texts["high"] == texts["low"]:
            return self.words.text("survival.title_same", **texts)
        is_real = self.holds("survival", "groups", value=column or "")
        return self.words.text("survival.title_differ" if is_real else "survival.title_alike", **texts)

    def _staying(self, curve: Curve, month: int) -> str:
        """The share still there after so many months, with its interval where there is one; a dash if not seen yet."""
        if month > curve.longest:
            is_over = len(curve.seen) > 0 and curve.seen["survival"].iloc[-1] == 0
            return self.words.value(0.0, "fraction") if is_over else DASH
        share, row = self.words.value(_share(curve, month), "fraction"), curve.at(month)
        if row is None or row["low"] != row["low"]:
            return share
        low, high = (self.words.value(row[one], "fraction") for one in ("low", "high"))
        return self.words.text("survival.share", share=share, low=low, high=high)

    def _survival_table(self, named: list[tuple[str, Curve]], column: str | None) -> Block:
        words, year = self.words, 12
        followed = [month for month in FOLLOWED if any(curve.followed(month) for _, curve in named)] or [*FOLLOWED[:1]]
        heads = [column or words.text("survival.group"), words.text("survival.customers"), words.text("survival.half")]
        heads.append(words.text("survival.after", month=year))
        heads.append(
            words.text("survival.followed", months=" · ".join(words.value(month, "count") for month in followed))
        )
        body = []
        for name, curve in named:
            half = words.value(curve.median, "count")
            body.append(
                [
                    name or words.text("charts.whole"),
                    words.value(curve.customers, "count"),
                    half if curve.median is None else words.text("survival.months", count=half),
                    self._staying(curve, year),
                    " · ".join(words.value(curve.followed(month), "count") for month in followed),
                ]
            )
        columns = [{"label": head, "align": "end" if place else "start"} for place, head in enumerate(heads)]
        return Block("table", columns=columns, rows=body, caption=words.text("survival.table"))


def _share(curve: Curve, month: int) -> float:
    """The share still there after so many months: all, before the first loss."""
    row = curve.at(month)
    return 1.0 if row is None else float(row["survival"])


def _steps(curve: Curve) -> pd.DataFrame:
    """The curve from the start to where it ends, a row for each step."""
    import pandas as pd

    steps = curve.seen.rename(columns={"time": "month", "survival": "share"})[
        ["month", "share", "low", "high", "at_risk"]
    ]
    start = pd.DataFrame(
        {"month": [0], "share": [1.0], "low": [1.0], "high": [1.0], "at_risk": [float(curve.customers)]}
    )
    last = steps.iloc[[-1]] if len(steps) else start
    end = last.assign(month=curve.longest, at_risk=float(curve.followed(curve.longest)))
    pieces = [start, steps, *([end] if curve.longest > last["month"].iloc[0] else [])]
    return pd.concat(pieces, ignore_index=True).fillna({"low": 0.0, "high": 0.0})
