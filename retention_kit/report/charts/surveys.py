"""Chart of the distribution of answers over their scale. It computes no figure."""

from __future__ import annotations

import pandas as pd

from retention_kit.report.charts.base import (
    GREY,
    INK,
    MUTED,
    TEAL,
    TERRACOTTA,
    ChartSpec,
    alt,
    join_items,
    layered_spec,
    quantitative,
    tooltips,
    without_schema_checks,
)
from retention_kit.wording import Words

COLOURS = {"top": TEAL, "promoters": TEAL, "passives": GREY, "rest": GREY, "detractors": TERRACOTTA, "all": TEAL}
MANY, FEW = (20, 13), (24, 16)  # heights of a row and its bar, with many scores and with few


@without_schema_checks
def answers(rows: pd.DataFrame, words: Words) -> ChartSpec | None:
    """A bar for each score of the scale, the best on top, as a share of all answers.

    `rows` have period, survey, score, answers, share, group (a key of `COLOURS`) and group_label; several groups get a
    legend. None without answers.
    """
    rows = rows.sort_values("score", ascending=False, kind="stable")
    if not rows["answers"].sum() > 0:
        return None
    records = [_bar(row, words) for row in rows.to_dict("records")]
    groups = dict(zip(rows["group_label"], rows["group"], strict=True))
    scale = alt.Scale(domain=list(groups), range=[COLOURS[group] for group in groups.values()])
    colour = alt.Color("group:N", title=None, scale=scale, legend=alt.Undefined if len(groups) > 1 else None)
    x = quantitative(alt.X, "fraction", words, [0, max(rows["share"])])
    axis = alt.Axis(labelOverlap=False, labelColor=INK)
    labels = [record["score"] for record in records]
    y = alt.Y("score:N", title=None, scale=alt.Scale(domain=labels, type="point", padding=0.5), axis=axis)

    row, bar = FEW if len(records) <= 7 else MANY
    base = alt.Chart().encode(x("share"))
    tips = tooltips(words, "score", "group", "figure", "answers")
    layers = [
        base.mark_bar(size=bar).encode(colour, tooltip=tips),
        base.mark_text(align="left", dx=6, fontSize=12, color=MUTED).encode(alt.Text("figure:N")),
    ]
    return ChartSpec(
        layered_spec(layers, words, records, y, right=64, height=row * len(records) + 80), _alt(rows, records, words)
    )


def _bar(row: dict, words: Words) -> dict:
    return {
        "score": words.value(row["score"], "count"),
        "share": row["share"],
        "figure": words.value(row["share"], "fraction"),
        "answers": words.value(row["answers"], "count"),
        "group": row["group_label"],
    }


def _alt(rows: pd.DataFrame, records: list[dict], words: Words) -> str:
    first = rows.iloc[0]
    sentences = [words.text("charts.answers.bar", **record) for record in records]
    survey = words.text(f"charts.answers.{first['survey']}")
    return words.text(
        "charts.answers.alt", survey=survey, period=words.period(first["period"]), bars=join_items(sentences, words)
    )
