"""What a hostile hand found: files that are odd in size, labels that run the other way, and settings that are none."""

from contextlib import suppress

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import retention_kit as rk
from pencil import checks, value
from retention_kit.cli import main
from retention_kit.data.cleaning import segments as chosen
from retention_kit.data.readers import text_files
from retention_kit.errors import DataError, SettingsError
from retention_kit.plugins import run_plugins
from retention_kit.settings import read_settings

UTC = {"timezone": "UTC"}


def write_file(folder, text, name="orders.csv"):
    path = folder / name
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(("width", "again"), [(60, True), (700, False)])
def test_a_wide_file_is_read_with_its_second_headers(tmp_path, width, again):
    named = ",".join(f"asked {index}" for index in range(width))
    header = f"customer_id,ordered_at,amount,{named}\n"
    rows = "".join(f"c{index},2024-01-05,10{',yes' * width}\n" for index in range(4))
    data = rk.load(write_file(tmp_path, header + rows + header * again + rows.replace(",10,", ",20,")), **UTC)
    assert value(data, "revenue", "2024-01") == 4 * 10 + 4 * 20
    assert sum("header" in check for check in checks(data)) == again
    assert len(data.segments) == chosen._MAX_COLUMNS


def test_cells_that_are_called_like_a_column_are_no_header(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "_MAX_HEADER_LIKE", 3)
    rows = "".join(f"{customer_id},2024-01-05,1,{customer_id}\n" for customer_id in ["amount"] * 5 + ["Ann"])
    data = rk.load(write_file(tmp_path, f"customer_id,ordered_at,amount,note\n{rows}"), **UTC)
    assert value(data, "revenue", "2024-01") == 6


@pytest.mark.parametrize("first", ["," * 1_000_000, "x" * 1_000_000, ";" * 200_000, "," * 2_000_000])
def test_a_first_line_of_any_length_is_passed_or_a_sentence(tmp_path, first):
    path = write_file(tmp_path, f"{first}\ncustomer_id,ordered_at,amount\nA,2024-01-05,7\n")
    with suppress(DataError):
        assert value(rk.load(path, **UTC), "revenue", "2024-01") == 7


# Each stands beside plain numbers, in one of many rows or alone.
AMOUNTS = {"−15": -15, "–15.50": -15.5, "١٢": 12, "１２": 12, "\u200e12.25": 12.25, "۷.5": 7.5}


@settings(max_examples=8)
@given(st.lists(st.sampled_from([*AMOUNTS]), min_size=1, max_size=3), st.integers(0, 4))
def test_a_number_with_other_signs_among_plain_ones_is_read(odd, plain):
    import pandas as pd

    amounts = odd + ["10.00"] * (plain + 1)
    orders = pd.DataFrame({"customer_id": "A", "ordered_at": "2024-01-05", "amount": amounts})
    orders["order_id"] = [str(number) for number in orders.index]
    data = rk.load(orders=orders, **UTC)
    expected = sum(AMOUNTS[amount] for amount in odd) + 10 * (plain + 1)
    assert value(data, "net_revenue", "2024-01") == pytest.approx(expected)
    assert "unreadable amount" not in checks(data)


# From the lowest number to the highest.
LABELS = {
    ("csat", 1): ["Very satisfied", "Satisfied", "Neutral", "Dissatisfied", "Very dissatisfied"],
    ("csat", 1, "ar"): ["راض جدا", "راض", "محايد", "غير راض", "غير راض جدا"],
    ("nps", 0): ["Extremely likely", *[""] * 9, "Not at all likely"],
    ("ces", 1): ["Very easy", "", "", "", "", "", "Very difficult"],
    ("ces", 1, "agreed"): ["Strongly agree", "Agree", "", "", "", "Disagree", "Strongly disagree"],
}


@pytest.mark.long
@pytest.mark.parametrize("form", ["{} - {}", "{}", "({1}) {0}"])
@pytest.mark.parametrize("kind", LABELS, ids=str)
def test_labels_that_begin_with_the_best_are_refused(kind, form):
    survey, low, *_ = kind

    def answers(labels):
        scores = [
            (form.format(low + index, label) if label else str(low + index)) for index, label in enumerate(labels)
        ]
        if form == "({1}) {0}":
            scores = [f"{label} ({low + index})" if label else str(low + index) for index, label in enumerate(labels)]
        return {"responded_at": ["2024-01-05"] * len(scores), "survey": [survey] * len(scores), "score": scores}

    import pandas as pd

    right = rk.load(responses=pd.DataFrame(answers(LABELS[kind][::-1])), **UTC)
    assert value(right, "response_count", "2024-01") == len(LABELS[kind])
    turned = pd.DataFrame(answers(LABELS[kind]))
    if form == "{}":
        assert value(rk.load(responses=turned, **UTC), "response_count", "2024-01") == len(turned)
    else:
        with pytest.raises(DataError, match=f"The {survey} answers run the other way, from the best to the worst"):
            rk.load(responses=turned, **UTC)


def test_answers_are_turned_round_as_the_sentence_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    labels = [*["1 - Very satisfied"] * 3, "5 - Very dissatisfied"]
    write_file(
        tmp_path,
        "responded_at,survey,score\n" + "".join(f"2024-01-05,csat,{label}\n" for label in labels),
        "answers.csv",
    )
    settings = '[data.responses]\npath = "answers.csv"\n'
    with pytest.raises(DataError) as error:
        rk.load(write_file(tmp_path, settings, "retention.toml"), **UTC)
    expression = str(error.value).partition('score = "')[2].partition('"')[0]
    data = rk.load(write_file(tmp_path, f'{settings}columns = {{ score = "{expression}" }}\n', "retention.toml"), **UTC)
    assert value(data, "customer_satisfaction_score", "2024-01") == 0.75


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 3000 + "]" * 3000,
        "a = " + "{a = " * 2000 + "1" + "}" * 2000,
        "[definitions]\nmin_n = " + "9" * 5000,
        '[data.orders]\npath = "o.csv"\nencoding = "idna"',
        '[data.orders]\npath = "o.csv"\nencoding = "undefined"',
        '[data.orders]\npath = "o.csv"\nencoding = "unicode_escape"',
    ],
    ids=range(6),
)
def test_settings_that_are_none_are_a_sentence(tmp_path, text):
    with pytest.raises(SettingsError, match=r"^retention\.toml"):
        read_settings(write_file(tmp_path, text, "retention.toml"))


def test_settings_may_begin_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "retention.toml"
    path.write_text('[report]\r\ncompany = "Ä"\r\n', "utf-8-sig")
    assert read_settings(path).report.company == "Ä"


@pytest.mark.parametrize("ends", ["import sys; sys.exit(0)", "raise SystemExit('x')", "raise GeneratorExit", "exit()"])
def test_a_plug_in_that_ends_the_process_is_a_sentence(tmp_path, ends):
    with pytest.raises(SettingsError, match=r"report\.plugins: ends\.py fails: (SystemExit|GeneratorExit|NameError)"):
        run_plugins([write_file(tmp_path, ends, "ends.py")])


@pytest.mark.parametrize("sign", ["+", "||"])
@pytest.mark.parametrize("many", [500])
def test_a_long_expression_works_or_is_a_sentence(tmp_path, capsys, sign, many):
    write_file(tmp_path, "customer_id,ordered_at,amount\nA,2024-01-05,1\n")
    text = f'[data.orders]\npath = "orders.csv"\nwhere = "{sign.join(["amount"] * many)} <> 0"\n'
    assert main(["check", "--data", str(write_file(tmp_path, text, "retention.toml"))]) in (0, 2)
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[]", "\xff"])
def test_a_manifest_that_is_none_is_no_pack(tmp_path, capsys, text):
    write_file(tmp_path, text, "manifest.json")
    assert main(["send", str(tmp_path)]) == 2
    assert "is no pack" in capsys.readouterr().err


@pytest.mark.parametrize(
    "expression",
    ["repeat('x', 1000000000)", "lpad('x', 1000000000, 'y')", "printf('%1000000000d', 1)", "range(1000000000)"],
)
def test_a_view_makes_no_values_of_any_length(tmp_path, expression):
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as connection:
        connection.execute(
            f"CREATE VIEW orders AS SELECT {expression} AS customer_id, '2024-01-05' AS ordered_at, 1 AS amount"
        )
    with pytest.raises(DataError, match="the view 'orders' reads more than the tables of its file"):
        rk.load(tmp_path / "shop.duckdb", **UTC)
