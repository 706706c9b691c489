"""The list of subscribers at risk."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from retention_kit import bidi
from retention_kit.data.values.vocabulary import interval_step
from retention_kit.lazy import pd
from retention_kit.metrics.forecasts.horizon import cutoff_date, horizon_column, is_control
from retention_kit.metrics.forecasts.members import RISK_RATIO, back_test, cached_fit, current_members, usual_chance
from retention_kit.metrics.forecasts.renewal_model import RenewalGroups, interval_words
from retention_kit.metrics.queries.customer_lists import with_segment_values
from retention_kit.metrics.queries.memberships import listed_members, traits_of
from retention_kit.periods import Period, add_months
from retention_kit.wording import Words

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset

Only = tuple[str, str] | None


def at_risk(data: Dataset, period: Period, columns: Sequence[str], only: Only) -> pd.DataFrame | None:
    """Subscribers at risk, by MRR at stake if the back test favours the model, else by MRR; None without a model.

    Columns: customer_id; mrr_at_stake (MRR times the probability of leaving); mrr; that probability, with the horizon
    in its name; tenure_months (whole months since the first payment); billed (the interval); plan (if the data have
    it); act_by (the date of the next renewal); new_on_list; why; control; then the value of each segment column.
    """
    if (groups := risk_groups(data, cutoff_date(data, period))) is None:
        return None
    rank = "mrr * leaving" if back_test(data, period).verdict == "better" else "mrr"
    rows, values = _listed_rows(data, period, columns, only, groups, rank)
    earlier: set[str] = set()
    if len(rows) and (before := risk_groups(data, cutoff_date(data, period.shift(-1)))) is not None:
        earlier = {*_listed_rows(data, period.shift(-1), (), only, before, rank)[0]["customer_id"]}
    return _list_frame(data, period, rows, values, earlier)


def risk_groups(data: Dataset, cut: date) -> pd.DataFrame | None:
    """The groups of renewals whose customers are at risk at a date; None without a model.

    Columns: billed, kind_units, those of the traits; leaving, the probability of leaving within the horizon; chance,
    that within a month; usual, the mean of the latter for the same plan.
    """
    fit = cached_fit(data, cut)
    if fit.model is None:
        return None
    members = current_members(fit.frame)
    groups = RenewalGroups(members)
    survival = fit.model.survival(groups, data.settings.definitions.horizon_months)
    chance = 1 - survival[:, 0]
    usual = usual_chance(data, chance, groups)
    names = ["billed", "units", *(name for name in members if name.startswith("trait_"))]
    frame = members[names].assign(leaving=1 - survival[:, -1], chance=chance, usual=usual)
    return frame[(chance > 0) & (chance >= RISK_RATIO * usual)].rename(columns={"units": "kind_units"})


def _listed_rows(
    data: Dataset, period: Period, columns: Sequence[str], only: Only, kinds: pd.DataFrame, rank: str
) -> tuple[pd.DataFrame, list[pd.Series]]:
    """The rows of the list, and the values of each segment column in them."""
    cut, limit = cutoff_date(data, period), data.settings.at_risk.capacity
    if only is None:
        segments: list[str | None] = [*columns]
        frames = {name: listed_members(data, cut, name, None, kinds, rank, limit) for name in segments or [None]}
    else:
        frames = {only[0]: listed_members(data, cut, only[0], only[1], kinds, rank, limit)}
    values = [frame["segment_value"].rename(column) for column, frame in frames.items() if column]
    return next(iter(frames.values())), values


def _list_frame(
    data: Dataset, period: Period, rows: pd.DataFrame, values: list[pd.Series], known: set[str]
) -> pd.DataFrame:
    """The list with readable columns; `known` are the customers on the previous list."""
    cut = pd.Timestamp(cutoff_date(data, period))
    mrr = rows["mrr"] / (data.minor * 12)
    has_plan = traits_of(data)[:1] == ("plan",)
    words = Words.of(data.settings.report)
    since = pd.to_datetime(rows["since"])
    tenure = (cut.year - since.dt.year) * 12 + cut.month - since.dt.month - (cut.day < since.dt.day)
    frame = pd.DataFrame(
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
    frame = with_segment_values(frame, values)
    frame.attrs["in_all"] = int(rows["in_all"].iloc[0]) if len(rows) else 0
    return frame


def next_renewal(billed: str, units: int, anchored: str) -> date:
    """The date of the next renewal, `units` after the date `anchored`."""
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
    """A sentence on why a customer may leave."""
    return words.text(
        "lists.why_member_of_plan" if has_plan else "lists.why_member",
        count=words.value(row.units // interval_step(row.billed)[0], "count"),
        billed=billed_words(row.billed, words),
        chance=words.value(row.chance, "fraction"),
        usual=words.value(row.usual, "fraction"),
        plan=row.trait_0 if has_plan else "",
    )
