"""Blocks on the response rate of surveys, and on whether it is the same for all customers."""

from __future__ import annotations

from datetime import timedelta
from math import fsum
from typing import NamedTuple

from retention_kit.data.cleaning.invitations import DAYS
from retention_kit.lazy import pd
from retention_kit.metrics.catalogue import SMALL, Measure
from retention_kit.metrics.definitions.feedback import SURVEYS
from retention_kit.metrics.formulas import difference, share
from retention_kit.metrics.insights import Claim, p_value
from retention_kit.metrics.queries.invitations import MONTHS, response_groups, response_rates
from retention_kit.metrics.trend import trend_periods
from retention_kit.periods import add_months
from retention_kit.report.blocks import Block
from retention_kit.report.charts import series
from retention_kit.report.charts.base import interval_text, join_items
from retention_kit.report.pages import tables
from retention_kit.report.pages.context import MOST_NAMES, Blocks, Context, rows_for
from retention_kit.report.pages.narrative import is_known

# Characteristics of customers when they were invited, and their values in the order of the table.
GROUPS = {
    "paying": ("paying", "not_paying"),
    "bought": ("lately", "this_year", "earlier", "never"),
    "spent": ("much", "middle", "little", "nothing"),
}
COVERAGE = 0.9  # the least share of the invited for which a weighted score has scores


class _Group(NamedTuple):
    """One value of a characteristic: the share of these customers who answered, and that of all others."""

    value: str
    here: Measure
    others: Measure

    @property
    def gap(self) -> float:
        """The difference of the two shares."""
        return (self.here.value or 0) - (self.others.value or 0)

    @property
    def p(self) -> float | None:
        """The p-value of the difference; None if either share is of few customers."""
        bounds = difference(self.here, self.others)
        if bounds is None or min(self.here.n or 0, self.others.n or 0) < SMALL:
            return None
        return p_value(self.gap, *bounds)


class ResponseBlocks(Context):
    """Blocks on the response rate."""

    def claims(self) -> list[Claim]:
        """The claims of other blocks, and those that some customers answer more often than others."""
        claims = super().claims()
        for about, groups in self._response_groups().items():
            for group in groups:
                if group.p is not None:
                    twin = about if len(groups) == 2 else None  # both comparisons are the same
                    value = f"{about} {group.value}"
                    claims.append(Claim(("answering", about), "answering", "asked", group.p, value=value, twin=twin))
        return claims

    def response_rate(self) -> Blocks:
        """The response rate of all surveys.

        A list of blocks: a `chart` of the response rate over thirteen periods with its 95% interval, and a `table` by
        characteristics of customers when they were invited, with scores weighted as if all had answered equally often.
        Empty without invitations, or on a page of one segment value.
        """
        rates = None if self.only else response_rates(self.data, self.every)
        return Blocks(filter(None, [] if rates is None else [self._rate_trend(rates), self._rate_table()]))

    def _rate_trend(self, rates: pd.DataFrame) -> Block | None:
        known = {int(row.period): (int(row.invited), int(row.answered)) for row in rates.itertuples()}
        periods = trend_periods(self.data, self.period)
        measures = {str(period): share(*known.get(period.index, (0, 0))[::-1], "") for period in periods}
        label = self.words.text("asked.rate")
        rows = pd.DataFrame(
            tables.share_row(measure, period=period, label=label) for period, measure in measures.items()
        )
        rows = rows.assign(complete=[period.is_complete(self.data.as_of) for period in periods])
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

    def _response_groups(self) -> dict[str, list[_Group]]:
        """The response rates of groups of customers, by characteristic or `column NAME` for a segment column."""
        groups: dict[str, list[_Group]] = {}
        for column in (None, *(() if self.only else self.columns)):
            frame = None if self.only else response_groups(self.data, self.period, column)
            for about, rows in () if frame is None else frame.groupby("about", sort=False):
                invited, answered = int(rows["invited"].sum()), int(rows["answered"].sum())
                groups[str(about) if column is None else f"column {column}"] = [
                    _Group(
                        str(row.value),
                        share(int(row.answered), int(row.invited), ""),
                        share(answered - int(row.answered), invited - int(row.invited), ""),
                    )
                    for row in rows.itertuples()
                ]
        return groups

    def _rate_table(self) -> Block | None:
        words, text = self.words, self.words.text
        rows, different = [], []
        for about, groups in self._response_groups().items():
            order = GROUPS.get(about, ())
            label = text(f"asked.about.{about}") if about in GROUPS else about.partition(" ")[2]
            rank = {value: number for number, value in enumerate(order)}
            for group in sorted(groups, key=lambda group: (rank.get(group.value, 0), -(group.here.n or 0))):
                if (group.here.n or 0) < SMALL:
                    continue
                is_real = self.is_significant("answering", "asked", value=f"{about} {group.value}")
                verdict = "alike" if not is_real else "more" if group.gap > 0 else "fewer"
                value = text(f"asked.value.{about}_{group.value}") if about in GROUPS else group.value
                name = text("asked.named", group=label, value=value)
                if is_real:
                    different.append(f"{name} {words.value(group.here.value, 'fraction')}")
                figures = [words.value(group.here.n, "count"), words.value(group.here.value, "fraction")]
                interval = interval_text(group.here.low, group.here.high, "fraction", words)
                rows.append([name, *figures, interval, text(f"asked.{verdict}")])
        if not rows:
            return None
        aligned = {"invited": "end", "share": "end", "interval": "end"}
        names = ("group", "invited", "share", "interval", "verdict")
        columns = [{"label": text(f"asked.column.{name}"), "align": aligned.get(name, "start")} for name in names]
        title = text("asked.all_alike")
        if different:
            title = text("asked.unlike", names=join_items(different[:MOST_NAMES], words))
        return Block("table", title=title, columns=columns, rows=rows, caption=self._rate_caption())

    def _rate_caption(self) -> str:
        end = min(self.period.end, self.data.as_of)
        first, last = add_months(end, -MONTHS), end - timedelta(days=1)
        days = {"first": self.words.date(first), "last": self.words.date(last)}
        texts = {"least": SMALL, "days": DAYS, **days}
        return " ".join([self.words.text("asked.rule", **texts), self.words.text("asked.caution"), *self._weighted()])

    def _weighted(self) -> list[str]:
        """Sentences with the scores weighted as if all values of a segment column had answered equally often."""
        sentences = []
        for column in self.columns:
            frame = response_groups(self.data, self.period, column)
            invited = {} if frame is None else dict(zip(frame["value"], frame["invited"], strict=True))
            texts = []
            for metric in SURVEYS:
                now, parts = self.row(metric), rows_for(self.parts(column), metric)
                scores = {row.segment_value: row.value for row in parts.itertuples() if is_known(row.value)}
                score = weighted_score(scores, invited)
                if score is not None and now is not None and is_known(now.value):
                    figures = {"score": self.words.value(score, now.unit), "now": self.words.value(now.value, now.unit)}
                    texts.append(self.words.text("asked.score", label=now.label, **figures))
            if texts:
                period, weighted = self.words.period(self.period), join_items(texts, self.words)
                sentences.append(self.words.text("asked.weighted", period=period, column=column, scores=weighted))
        return sentences


def weighted_score(scores: dict[str, float], invited: dict[str, float]) -> float | None:
    """The mean of scores by value, weighted by the number invited; None if too few of the invited have a score."""
    known = {value: count for value, count in invited.items() if value in scores}
    weight = fsum(known.values())
    if len(known) < 2 or weight < COVERAGE * fsum(invited.values()):
        return None
    return fsum(scores[value] * count for value, count in known.items()) / weight
