"""What a page shows of who was asked and who answered: the response rate, and whether it is the same for all."""

from __future__ import annotations

from datetime import timedelta
from math import fsum
from typing import TYPE_CHECKING, NamedTuple

from retention_kit.data.cleaning.invitations import DAYS
from retention_kit.metrics.catalogue import SMALL, Measure
from retention_kit.metrics.definitions.feedback import SURVEYS
from retention_kit.metrics.formulas import difference, share
from retention_kit.metrics.insights import Claim, p_value
from retention_kit.metrics.queries.invitations import MONTHS, response_groups, response_rates
from retention_kit.metrics.trend import trend_periods
from retention_kit.periods import add_months
from retention_kit.report.blocks import Block
from retention_kit.report.charts import series
from retention_kit.report.charts.base import join_items
from retention_kit.report.pages.context import NAMED, Blocks, Context, rows_for
from retention_kit.report.pages.narrative import is_known

if TYPE_CHECKING:
    import pandas as pd

# What is known of customers when they are asked, and in which order a table tells it.
GROUPS = {
    "paying": ("paying", "not_paying"),
    "bought": ("lately", "this_year", "earlier", "never"),
    "spent": ("much", "middle", "little", "nothing"),
}
COVERED = 0.9  # the part of the invited whose answers a weighted score needs


class _Group(NamedTuple):
    """One value of what is known of customers: the share that answered, and that of all others."""

    value: str
    here: Measure
    others: Measure

    @property
    def gap(self) -> float:
        """How much more of them answered than of the others."""
        return (self.here.value or 0) - (self.others.value or 0)

    @property
    def p(self) -> float | None:
        """Of the difference; None where either is of few."""
        bounds = difference(self.here, self.others)
        if bounds is None or min(self.here.n or 0, self.others.n or 0) < SMALL:
            return None
        return p_value(self.gap, *bounds)


class ResponseBlocks(Context):
    """What a page shows of who was asked and who answered."""

    def claims(self) -> list[Claim]:
        """Those of the other blocks, and that some answer more often than the others who were asked."""
        found = super().claims()
        for about, groups in self._asked_groups().items():
            for one in groups:
                if one.p is not None:
                    twin = about if len(groups) == 2 else None  # one comparison, seen from both sides
                    value = f"{about} {one.value}"
                    found.append(Claim(("answering", about), "answering", "asked", one.p, value=value, twin=twin))
        return found

    def response_rate(self) -> Blocks:
        """Who was asked to answer and who did.

        A list of blocks: a `chart` of the response rate over thirteen periods with its 95% interval, and a `table` of
        it by what was known of customers when they were asked, with a word of caution and the scores as they would be
        if all had answered alike. Empty without invitations, or where one segment value is looked at alone.
        """
        rates = None if self.only else response_rates(self.data, self.every)
        return Blocks(filter(None, [] if rates is None else [self._rate_trend(rates), self._rate_table()]))

    def _rate_trend(self, rates: pd.DataFrame) -> Block | None:
        import pandas as pd

        known = {int(row.period): (int(row.invited), int(row.answered)) for row in rates.itertuples()}
        shown = trend_periods(self.data, self.period)
        measures = {str(one): share(*known.get(one.index, (0, 0))[::-1], "") for one in shown}
        rows = pd.DataFrame(
            {
                "period": period,
                "value": one.value,
                "low": one.low,
                "high": one.high,
                "n": one.n,
                "unit": "fraction",
                "label": self.words.text("asked.rate"),
            }
            for period, one in measures.items()
        ).assign(complete=[one.is_complete(self.data.as_of) for one in shown])
        chart, now = series.trend(rows, self.words), measures[str(self.period)]
        if chart is None:
            return None
        texts = {
            "period": self.words.period(self.period),
            "rate": self.words.value(now.value, "fraction"),
            "invited": self.words.value(now.denominator, "count"),
            "answered": self.words.value(now.numerator, "count"),
            "days": DAYS,
        }
        title = self.words.text("asked.title" if now.n else "asked.title_nobody", **texts)
        caption = [self.words.text("asked.caption", **texts), self.words.text("chart.band")]
        return self.chart(chart, title, [*caption, *self.incomplete(rows)])

    def _asked_groups(self) -> dict[str, list[_Group]]:
        """By what is known of customers, the shares that answered."""
        found: dict[str, list[_Group]] = {}
        for column in (None, *(() if self.only else self.columns)):
            frame = None if self.only else response_groups(self.data, self.period, column)
            for about, rows in () if frame is None else frame.groupby("about", sort=False):
                invited, answered = int(rows["invited"].sum()), int(rows["answered"].sum())
                found[str(about) if column is None else f"column {column}"] = [
                    _Group(
                        str(row.value),
                        share(int(row.answered), int(row.invited), ""),
                        share(answered - int(row.answered), invited - int(row.invited), ""),
                    )
                    for row in rows.itertuples()
                ]
        return found

    def _rate_table(self) -> Block | None:
        words, text = self.words, self.words.text
        rows, unlike = [], []
        for about, groups in self._asked_groups().items():
            order = GROUPS.get(about, ())
            head = text(f"asked.about.{about}") if about in GROUPS else about.partition(" ")[2]
            place = {value: number for number, value in enumerate(order)}
            for one in sorted(groups, key=lambda one: (place.get(one.value, 0), -(one.here.n or 0))):
                if (one.here.n or 0) < SMALL:  # told by what is left of the whole
                    continue
                is_real = self.holds("answering", "asked", value=f"{about} {one.value}")
                verdict = "alike" if not is_real else "more" if one.gap > 0 else "fewer"
                value = text(f"asked.value.{about}_{one.value}") if about in GROUPS else one.value
                name = text("asked.named", group=head, value=value)
                if is_real:
                    unlike.append(f"{name} {words.value(one.here.value, 'fraction')}")
                figures = [words.value(one.here.n, "count"), words.value(one.here.value, "fraction")]
                ends = {name: words.value(getattr(one.here, name), "fraction") for name in ("low", "high")}
                rows.append([name, *figures, text("charts.interval", **ends), text(f"asked.{verdict}")])
        if not rows:
            return None
        aligned = {"invited": "end", "share": "end", "interval": "end"}
        heads = ("group", "invited", "share", "interval", "verdict")
        columns = [{"label": text(f"asked.column.{name}"), "align": aligned.get(name, "start")} for name in heads]
        title = text("asked.all_alike")
        if unlike:
            title = text("asked.unlike", names=join_items(unlike[:NAMED], words))
        return Block("table", title=title, columns=columns, rows=rows, caption=self._rate_caption())

    def _rate_caption(self) -> str:
        ends = min(self.period.end, self.data.as_of)
        first, last = add_months(ends, -MONTHS), ends - timedelta(days=1)
        days = {"first": self.words.date(first), "last": self.words.date(last)}
        texts = {"least": SMALL, "days": DAYS, **days}
        return " ".join([self.words.text("asked.rule", **texts), self.words.text("asked.caution"), *self._weighted()])

    def _weighted(self) -> list[str]:
        """The scores as they would be if all values of a segment column had answered alike, in a sentence each."""
        found = []
        for column in self.columns:
            frame = response_groups(self.data, self.period, column)
            invited = {} if frame is None else dict(zip(frame["value"], frame["invited"], strict=True))
            said = []
            for metric in SURVEYS:
                now, parts = self.row(metric), rows_for(self.parts(column), metric)
                scores = {row.segment_value: row.value for row in parts.itertuples() if is_known(row.value)}
                score = weighted_score(scores, invited)
                if score is not None and now is not None and is_known(now.value):
                    figures = {"score": self.words.value(score, now.unit), "now": self.words.value(now.value, now.unit)}
                    said.append(self.words.text("asked.score", label=now.label, **figures))
            if said:
                texts = {"column": column, "scores": join_items(said, self.words)}
                found.append(self.words.text("asked.weighted", period=self.words.period(self.period), **texts))
        return found


def weighted_score(scores: dict[str, float], invited: dict[str, float]) -> float | None:
    """The mean of scores by value, weighted by how many of each were asked; None where too few of these have one."""
    known = {value: asked for value, asked in invited.items() if value in scores}
    weight = fsum(known.values())
    if len(known) < 2 or weight < COVERED * fsum(invited.values()):
        return None
    return fsum(scores[value] * asked for value, asked in known.items()) / weight
