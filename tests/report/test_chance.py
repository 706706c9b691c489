"""A report claims nothing where nothing changes, and something where something does: a few companies of
benchmarks/chance.py.
"""

from __future__ import annotations

import pytest

from scripts import read_script

CHANCE = read_script("chance")


@pytest.mark.long
def test_nothing_is_claimed_where_nothing_changes():
    reports = CHANCE.simulate(8)
    assert len(reports) == 8 * CHANCE.MONTHS
    for column in CHANCE.COLUMNS:
        # 7% of 104 reports are 7; those of one company hang together, so up to 12 are no surprise.
        assert CHANCE.claimed(reports, column) <= 12 / 104, column
    alone = [rate for kind in ("previous", "rest") for rate in CHANCE.alone(reports, kind).values()]
    assert 0.01 < sum(alone) / len(alone) < 0.07


@pytest.mark.long
@pytest.mark.parametrize("effect", [CHANCE.PRICE, CHANCE.BUYING])
def test_what_changes_for_everybody_is_claimed(effect):
    reports = CHANCE.simulate(3, effect)
    assert CHANCE.share_claiming(reports, "twelve", *CHANCE.EFFECTS[effect]) >= 0.5


def test_a_company_is_the_same_each_time():
    first, again = CHANCE.company(3), CHANCE.company(3)
    assert all(first[name].equals(again[name]) for name in first)
    assert set(first["orders"]["twelve"]) == {f"twelve {number}" for number in range(12)}
