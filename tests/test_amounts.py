"""Amounts as people write them, against Decimal."""

from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import retention_kit as rk
from pencil import checks
from retention_kit.data.engine import Engine
from retention_kit.errors import DataError

UTC = {"timezone": "UTC"}


def read(texts: list[str], **hints) -> list[Decimal | None]:
    """The numbers of a column of text, by the SQL that its values decide on."""
    from retention_kit.data.amounts import read_numbers

    engine = Engine()
    engine.register("came", pd.DataFrame({"place": range(len(texts)), "said": pd.Series(texts, dtype="str")}))
    numbers = read_numbers(engine, "came", "said", "The column", **hints)
    query = f"SELECT TRY_CAST({numbers.sql('said')} AS DECIMAL(28, 6)) FROM came ORDER BY place"
    return [number for (number,) in engine.rows(query)]


def spelled(number: Decimal, group: str, decimal: str, digits: int, sign: str, marker: str) -> str:
    text = f"{abs(number):,.{digits}f}".replace(",", "G").replace(".", decimal).replace("G", group)
    text = marker.format(text)
    return (
        {"()": f"({text})", "-": f"-{text}", "after": f"{text}-", "\u2212": f"\u2212{text}"}[sign]
        if number < 0
        else text
    )


ENGINE = st.lists(st.integers(-9_999_999, 9_999_999), min_size=1, max_size=8)


@settings(max_examples=40)
@given(
    ENGINE,
    st.sampled_from(
        [(",", "."), (".", ","), (" ", ","), ("\u202f", ","), ("\u00a0", "."), ("'", "."), ("\u2019", ".")]
    ),
    st.sampled_from([("EUR", 2, "€"), ("JPY", 0, "¥"), ("KWD", 3, "KWD"), ("USD", 2, "$")]),
    st.sampled_from(["()", "-", "after", "\u2212"]),
    st.sampled_from(["{}", "S {}", "S{}", "{} S"]),
    st.booleans(),
)
def test_every_way_of_writing_is_read(units, separators, money, sign, place, is_arabic):
    """Groups, decimals, signs, currencies and digits in any combination, decided by one value that leaves no doubt."""
    (group, decimal), (currency, digits, marker) = separators, money
    right = [Decimal(unit).scaleb(-digits) for unit in [*units, 1_234_567_891]]
    texts = [spelled(one, group, decimal, digits, sign, place.replace("S", marker)) for one in right]
    if is_arabic:
        texts = [text.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")) for text in texts]
    assert read(texts, decimals=digits, currency=currency) == right


@pytest.mark.parametrize(
    ("texts", "hints", "right"),
    [
        (["1.200", "950", "10.000"], {"delimiter": ";"}, [1200, 950, 10000]),
        (["1.200", "950"], {"delimiter": ";", "decimals": 3}, ["1.2", 950]),
        (["1.234", "0.5"], {"delimiter": ";"}, ["1.234", "0.5"]),  # 0.5 groups nothing
        (["1.234", "2.5"], {"delimiter": ";"}, ["1.234", "2.5"]),
        (["1.234", "950.111"], {"delimiter": ","}, ["1.234", "950.111"]),
        (["1,200", "950"], {}, [1200, 950]),
        (["1,200", "0,5"], {}, ["1.2", "0.5"]),
        (["1,084"], {"decimals": None}, ["1.084"]),  # a rate
        (["12,34,567.50"], {}, ["1234567.5"]),
        (["1.200", "950"], {"decimal": ","}, [1200, 950]),
        (["1.200", "950"], {"decimal": ".", "delimiter": ";"}, ["1.2", 950]),
        (["-$1", "$-1", "(5.00)", "5.00-", "1.5e3"], {}, [-1, -1, -5, -5, 1500]),
        (["١٢٫٥٠", "٢٠"], {}, ["12.5", 20]),
        (["19,-", "1,50"], {}, [None, "1.5"]),
        (["19,-", "1.50"], {}, [None, "1.5"]),
        (["12 pcs", "ten", "5 EUR", "1,2,3.0"], {}, [None, None, 5, None]),
    ],
)
def test_what_decides_between_two_readings(texts, hints, right):
    assert read(texts, **{"decimals": 2} | hints) == [one if one is None else Decimal(str(one)) for one in right]


@pytest.mark.parametrize(
    ("texts", "hints", "words"),
    [
        (["1,200.00", "1.200,00"], {}, "'1,200.00' with a decimal point and '1.200,00' with a decimal comma"),
        (["1,200", "1.200"], {}, "either sign may group"),
        (["1,200"], {"decimals": 3}, "may be 1200 or 1.200"),
        (["950", "1.200"], {}, "may be 1200 or 1.200"),
        (["€5", "$6"], {"currency": "EUR"}, "several currencies"),
        (["$5", "$6"], {"currency": "EUR"}, "report is in EUR"),
    ],
)
def test_what_leaves_doubt_is_refused(texts, hints, words):
    with pytest.raises(DataError, match=words.replace("$", r"\$")):
        read(texts, **{"decimals": 2} | hints)


@pytest.mark.parametrize(
    ("text", "revenue"),
    [
        ("1.200\n950\n875\n2.450\n640\n10.000", 16115),
        ("1.200,50\n950", 2150.5),
        ("€ 12,50\n(2,50)\n12,50 €", 25),
    ],
)
def test_a_file_of_semicolons(tmp_path, text, revenue):
    rows = [f"c{place};{place};2024-01-05;{amount}" for place, amount in enumerate(text.splitlines())]
    (tmp_path / "orders.csv").write_text("customer_id;order_id;ordered_at;amount\n" + "\n".join(rows) + "\n", "utf-8")
    data = rk.load(tmp_path, currency="EUR", **UTC)
    assert data.engine.rows("SELECT sum(amount) FROM orders")[0][0] == 100 * revenue


def test_each_source_of_a_table_is_read_its_own_way_and_given_back_as_it_came(tmp_path):
    (tmp_path / "a.csv").write_text('customer_id,ordered_at,amount\nA,2024-01-05,"1,200.00"\nA,2024-01-06,x\n', "utf-8")
    (tmp_path / "b.csv").write_text("customer_id;ordered_at;amount\nB;2024-01-05;1.200,50\n", "utf-8")
    stack = "".join(f'[[data.orders]]\npath = "{name}.csv"\n' for name in "ab")
    (tmp_path / "retention.toml").write_text(stack + '[report]\ncurrency = "EUR"\n', "utf-8")
    data = rk.load(tmp_path)
    assert data.engine.rows("SELECT sum(amount) FROM orders") == [(240050,)]
    assert checks(data) == {"unreadable amount": 1}
    assert list(data.quarantine["orders"].columns) == ["check", "customer_id", "ordered_at", "amount"]
