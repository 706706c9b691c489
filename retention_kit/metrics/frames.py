"""DataFrames of scorecards and cohorts with their own display.

If columns are missing or have other values, they are displayed like other DataFrames.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd

from retention_kit.display import Cell, Display, Table, words_in
from retention_kit.errors import RetentionKitError
from retention_kit.metrics.catalogue import COLUMNS, METRICS
from retention_kit.periods import Period
from retention_kit.wording import DASH, Words

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset

_FIGURE = tuple(name for name in COLUMNS if name not in ("previous", "change_low", "change_high"))  # displayed
_COHORT = ("cohort", "age", "period", "size", "active", "retention", "complete")
DEEP = 0.5  # the opacity for the highest share, on which dark and light text are legible


class DisplayedFrame(pd.DataFrame):
    """A DataFrame with its own display; `attrs` has the `currency` of its money, and `language` and `digits`."""

    _needed: tuple[str, ...] = ()

    @property
    def _constructor(self) -> Callable:
        return type(self)

    def _display(self, words: Words) -> Display:
        raise NotImplementedError

    def _display_or_none(self) -> Display | None:
        """The display; None if the frame has been changed, such as transposed or joined."""
        is_plain = self.columns.is_unique and self.index.nlevels == 1 and self.index.name is None
        if not is_plain or self.empty or not {*self._needed} <= {*self.columns}:
            return None
        try:
            options = {"language": "en", "currency": "XXX", **self.attrs}
            return self._display(words_in(options["language"], options["currency"], options.get("digits", "latn")))
        except (RetentionKitError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            return None

    def _repr_html_(self) -> str | None:
        display = self._display_or_none() if pd.get_option("display.notebook_repr_html") else None
        return display.html() if display else super()._repr_html_()

    def __repr__(self) -> str:
        display = self._display_or_none()
        return display.text() if display else repr(pd.DataFrame(self))


def shown_as(data: Dataset) -> dict[str, str]:
    """The `attrs` of frames for a display by the settings."""
    report = data.settings.report
    return {"currency": report.currency, "language": report.languages[0], "digits": report.digits}


class Scorecard(DisplayedFrame):
    """The frame of `rk.scorecard`: a row for each figure."""

    _needed = _FIGURE

    def _display(self, words: Words) -> Display:
        rows = list(self.itertuples(index=False))
        periods = sorted({Period.parse(row.period) for row in rows}, key=lambda period: (period.start, period.end))
        segments = {row.segment for row in rows} - {""}
        column = {
            "label": lambda row: words.say(row.label),
            "segment": lambda row: _segment(row, segments, words),
            "period": lambda row: _period(row, words, "short"),
            "value": lambda row: words.value(row.value, row.unit, "full"),
            "interval": lambda row: _interval(row, words),
            "n": lambda row: words.value(row.n, "count"),
            "change": lambda row: words.change(row.change, row.unit, "full"),
            "made_of": lambda row: _made_of(row, words),
            "year_ago": lambda row: words.value(row.year_ago, row.unit, "full"),
            "goal": lambda row: _goal(row, words),
            "note": lambda row: words.say(row.note or ""),
        }
        heads = {name: words.text(f"shown.{name}") for name in column}
        if len(segments) == 1:
            heads["segment"] = words.isolate(*segments)
        columns = {name: [in_words(row) for row in rows] for name, in_words in column.items()}
        always = {"label", "value", *(["segment"] if segments else []), *(["period"] if len(periods) > 1 else [])}
        columns = {
            name: cells
            for name, cells in columns.items()
            if name in always or (name not in ("segment", "period") and {*cells} - {"", DASH})
        }
        for name in self.columns:  # columns added by the user
            if name not in COLUMNS:
                columns[name] = [words.isolate(str(value)) for value in self[name]]
                heads[name] = words.isolate(str(name))
        worded = frozenset(
            index for index, name in enumerate(columns) if name in ("label", "segment", "period", "note")
        )
        if len(periods) > 1:
            span = {"first": words.period(periods[0]), "last": words.period(periods[-1])}
            title = words.text("shown.span", **span)
        else:
            title = words.text("shown.one", period=_period(rows[0], words, "long"))
        table = Table(
            [heads[name] for name in columns], [list(cells) for cells in zip(*columns.values(), strict=True)], worded
        )
        return Display(title, words, tables=[table])


class Cohorts(DisplayedFrame):
    """The frame of `rk.cohorts`: a row for each cohort and period; displayed with a column for each age."""

    _needed = _COHORT

    def _display(self, words: Words) -> Display:
        cells = {(row.cohort, int(row.age)): row for row in self.itertuples(index=False)}
        if len(cells) < len(self):
            raise ValueError("A cell is there twice.")
        ages = sorted({age for _, age in cells})
        later = [row.retention for (_, age), row in cells.items() if age and row.complete]
        darkest = max(later, default=0.0) or 1.0
        every, body = Period.parse(self["cohort"].iloc[0]).every, []
        for cohort in dict.fromkeys(cohort for cohort, _ in cells):
            cohort_cells = [cells.get((cohort, age)) for age in ages]
            size = next(row.size for row in cohort_cells if row is not None)
            shares = [_share(row, darkest, words) if row is not None else "" for row in cohort_cells]
            body.append([words.period(cohort, "short"), words.value(size, "count"), *shares])
        heads = [words.text("shown.cohort"), words.text("shown.size"), *(words.value(age, "count") for age in ages)]
        notes = [words.text("shown.cohort_note", ages=words.text(f"charts.cohorts.age.{every}"))]
        if early := [row.cohort for row in cells.values() if getattr(row, "may_hold_earlier", False)]:
            last = words.period(str(max(map(Period.parse, early))), "short")
            notes.append(words.text("shown.may_hold_earlier", last=last))
        if not all(row.complete for row in cells.values()):
            notes.append(words.text("shown.unfinished"))
        title = words.text("cohorts.title", every=words.text(f"every.{every}"))
        return Display(title, words, tables=[Table(heads, body)], notes=notes)


def _segment(row: Any, segments: set[str], words: Words) -> str:
    if not row.segment:
        return words.text("charts.whole")
    value = words.name(row.segment_value)
    return value if len(segments) == 1 else f"{words.isolate(row.segment)}={value}"


def _period(row: Any, words: Words, style: str) -> str:
    name = words.period(row.period, style)
    return name if row.complete else words.text("shown.incomplete", period=name)


def _interval(row: Any, words: Words) -> str:
    if pd.isna(row.low) or pd.isna(row.high):
        return DASH
    bounds = {name: words.value(getattr(row, name), row.unit, "full") for name in ("low", "high")}
    return words.text("charts.interval", **bounds)


def _made_of(row: Any, words: Words) -> str:
    if pd.isna(row.numerator) or pd.isna(row.denominator):
        return DASH
    metric = METRICS.get(row.metric)  # a plug-in's may be of another session
    units = metric.parts if metric else ("count", "count")
    parts = {
        name: words.value(getattr(row, name), unit, "full")
        for name, unit in zip(("numerator", "denominator"), units, strict=True)
    }
    return words.text("card.share", **parts)


def _goal(row: Any, words: Words) -> str:
    if pd.isna(row.target):
        return DASH
    goal = words.value(row.target, row.unit)
    return words.text(f"shown.goal_{row.status}", goal=goal) if row.status else goal


def _share(row: Any, darkest: float, words: Words) -> Cell:
    texts = {"active": words.value(row.active, "count"), "size": words.value(row.size, "count")}
    texts |= {"period": words.period(row.period), "share": words.value(row.retention, "fraction", "full")}
    shade = DEEP * min(row.retention / darkest, 1.0) if row.age and row.complete else 0.0
    figure = words.value(int(100 * row.retention + 0.5), "count")
    return Cell(figure, words.text("shown.cell", **texts), shade, not row.complete)
