"""Small inputs of the shapes that people have: each gives its right figure, or one sentence, and tells what it found."""

import gzip
import shutil
from pathlib import Path

import pytest

import retention_kit as rk
from retention_kit.errors import RetentionKitError

# Case, period, metric → value worked out by hand, and checks that have to be told.
FIGURES = [
    ("shopify_mixed_names", "2024-01", {"revenue": 800, "active_customers": 30, "repeat_purchase_rate": 1}, []),
    ("hash_orders_some", "2024-01", {"revenue": 60, "active_customers": 60}, []),
    ("concat_wider", "2024-01", {"revenue": 200, "active_customers": 200}, []),
    ("footer_text", "2024-01", {"revenue": 50}, ["after the table"]),
    ("xlsx_title_merged", "2024-01", {"revenue": 60}, []),
    ("quotes_newline_late", "2024-01", {"revenue": 30_011}, []),
    ("mixed_eol", "2024-01", {"revenue": 20}, []),
    ("apostrophe_pair", "2024-01", {"revenue": 3, "active_customers": 3}, []),
    ("enc_cp1252", "2024-01", {"revenue": 60, "active_customers": 3}, ["encoding"]),
    ("enc_utf16le", "2024-01", {"revenue": 60, "active_customers": 3}, ["encoding"]),
    ("dup_headers", "2024-01", {}, ["amount"]),
    ("id_expr_big_merge", "2024-01", {"active_customers": 2}, []),
    ("id_expr_sci_merge", "2024-01", {"active_customers": 3}, []),
    (
        "null_words_one_giant",
        "2024-02",
        {"active_customers": 20, "customer_retention_rate": 0, "guest_revenue": 100},
        ["NULL"],
    ),
    ("woo_naive", "2024-01", {"guest_revenue": 30, "active_customers": 3}, ["0"]),
    ("woo_parent0", "2024-01", {"revenue": 20}, []),
    ("one_9999_order", "2024-01", {"revenue": 50}, ["date"]),
    ("one_12024_order", "2024-01", {"revenue": 50}, ["date"]),
    ("one_year24_order", "2024-01", {"revenue": 50}, ["date"]),
    ("end_y0001", "2024-03", {"mrr": 40, "customer_churn_rate": 1 / 3}, ["no end"]),
    ("semi_unmapped_thousand", "2024-01", {"revenue": 16_115}, []),
    ("us_thousand_share", "2024-01", {"revenue": 6_235}, []),
    ("s_interval_words", "2024-06", {"mrr": 70}, []),
    ("s_chargebee_status", "2024-06", {"mrr": 30}, []),
    ("s_stripe_status_now", "2024-03", {}, ["status of today"]),
    ("s_cancelled_no_end", "2024-06", {}, ["cancelled"]),
    ("s_discount_negative_row", "2024-06", {"mrr": 50}, ["discount"]),
    ("r_csat_1to10_default", "2024-01", {"customer_satisfaction_score": 0.4}, ["scale"]),
    ("lines_overlap_files", "2024-01", {"revenue": 17}, ["file"]),
    ("totals_row_dated", "2024-01", {}, ["sums the others"]),
    ("shopify_where_paid_lines", "2024-01", {"revenue": 35}, ["order"]),
    ("where_null_status", "2024-01", {}, ["where"]),
]


@pytest.fixture
def case(shared, tmp_path):
    """A copy of a case's folder by its name, what is packed unpacked."""

    def copy(name: str) -> Path:
        folder = tmp_path / Path(name).name
        shutil.copytree(shared / "cases" / name, folder)
        for packed in folder.glob("*.gz"):
            packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
        return folder

    return copy


def row(data, period, metric):
    (figure,) = rk.scorecard(data, period, metrics=[metric]).itertuples()
    return figure


@pytest.mark.parametrize(("name", "period", "figures", "words"), FIGURES, ids=[name for name, *_ in FIGURES])
def test_a_case_has_its_figures_and_findings(case, name, period, figures, words):
    data = rk.load(case(f"data_in/{name}"))
    got = {metric: row(data, period, metric).value for metric in figures}
    assert got == pytest.approx(figures)
    findings = data.quality["check"] + ": " + data.quality["effect"]
    for word in words:
        assert findings[data.quality["check"] != "rows read"].str.contains(word, regex=False).any(), findings.tolist()


# Case and what the one sentence names.
SENTENCES = [
    ("r_nps_100", ["score", "0-10"]),
    ("r_ces_1to5", ["from 1 to 5", 'scale = "1-5" or scale = "1-7"']),
    ("ragged_longer_one", ["orders.csv line 52", "oops"]),
]


@pytest.mark.parametrize(("name", "words"), SENTENCES, ids=[name for name, *_ in SENTENCES])
def test_a_case_is_refused_in_one_sentence(case, name, words):
    with pytest.raises(RetentionKitError) as error:
        rk.load(case(f"data_in/{name}"))
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


# Right or refused: both are honest.
EITHER = [
    ("ids_sci", "2024-01", {"revenue": 25}, "E+12"),
]


@pytest.mark.parametrize(("name", "period", "figures", "word"), EITHER, ids=[name for name, *_ in EITHER])
def test_a_case_is_read_and_noted_or_refused_in_a_sentence(case, name, period, figures, word):
    """What is read is told, what is not read is refused with the place."""
    try:
        data = rk.load(case(f"data_in/{name}"))
    except RetentionKitError as error:
        message = str(error)
    else:
        assert {metric: row(data, period, metric).value for metric in figures} == pytest.approx(figures)
        message = (data.quality["check"] + data.quality["effect"]).str.cat(sep="\n")
    assert word in message


def test_parquet_of_nanoseconds_with_a_zone(shared):
    """23:30 in New York on 31 January is the next day in UTC."""
    data = rk.load(shared / "cases" / "data_in" / "pd_ns" / "orders.parquet", timezone="UTC")
    assert row(data, "2024-02", "revenue").value == 30


ENCODINGS = {
    "arnum": 32.5,
    "cp1252": 30.5,
    "cp1256": 30.5,
    "gforms": 120,
    "money": 1254.5,
    "neg": 100,
    "semi": 1254.5,
    "sep": 120,
    "tab": 10.5,
    "title": 32,
    "utf16": 30.5,
    "utf8sig": 30.5,
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_exports_of_many_programs(shared, name):
    data = rk.load(shared / "cases" / "imports" / "encodings" / f"orders_{name}.csv", timezone="UTC")
    period = f"{data.start:%Y-%m}"
    assert row(data, period, "revenue").value == pytest.approx(ENCODINGS[name])


def test_a_text_file_by_any_ending(shared):
    data = rk.load(shared / "cases" / "imports" / "encodings" / "orders_tab.txt")
    assert row(data, "2023-05", "revenue").value == 10.5


def test_negative_amounts_in_every_spelling(shared):
    data = rk.load(shared / "cases" / "imports" / "encodings" / "orders_neg.csv", timezone="UTC")
    assert row(data, "2023-05", "net_revenue").value == 60


def test_days_and_months_that_may_be_either_way_round(shared):
    with pytest.raises(RetentionKitError, match=r"2:30:00 PM.*%d/%m.*%m/%d"):
        rk.load(shared / "cases" / "imports" / "encodings" / "orders_ampm.csv")


def test_a_quote_that_never_closes(shared):
    with pytest.raises(RetentionKitError, match=r"orders_q4\.csv.*37"):
        rk.load(shared / "cases" / "data_in" / "orders_q4.csv")


def test_dates_that_cannot_be(shared):
    with pytest.raises(RetentionKitError, match=r"9999-12-31|0001-01-01"):
        rk.load(shared / "cases" / "data_in" / "orders_y.csv")


def test_a_workbook_larger_unpacked_than_allowed_is_refused(shared):
    with pytest.raises(RetentionKitError, match=r"bomb_cell\.xlsx"):
        rk.load(shared / "cases" / "data_in" / "bomb_cell.xlsx")


def test_leading_zeros_are_part_of_an_id(shared, tmp_path):
    settings = tmp_path / "retention.toml"
    path = shared / "cases" / "imports" / "zeros" / "o.csv"
    settings.write_text(
        f'[data.orders]\npath = "{path.as_posix()}"\n[data.orders.columns]\n'
        'customer_id = "code"\nordered_at = "day"\namount = "total"\n'
    )
    assert row(rk.load(settings), "2023-05", "active_customers").value == 3
