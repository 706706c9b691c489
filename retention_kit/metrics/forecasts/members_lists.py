"""Whom to ask among customers who pay a subscription: those at risk."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from retention_kit import bidi
from retention_kit.data.values.vocabulary import interval_step
from retention_kit.metrics.forecasts.horizon import cut_of, horizon_column, is_control
from retention_kit.metrics.forecasts.members import TWICE, back_test, fit_of, members_of, usual_chance
from retention_kit.metrics.forecasts.renewal_model import Alike, interval_words
from retention_kit.metrics.queries.customer_lists import with_segment_values
from retention_kit.metrics.queries.memberships import listed_members, traits_of
from retention_kit.periods import Period, add_months
from retention_kit.wording import Words

if TYPE_CHECKING:
    import pandas as pd

    from retention_kit.data.dataset import Dataset

Only = tuple[str, str] | None


def at_risk(data: Dataset, period: Period, columns: Sequence[str], only: Only) -> pd.DataFrame | None:
    """Who is at risk: by the model the most MRR at stake first, by the plain rule the most MRR.

    Columns: customer_id; mrr_at_stake, mrr times the chance of leaving, which has the horizon in its head;
    tenure_months, whole ones since the first payment; billed, the interval, and plan, where the data have it; act_by,
    the date of the next renewal; new_on_list, why, control; then the value of each segment column.
    """
    if (found := kinds(data, cut_of(data, period))) is None:
        return None
    rank = "mrr * leaving" if back_test(data, period).verdict == "better" else "mrr"
    rows, values = _asked(data, period, columns, only, found, rank)
    known: set[str] = set()
    if (before := kinds(data, cut_of(data, period.shift(-1)))) is not None:
        known = {*_asked(data, period.shift(-1), (), only, before, rank)[0]["customer_id"]}
    return _shaped(data, period, rows, values, known)


def kinds(data: Dataset, cut: date) -> pd.DataFrame | None:
    """What tells customers at risk at a date from others, with the chance to leave within a month and the horizon; None
    where there is no model.
    """
    fit = fit_of(data, cut)
    if fit.model is None:
        return None
    members = members_of(fit.frame)
    alike = Alike(members)
    stays = fit.model.staying(alike, data.settings.definitions.horizon_months)
    chance = 1 - stays[:, 0]
    usual = usual_chance(data, chance, alike)
    names = ["billed", "units", *(name for name in members if name.startswith("trait_"))]
    found = members[names].assign(leaving=1 - stays[:, -1], chance=chance, usual=usual)
    return found[(chance > 0) & (chance >= TWICE * usual)].rename(columns={"units": "kind_units"})


def _asked(
    data: Dataset, period: Period, columns: Sequence[str], only: Only, kinds: pd.DataFrame, rank: str
) -> tuple[pd.DataFrame, list[pd.Series]]:
    """The rows of the list, and the values of each segment column in them."""
    cut, most = cut_of(data, period), data.settings.at_risk.capacity
    if only is None:
        asked: list[str | None] = [*columns]
        frames = {one: listed_members(data, cut, one, None, kinds, rank, most) for one in asked or [None]}
    else:  # the rows are those of the one value
        frames = {only[0]: listed_members(data, cut, only[0], only[1], kinds, rank, most)}
    values = [frame["segment_value"].rename(column) for column, frame in frames.items() if column]
    return next(iter(frames.values())), values


def _shaped(
    data: Dataset, period: Period, rows: pd.DataFrame, values: list[pd.Series], known: set[str]
) -> pd.DataFrame:
    """The list as people read it."""
    import pandas as pd

    cut = pd.Timestamp(cut_of(data, period))
    mrr = rows["mrr"] / (data.minor * 12)
    has_plan = traits_of(data)[:1] == ("plan",)
    words = Words.of(data.settings.report)
    since = pd.to_datetime(rows["since"])
    tenure = (cut.year - since.dt.year) * 12 + cut.month - since.dt.month - (cut.day < since.dt.day)
    shaped = pd.DataFrame(
        {
            "customer_id": rows["customer_id"],
            "mrr_at_stake": mrr * rows["leaving"],
            "mrr": mrr,
            horizon_column("probability_of_leaving", data): rows["leaving"].round(4),
            "tenure_months": tenure.astype("int64"),
            "billed": rows["billed"],
            **({"plan": rows["trait_0"]} if has_plan and "plan" not in [value.name for value in values] else {}),
            "act_by": [str(next_renewal(row.billed, row.units, row.anchored)) for row in rows.itertuples()],
            "new_on_list": [customer not in known for customer in rows["customer_id"]],
            "why": [bidi.plain(_why(row, words, has_plan)) for row in rows.itertuples()],
            "control": [is_control(customer) for customer in rows["customer_id"]],
        }
    )
    shaped = with_segment_values(shaped, values)
    shaped.attrs["in_all"] = int(rows["in_all"].iloc[0]) if len(rows) else 0
    return shaped


def next_renewal(billed: str, units: int, anchored: str) -> date:
    """The date of the first renewal that has not come yet, after so many units since a date."""
    step, unit = interval_step(billed)
    ahead, start = (int(units) // step + 1) * step, date.fromisoformat(anchored)
    if unit == "month":
        return add_months(start, ahead)
    return start + timedelta(days=ahead * (7 if unit == "week" else 1))


def billed_words(billed: str, words: Words) -> str:
    """A billing interval in words: by the month, every 2 weeks."""
    key, count = interval_words(billed)
    return words.text(f"billed.{key}", **count)


def _why(row: Any, words: Words, has_plan: bool) -> str:
    """What speaks for leaving, in a sentence."""
    return words.text(
        "lists.why_member_of_plan" if has_plan else "lists.why_member",
        count=words.value(row.units // interval_step(row.billed)[0], "count"),
        billed=billed_words(row.billed, words),
        chance=words.value(row.chance, "fraction"),
        usual=words.value(row.usual, "fraction"),
        plan=row.trait_0 if has_plan else "",
    )
