"""What the cache of cleaned tables and summaries saves: the first start and the ones after it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from environments import BIN, HERE, LARGE, Company, with_setting
from measure import Sample, measure_rounds, run
from results import Claim, Part, agreement, ratios, rows_of, seconds


def cache(companies: list[Company], rounds: int) -> list[Part]:
    """Loads, scorecards and `retention-kit metrics` without a cache, with one that is empty, and again."""
    company = next(
        candidate for candidate in reversed(companies) if candidate.millions <= LARGE or candidate is companies[0]
    )
    part = Part(f"A cache of cleaned tables and summaries, {company.name}")
    with TemporaryDirectory() as temporary:
        own = {"XDG_CACHE_HOME": str(Path(temporary, "cache"))}
        folder = with_setting(company, Path(temporary, "company"), "cache = true").folder

        def once() -> dict[str, Sample]:
            by_run = {}
            for when, where in (("without a cache", company.folder), ("first", folder), ("again", folder)):
                if when == "first":
                    shutil.rmtree(own["XDG_CACHE_HOME"], ignore_errors=True)
                metrics = [BIN / "retention-kit", "metrics", "--data", where / "retention.toml", "--period", "2025-12"]
                by_run[f"retention-kit metrics, {when}"] = run(metrics, **own)
            shutil.rmtree(own["XDG_CACHE_HOME"])
            for when, where in (("without a cache", company.folder), ("first", folder), ("again", folder)):
                sample = run([sys.executable, HERE / "ways.py", "orders", where], **own)
                by_run[f"load, {when}"] = sample._replace(seconds=sample.output["load"])
                by_run[f"scorecard, {when}"] = sample
            return by_run

        by_run = measure_rounds([once], rounds)
    part.rows = rows_of(by_run)
    part.notes.append(
        agreement({name: samples[0].output["figures"] for name, samples in by_run.items() if name[0] == "s"})
    )
    first, again, load, load_first = (
        seconds(by_run[name])
        for name in ("retention-kit metrics, first", "retention-kit metrics, again", "load, again", "load, first")
    )
    part.claims = [
        Claim(f"load from the cache, {company.name}", load, 1, unit="s"),
        Claim(f"load from the cache against the first load, {company.name}: time", ratios(load, load_first), 0.25),
        Claim(f"a second `metrics` against the first, {company.name}: time", ratios(again, first), 0.5),
    ]
    return [part]
