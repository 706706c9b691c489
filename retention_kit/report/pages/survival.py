"""Blocks on the survival of customers: how long they stay."""

from __future__ import annotations

from retention_kit.lazy import pd
from retention_kit.metrics.forecasts.survival import Curve, survival_curves, survival_difference
from retention_kit.metrics.insights import Claim
from retention_kit.metrics.queries.memberships import traits_of
from retention_kit.report.blocks import Block
from retention_kit.report.charts.survival import survival
from retention_kit.report.pages import tables
from retention_kit.report.pages.context import Blocks, Context
from retention_kit.wording import DASH

MOST_COLUMNS = 2  # with curves
LEAST_LOST = 5  # customers lost, for curves to be shown
TITLE_MONTHS = (12, 6, 3)  # months for a title; the first that all groups have reached is used
TABLE_MONTHS = (6, 12, 24)  # months for which the table has the number of customers followed


def survival_columns(page: Context) -> list[str | None]:
    """The columns by which a page shows survival: its segment columns, then the plan; `[None]` for all customers
    together if there are none. Empty without subscriptions, or on a page of one segment value.
    """
    if page.only or page.data.basis != "subscriptions":
        return []
    columns: list[str | None] = [*dict.fromkeys([*page.columns, *traits_of(page.data)])]
    return columns[:MOST_COLUMNS] or [None]


class SurvivalBlocks(Context):
    """Blocks on the survival of customers."""

    def claims(self) -> list[Claim]:
        """The claims of other blocks, and those that survival differs between the values of a column."""
        claims = super().claims()
        for column in survival_columns(self):
            p = None if column is None else survival_difference(self.data, self.period, column)
            if p is not None and column is not None:
                claims.append(Claim(("survival",), "survival", "groups", p, value=column))
        return claims

    def survival(self) -> Blocks:
        """Survival curves of subscribers by the segment columns of the page and by plan, each with a table.

        A list of blocks, a `chart` and a `table` for each column; empty without subscriptions, with fewer than five
        losses, or on a page of one segment value.
        """
        return Blocks(block for column in survival_columns(self) for block in self._survival_by(column))

    def _survival_by(self, column: str | None) -> list[Block]:
        curves = survival_curves(self.data, self.period, column)
        p = None if column is None else survival_difference(self.data, self.period, column)
        if sum(curve.lost for curve in curves) < LEAST_LOST:
            return []
        named = [(self._group(curve) if len(curves) > 1 else "", curve) for curve in curves]
        observed = pd.concat([_steps(curve).assign(group=name) for name, curve in named], ignore_index=True)
        projected = pd.concat([curve.projected.assign(group=name) for name, curve in named], ignore_index=True)
        if (chart := survival(observed, projected, self.words)) is None:
            return []
        caption = [self.words.text("survival.caption", day=self.last_day_of_period())]
        if len(projected):
            caption.append(self.words.text("survival.projected"))
        if p is not None:
            key = "differ" if self.is_significant("survival", "groups", value=column or "") else "alike"
            caption.append(self.words.text(f"survival.{key}", p=self._p(p)))
        return [self.chart(chart, self._survival_title(named, column), caption), self._survival_table(named, column)]

    def last_day_of_period(self) -> str:
        """The last day of the period that has data, in words."""
        from datetime import timedelta

        return self.words.date(min(self.period.end, self.data.as_of) - timedelta(days=1))

    def _group(self, curve: Curve) -> str:
        """The label of a group: its value, or the number of its values."""
        if len(curve.values) == 1:
            return curve.values[0]
        return self.words.text("survival.others", count=self.words.value(len(curve.values), "count"))

    def _p(self, p: float) -> str:
        return self.words.text("survival.p_small") if p < 0.001 else self.words.text("survival.p", p=f"{p:.3f}")

    def _survival_title(self, named: list[tuple[str, Curve]], column: str | None) -> str:
        """The finding: the groups with the highest and lowest survival, and whether the difference is significant."""
        month = next((month for month in TITLE_MONTHS if all(curve.longest >= month for _, curve in named)), 0)
        shares = [(name, _share(curve, month)) for name, curve in named]
        best, worst = max(shares, key=lambda item: item[1]), min(shares, key=lambda item: item[1])
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
        is_real = self.is_significant("survival", "groups", value=column or "")
        return self.words.text("survival.title_differ" if is_real else "survival.title_alike", **texts)

    def _share_text(self, curve: Curve, month: int) -> str:
        """The share still there after some months, with its interval if there is one; a dash if not observed yet."""
        if month > curve.longest:
            is_over = len(curve.seen) > 0 and curve.seen["survival"].iloc[-1] == 0
            return self.words.value(0.0, "fraction") if is_over else DASH
        share, row = self.words.value(_share(curve, month), "fraction"), curve.at(month)
        if row is None or row["low"] != row["low"]:
            return share
        low, high = (self.words.value(row[bound], "fraction") for bound in ("low", "high"))
        return self.words.text("survival.share", share=share, low=low, high=high)

    def _survival_table(self, named: list[tuple[str, Curve]], column: str | None) -> Block:
        words, year = self.words, 12
        followed = [month for month in TABLE_MONTHS if any(curve.followed(month) for _, curve in named)] or [
            *TABLE_MONTHS[:1]
        ]
        months = " · ".join(words.value(month, "count") for month in followed)
        labels = [
            column or words.text("survival.group"),
            *(words.text(f"survival.{name}") for name in ("customers", "half")),
            words.text("survival.after", month=year),
            words.text("survival.followed", months=months),
        ]
        body = []
        for name, curve in named:
            half = words.value(curve.median, "count")
            body.append(
                [
                    name or words.text("charts.whole"),
                    words.value(curve.customers, "count"),
                    half if curve.median is None else words.text("survival.months", count=half),
                    self._share_text(curve, year),
                    " · ".join(words.value(curve.followed(month), "count") for month in followed),
                ]
            )
        return Block("table", columns=tables.label_columns(labels), rows=body, caption=words.text("survival.table"))


def _share(curve: Curve, month: int) -> float:
    """The share still there after some months; 1 before the first loss."""
    row = curve.at(month)
    return 1.0 if row is None else float(row["survival"])


def _steps(curve: Curve) -> pd.DataFrame:
    """A curve from its start to its end, a row for each step: month, share, low, high and at_risk."""
    steps = curve.seen.rename(columns={"time": "month", "survival": "share"})[
        ["month", "share", "low", "high", "at_risk"]
    ]
    start = pd.DataFrame(
        {"month": [0], "share": [1.0], "low": [1.0], "high": [1.0], "at_risk": [float(curve.customers)]}
    )
    last = steps.iloc[[-1]] if len(steps) else start
    end = last.assign(month=curve.longest, at_risk=float(curve.followed(curve.longest)))
    segments = [start, steps, *([end] if curve.longest > last["month"].iloc[0] else [])]
    return pd.concat(segments, ignore_index=True).fillna({"low": 0.0, "high": 0.0})
