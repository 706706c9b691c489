"""Blocks on the retention of customers after they answered a survey."""

from __future__ import annotations

from datetime import timedelta

from retention_kit.data.values.scales import top_boxes
from retention_kit.lazy import pd
from retention_kit.metrics.catalogue import SMALL, Measure
from retention_kit.metrics.formulas import difference, share
from retention_kit.metrics.insights import LEVEL, Claim, p_value
from retention_kit.metrics.queries.later_retention import MONTHS, later_retention, window_of
from retention_kit.report.blocks import Block
from retention_kit.report.charts import series
from retention_kit.report.charts.base import ChartSpec, join_items
from retention_kit.report.pages import tables
from retention_kit.report.pages.context import Context

GROUPS = {
    "nps": ("detractors", "passives", "promoters"),
    "csat": ("rest", "top"),
    "ces": ("rest", "top"),
}  # worst first


class LaterBlocks(Context):
    """Blocks on the retention of customers after they answered a survey."""

    def claims(self) -> list[Claim]:
        """The claims of other blocks, and those that retention differs between the worst and the best answers."""
        claims = super().claims()
        for survey, groups in GROUPS.items():
            shares = self._later_shares(survey)
            ends = [shares[name] for name in (groups[0], groups[-1]) if name in shares]
            if len(ends) == 2 and (p := _p_value(*ends)) is not None:
                claims.append(Claim(("later",), "later_retention", "answers", p, value=survey))
        return claims

    def later_retention(self, survey: str) -> Block | None:
        """Retention of customers after they answered a survey (nps, csat or ces), by their answer.

        The block `chart`: the share that stayed, with its 95% interval, for each group of answers; no cause is claimed.
        None with fewer than 30 customers who answered, or on a page of one segment value.
        """
        shares, frame = self._later_shares(survey), self._later()
        answered = sum(measure.n or 0 for measure in shares.values())
        if frame is None or answered < SMALL or len(shares) < 2:
            return None
        labels = {name: self._answer_label(survey, name) for name in shares}
        rows = _segment_rows(
            shares, labels, str(self.period), self.words.text(f"later.kept_{self.base}", **self._later_texts())
        )
        if (chart := series.segments(rows, self.words)) is None:
            return None
        customers = float(frame.loc[frame["survey"] == "", "customers"].iloc[0])
        texts = self._later_texts() | {
            "survey": self.words.text(f"charts.answers.{survey}"),
            "n": self.words.value(answered, "count"),
            "all": self.words.value(customers, "count"),
            "share": self.words.value(answered / customers if customers else None, "fraction"),
        }
        caption = [self.words.text(f"later.caption_{self.base}", **texts), self.words.text("later.no_cause")]
        p = _p_value(*shares.values())
        if p is not None and p <= LEVEL and not self.is_significant("later_retention", "answers", value=survey):
            caption.insert(1, self.words.text("later.many"))
        figures = [
            f"{labels[name]} {self.words.value(measure.value, 'fraction')} ({self.words.value(measure.n, 'count')})"
            for name, measure in shares.items()
        ]
        alt = self.words.text("later.alt", label=rows["label"].iloc[0], figures=join_items(figures, self.words))
        return self.chart(ChartSpec(chart.spec, alt), self._later_title(survey, shares, labels), caption)

    def _later(self) -> pd.DataFrame | None:
        return None if self.only else later_retention(self.data, self.period)

    def _later_shares(self, survey: str) -> dict[str, Measure]:
        """The share that stayed by group of answers, the worst answers first."""
        frame = self._later()
        if frame is None or (frame := frame[frame["survey"] == survey]).empty:
            return {}
        pairs = zip(frame["score"], frame["high"], strict=True)
        groups = [self._answer_group(survey, score, high) for score, high in pairs]
        sums = frame.assign(group=groups).groupby("group")[["kept", "customers"]].sum()
        known = [name for name in GROUPS[survey] if name in sums.index]
        return {name: share(int(sums.loc[name, "kept"]), int(sums.loc[name, "customers"]), "") for name in known}

    def _answer_group(self, survey: str, score: float, high: float) -> str:
        if survey == "nps":
            return "promoters" if score >= 9 else "passives" if score >= 7 else "detractors"
        definitions = self.data.settings.definitions
        top = definitions.csat_top if survey == "csat" else definitions.ces_top
        boxes = top_boxes(survey, int(high)) if not isinstance(top, int) else top
        return "top" if score > high - boxes else "rest"

    def _answer_label(self, survey: str, group: str) -> str:
        if survey == "nps":
            return self.words.text(f"charts.nps.{group}")
        return self.words.text(f"charts.answers.{group}_{survey}" if group == "top" else "charts.answers.rest")

    def _later_title(self, survey: str, shares: dict[str, Measure], labels: dict[str, str]) -> str:
        """The finding: retention of the worst and the best answers, and whether the difference is significant."""
        (worst, low), (best, high) = next(iter(shares.items())), list(shares.items())[-1]
        texts = self._later_texts() | {
            "worst": labels[worst],
            "best": labels[best],
            "low": self.words.value(low.value, "fraction"),
            "high": self.words.value(high.value, "fraction"),
        }
        is_real = self.is_significant("later_retention", "answers", value=survey)
        few = min(low.n or 0, high.n or 0) < SMALL or (worst, best) != (GROUPS[survey][0], GROUPS[survey][-1])
        kind = "differ" if is_real else "few" if few else "alike"
        return self.words.text(f"later.title_{kind}_{self.base}", **texts)

    def _later_texts(self) -> dict[str, object]:
        window = window_of(self.data, self.period)
        return {
            "months": MONTHS,
            "days": window.days,
            "first": self.words.date(window.begins),
            "last": self.words.date(window.ends - timedelta(days=1)),
        }


def _p_value(worst: Measure, *others: Measure) -> float | None:
    """The p-value of the difference between the first share and the last; None if either is of few customers."""
    best = others[-1] if others else worst
    bounds = difference(worst, best)
    if bounds is None or worst.value is None or best.value is None or min(worst.n or 0, best.n or 0) < SMALL:
        return None
    return p_value(worst.value - best.value, *bounds)


def _segment_rows(shares: dict[str, Measure], labels: dict[str, str], period: str, label: str) -> pd.DataFrame:
    """The shares as rows for the chart of segments, the best first."""
    columns = {"label": label, "segment": "", "period": period, "complete": True}
    rows = [
        tables.share_row(measure, segment_value=labels[name], **columns) for name, measure in reversed(shares.items())
    ]
    return pd.DataFrame(rows)
