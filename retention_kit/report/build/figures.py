"""Computes figures once for all files of a pack, before the notebooks run, as those have no access to the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from retention_kit.lazy import pd
from retention_kit.metrics.breakdowns import answer_counts
from retention_kit.metrics.forecasts.lists import risk_lists, risk_totals
from retention_kit.metrics.forecasts.lives import back_test
from retention_kit.metrics.forecasts.survival import survival_curves
from retention_kit.metrics.identities import Identity, identities
from retention_kit.metrics.queries.customer_lists import customer_lists, list_totals
from retention_kit.metrics.queries.invitations import response_rates
from retention_kit.metrics.queries.summaries import concentration, largest_change, missing_reason
from retention_kit.metrics.queries.value_segments import value_segments
from retention_kit.report.execution.plan import Plan
from retention_kit.report.export.csv_files import scorecard_of
from retention_kit.report.pages.survival import survival_columns


class Figures(NamedTuple):
    """The scorecard, lists of customers and identities of a pack."""

    scorecard: str  # as CSV
    lists: Mapping[str, pd.DataFrame]  # of customers, by metric or name of the list
    checks: list[Identity]


def compute_figures(plan: Plan) -> Figures:
    """Compute the figures of a pack; what its notebooks need besides is kept in the dataset and the page."""
    page = plan.page
    data, period = page.data, page.period
    checks = identities(data, page.every, (page.alone[0],) if page.alone else tuple(page.columns))
    if missing_reason(data, "concentration") is None:
        concentration(data, period)
        value_segments(data, period)
    if missing_reason(data, "scores") is None:
        answer_counts(data, page.every)
    response_rates(data, page.every)
    largest_change(data, period)
    for column in page.columns:
        page.change_parts(column)
    page.keep_claims()
    page.goal_states()
    for by in survival_columns(page):
        survival_curves(data, period, by)
    lists = customer_lists(data, period, page.columns, page.alone)
    list_totals(data, period, page.columns, page.alone, lists)
    scorecard = scorecard_of(page)
    page.alerts()
    page.follow_ups()
    risks = risk_lists(data, period, page.columns, page.alone)
    risk_totals(data, period, page.columns, page.alone, risks)
    if missing_reason(data, "lives") is None:
        back_test(data, period)
    return Figures(scorecard, lists | risks, checks)
