"""Compares the figures of earlier packs with those of today to find restatements."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from retention_kit.metrics.catalogue import METRICS
from retention_kit.metrics.trend import trend_periods
from retention_kit.periods import Period
from retention_kit.report.archive import manifest as manifests
from retention_kit.report.archive.packs import StoredPack, stored_packs
from retention_kit.report.build import provenance
from retention_kit.report.changes import Restated, Restatements, causes_of, changes
from retention_kit.report.execution.plan import Plan
from retention_kit.report.export.csv_files import read_scorecard
from retention_kit.report.pages.narrative import is_known


def digest_of_sent(plan: Plan, output: Path) -> str:
    """A digest of the packs that `restatements` compares: with the same packs and inputs it has the same result."""
    return _digest_of(plan, stored_packs(output))


def _digest_of(plan: Plan, packs: Iterable[StoredPack]) -> str:
    page = plan.page
    periods = {str(period) for period in trend_periods(page.data, page.period)}
    sent = [
        (
            pack.folder.name,
            manifests.builds(pack.manifest).get(plan.suffix),
            manifests.digest_if(_scorecard(pack, plan)),
        )
        for pack in packs
        if str(pack.period) in periods and pack.period < page.period
    ]
    return hashlib.sha256(json.dumps(sent, sort_keys=True).encode()).hexdigest()


def _scorecard(pack: StoredPack, plan: Plan) -> Path:
    return pack.folder / f"scorecard{plan.suffix}.csv"


def restatements(plan: Plan, output: Path) -> Restatements:
    """The figures of earlier periods that are printed differently in the packs of those periods.

    Only complete periods of the trend are compared, of the same length, segment value, company, currency and basis.
    """
    page, packs, restated = plan.page, stored_packs(output), []
    now, today = provenance.describe(plan), {(row.period, row.metric): row for row in page.rows.itertuples()}
    periods = {period for period, _ in today}
    for pack in packs:
        if str(pack.period) not in periods or pack.period >= page.period:
            continue
        build = manifests.builds(pack.manifest).get(plan.suffix)
        try:
            differences = changes(build, now) if build and _is_like(build, now) else None
        except (AttributeError, KeyError, TypeError):  # a manifest that we did not write
            differences = None
        if differences is None:
            continue
        period = str(pack.period)
        for cells in read_scorecard(_scorecard(pack, plan)):
            if cells["period"] != period or not (plan.suffix or not cells["segment"]):
                continue
            row = today.get((period, cells["metric"]))
            if row is None or not row.complete:
                continue
            before, value = _number(cells["value"]), row.value if is_known(row.value) else None
            if page.words.value(before, row.unit, "full") != page.words.value(value, row.unit, "full"):
                restated.append(Restated(row.period, row.metric, before, value, causes_of(row.metric, differences)))
    order = {name: number for number, name in enumerate(METRICS)}
    restated.sort(key=lambda figure: (-Period.parse(figure.period).index, order[figure.metric]))
    return Restatements(_digest_of(plan, packs), restated)


def _is_like(build: dict, now: dict) -> bool:
    """Whether an earlier build is comparable: of a complete period, with the same company, currency and basis."""
    same = (("data", "synthetic"), ("data", "basis"))
    reports = build["settings"]["report"], now["settings"]["report"]
    return (
        build["complete"]
        and all(build[part][name] == now[part][name] for part, name in same)
        and all(reports[0][name] == reports[1][name] for name in ("company", "currency"))
    )


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None
