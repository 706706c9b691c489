"""Words for an empty cell: whatever a program or a person writes there, the figures are those of the cell left empty."""

import pandas as pd
import pytest

import retention_kit as rk
from pencil import checks, table, value
from retention_kit.data.values.missing import EMPTY_WORDS, MISSING

UTC = {"timezone": "UTC", "currency": "EUR", "as_of": "2024-04-01"}
SPELLS = table("""
    customer_id  started_at  ended_at    trial_ends_at  amount  interval  status     cancel_reason  currency
    A            2024-01-05  -           -              10      -         -          -              -
    B            2024-01-05  2024-02-10  -              20      month     active     price          EUR
    C            2024-01-05  -           2024-02-10     120     year      active     -              EUR
    D            2024-02-05  -           -              40      -         -          -              -
""")
ORDERS = table("""
    customer_id  order_id  ordered_at  amount  refunded  currency
    A            1         2024-01-05  10      -         -
    A            2         2024-02-05  20      5         EUR
    B            3         2024-02-06  30      -         -
""")
ANSWERS = table("""
    responded_at  survey  score  scale  weight  customer_id
    2024-02-05    nps     10     -      -       A
    2024-02-05    nps     3      0-10   -       B
    2024-02-05    nps     -      -      -       C
""")
TABLES = {"subscriptions": SPELLS, "orders": ORDERS, "responses": ANSWERS}
FIGURES = {
    "subscriptions": ("mrr", "customers_at_end", "gross_revenue_retention"),
    "orders": ("revenue", "net_revenue", "active_customers"),
    "responses": ("net_promoter_score", "response_count"),
}
CASES = [(name, column) for name, frame in TABLES.items() for column in EMPTY_WORDS if column in frame]


@pytest.mark.long
@pytest.mark.parametrize(("name", "column"), CASES)
def test_a_word_for_nothing_is_an_empty_cell(name, column):
    """Every word, in capitals, small letters and with blanks around, each in the cell of a customer of its own."""
    words = [spell(word) for word in EMPTY_WORDS[column] for spell in (str, str.lower, " {} ".format)]
    clean = pd.concat(
        [TABLES[name].assign(customer_id=TABLES[name]["customer_id"] + str(index)) for index in range(len(words))]
    )
    clean = clean.reset_index(drop=True).astype(object)
    if "order_id" in clean:
        clean["order_id"] = clean.index.astype(str)
    blank = clean[column].isna()
    spoiled = clean.copy()
    spoiled.loc[blank, column] = (words * len(TABLES[name]))[: sum(blank)]
    right, read = (rk.load(**{name: table}, **UTC) for table in (clean, spoiled))
    for metric in FIGURES[name]:
        assert value(read, metric, "2024-02") == value(right, metric, "2024-02"), metric
    assert checks(read) == checks(right) | {"word for an empty cell": sum(blank)}


def test_what_a_word_is_and_how_often_is_told():
    data = rk.load(subscriptions=SPELLS.assign(ended_at=["never", "2024-02-10", "Never", "n/a"]), **UTC)
    (effect,) = data.quality.loc[data.quality["check"] == "word for an empty cell", "effect"]
    assert effect == "read as empty; ended_at 'NEVER' (2), ended_at 'N/A' (1)"
    assert data.warnings == ()


def test_where_a_row_cannot_do_without_a_value_the_word_is_shown():
    data = rk.load(orders=ORDERS.assign(ordered_at=["2024-01-05", "NULL", "2024-02-06"]), **UTC)
    assert checks(data) == {"unreadable date": 1}
    assert "such as 'NULL'" in data.warnings[0]


def test_words_in_one_file_of_several(tmp_path):
    (tmp_path / "a.csv").write_text(
        "customer_id,started_at,ended_at,amount\nA,2024-01-05,,10\nB,2024-01-05,2024-03-01,10\n"
    )
    (tmp_path / "b.csv").write_text(
        "customer_id,started_at,ended_at,amount\nC,2024-01-05,\\N,10\nD,2024-01-05,open,10\n"
    )
    (tmp_path / "retention.toml").write_text('[data.subscriptions]\npath = "?.csv"\n')
    data = rk.load(tmp_path, **UTC)
    assert value(data, "customers_at_end", "2024-03") == 3
    assert checks(data) == {"word for an empty cell": 2}


def test_the_words_are_in_capitals_and_hold_no_number_but_zero():
    every = {word for words in (MISSING, *EMPTY_WORDS.values()) for word in words}
    assert every == {word.upper().strip() for word in every}
    assert [
        word
        for word in every
        if pd.notna(pd.to_numeric(word, errors="coerce")) and word not in ("0", "INF", "INFINITY", "NAN")
    ] == []
