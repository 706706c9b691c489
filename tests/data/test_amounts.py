"""Amounts as people write them, against Decimal."""

from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import retention_kit as rk
from pencil import checks, effects
from retention_kit.data.engines.duckdb import DuckDB
from retention_kit.errors import DataError

UTC = {"timezone": "UTC"}


def read(texts: list[str], **hints) -> list[Decimal | None]:
    """The numbers of a column of text, by the SQL that its values decide on."""
    from retention_kit.data.values.amounts import Hints, read_numbers

    engine = DuckDB()
    engine.register("came", pd.DataFrame({"place": range(len(texts)), "said": pd.Series(texts, dtype="str")}))
    numbers = read_numbers(engine, "came", "said", "The column", Hints(**hints))
    query = f"SELECT TRY_CAST({numbers.sql('said')} AS DECIMAL(28, 6)) FROM came ORDER BY place"
    return [number for (number,) in engine.rows(query)]


def write_number(number: Decimal, group: str, decimal: str, digits: int, sign: str, marker: str) -> str:
    text = f"{abs(number):,.{digits}f}".replace(",", "G").replace(".", decimal).replace("G", group)
    text = marker.format(text)
    return (
        {"()": f"({text})", "-": f"-{text}", "after": f"{text}-", "\u2212": f"\u2212{text}"}[sign]
        if number < 0
        else text
    )


ENGINE = st.lists(st.integers(-9_999_999, 9_999_999), min_size=1, max_size=8)


@pytest.mark.long
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
def test_every_way_of_writing_is_read(units, separators, money, sign, position, is_arabic):
    """Groups, decimals, signs, currencies and digits in any combination, decided by one value that leaves no doubt."""
    (group, decimal), (currency, digits, marker) = separators, money
    right = [Decimal(unit).scaleb(-digits) for unit in [*units, 1_234_567_891]]
    texts = [write_number(number, group, decimal, digits, sign, position.replace("S", marker)) for number in right]
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
        (["1.200", "¥ 950", "950円"], {"decimals": 0}, [1200, 950, 950]),
        (["1,200", "1,500"], {"decimals": 0}, [1200, 1500]),
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
    assert read(texts, **{"decimals": 2} | hints) == [
        amount if amount is None else Decimal(str(amount)) for amount in right
    ]


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
    rows = [f"c{index};{index};2024-01-05;{amount}" for index, amount in enumerate(text.splitlines())]
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


def orders(amounts: list, **more) -> pd.DataFrame:
    rows = [
        {"customer_id": f"c{index}", "ordered_at": "2024-01-05", "amount": amount}
        for index, amount in enumerate(amounts)
    ]
    return pd.DataFrame(rows).assign(**more)


@pytest.mark.parametrize(
    ("amounts", "delimiter", "reading"),
    [
        (["1.200", "950"], ";", "'1.200' as 1200, not 1.200: decimal = \".\" states the other"),
        (["1.200", "2.125"], ",", "'1.200' as 1.200, not 1200: decimal = \",\" states the other"),
        (['"1,200"', "950"], ",", "'1,200' as 1200, not 1.200: decimal = \",\" states the other"),
        (['"1,200.00"', "950"], ",", None),
        (["1.200,00", "1.200"], ";", None),
    ],
)
def test_how_an_ambiguous_amount_is_read_is_a_finding(tmp_path, amounts, delimiter, reading):
    rows = [delimiter.join((f"c{index}", "2024-01-05", amount)) for index, amount in enumerate(amounts)]
    header = delimiter.join(("customer_id", "ordered_at", "amount"))
    (tmp_path / "orders.csv").write_text("\n".join([header, *rows]) + "\n")
    effect = effects(rk.load(tmp_path, currency="EUR", **UTC)).get("number that may be read in two ways")
    assert effect == (reading and f"read one way in the whole column; amount {reading}")


def test_a_stated_sign_leaves_nothing_to_tell(tmp_path):
    (tmp_path / "o.csv").write_text("customer_id;ordered_at;amount\nA;2024-01-05;1.200\n")
    (tmp_path / "retention.toml").write_text(
        '[data.orders]\npath = "o.csv"\ndecimal = "."\n[report]\ncurrency = "EUR"\n'
    )
    data = rk.load(tmp_path)
    assert data.engine.rows("SELECT sum(amount) FROM orders") == [(120,)]
    assert "number that may be read in two ways" not in checks(data)


@pytest.mark.long
@settings(max_examples=25)
@given(
    st.lists(st.integers(1, 99_999_999), min_size=1, max_size=6),
    st.integers(0, 4),
    st.sampled_from([("EUR", 2), ("JPY", 0), ("KWD", 3)]),
    st.sampled_from(["text", "float", "Decimal"]),
)
def test_amounts_finer_than_their_currency_are_told(units, digits, money, kind):
    currency, decimals = money
    numbers = [Decimal(unit).scaleb(-digits) for unit in units]
    amounts = [{"text": str, "float": float, "Decimal": Decimal}[kind](number) for number in numbers]
    finer = sum(number != round(number, decimals) for number in numbers)
    data = rk.load(orders=orders(amounts), currency=currency, **UTC)
    assert checks(data).get("more decimals than the currency has", 0) == finer


def test_decimals_are_those_of_the_rows_own_currency():
    rates = pd.DataFrame({"date": ["2024-01-01"] * 2, "currency": ["JPY", "KWD"], "rate": [0.006, 3.0]})
    frame = orders(["10.55", "100.5", "1.125", "1.125"], currency=["EUR", "JPY", "KWD", None])
    data = rk.load(orders=frame, rates=rates, currency="EUR", **UTC)
    assert checks(data)["more decimals than the currency has"] == 2
    assert "such as 1.125" in effects(data)["more decimals than the currency has"]


def test_an_example_of_too_many_decimals_is_as_short_as_it_came():
    data = rk.load(orders=orders([1000.5, 20.0]), currency="JPY", **UTC)
    assert effects(data)["more decimals than the currency has"].endswith("; such as 1000.5")


@pytest.mark.parametrize(
    ("amounts", "codes", "rows"),
    [
        (["€5.00", "€6.00", "5.00"], ["EUR", "EUR", "USD"], 0),
        (["$5.00", "€6.00", "€7.00"], ["EUR", "EUR", "EUR"], 1),
        (["US$5.00", "C$6.00", "$7.00"], ["USD", "CAD", "CAD"], 0),
        (["USD 5", "5 EUR", "6 EUR"], ["EUR", "EUR", None], 1),
        (["kr 5", "6", "7"], ["SEK", "EUR", "EUR"], 0),  # of many countries
    ],
)
def test_a_sign_against_its_currency_is_told(amounts, codes, rows):
    rates = pd.DataFrame({"date": "2024-01-01", "currency": ["USD", "CAD", "SEK"], "rate": 0.9})
    data = rk.load(orders=orders(amounts, currency=codes), rates=rates, currency="EUR", **UTC)
    assert checks(data).get("sign of another currency", 0) == rows


def test_most_signs_against_their_currency_are_refused():
    with pytest.raises(DataError, match=r"in 2 of 3 rows, amount such as '\$5' beside EUR: map currency"):
        rk.load(orders=orders(["$5", "$6", "7"], currency="EUR"), currency="EUR", **UTC)


@pytest.mark.long
@settings(max_examples=20)
@given(
    st.lists(st.tuples(st.integers(-999, 999), st.integers(100, 9_999_999)), min_size=1, max_size=5),
    st.sampled_from([(",", "."), (".", ","), ("\u00a0", ","), ("'", ".")]),
    st.sampled_from(["()", "-", "after"]),
    st.sampled_from(["{}", "€ {}", "{} EUR"]),
    st.sampled_from(["Qty * Price", "(Qty) * (Price + 0)", "round(Qty * Price, 2)", "Price * Qty"]),
)
def test_what_is_computed_with_is_read_as_amounts_are(tmp_path_factory, lines, separators, sign, marker, expression):
    """Quantities and prices in every way of writing, multiplied by the user's expression, as the clean table says."""
    folder, (group, decimal) = tmp_path_factory.mktemp("computed"), separators
    lines = [*lines, (1, 123_456_789)]
    price = [write_number(Decimal(cents).scaleb(-2), group, decimal, 2, sign, marker) for _, cents in lines]
    count = [write_number(Decimal(number), group, decimal, 0, sign, "{}") for number, _ in lines]
    frame = pd.DataFrame({"customer_id": [f"c{index}" for index in range(len(lines))], "ordered_at": "2024-01-05"})
    frame.assign(Qty=count, Price=price).to_csv(folder / "o.csv", index=False)
    toml = (
        f'[data.orders]\npath = "o.csv"\n[data.orders.columns]\namount = "{expression}"\n[report]\ncurrency = "EUR"\n'
    )
    (folder / "retention.toml").write_text(toml)
    data = rk.load(folder)
    read = [amount for (amount,) in data.engine.rows("SELECT amount - refund FROM orders ORDER BY _row")]
    assert read == [number * cents for number, cents in lines]


def orders_toml(folder, rows: str, columns: str, more: str = ""):
    (folder / "o.csv").write_text(rows, "utf-8")
    (folder / "retention.toml").write_text(
        f'[data.orders]\npath = "o.csv"\n{more}[data.orders.columns]\n{columns}\n[report]\ncurrency = "EUR"\ntimezone = "UTC"\n',
        "utf-8",
    )
    return folder


def test_texts_that_are_computed_with_and_do_not_agree_are_refused(tmp_path):
    rows = "customer_id;ordered_at;n;price\nA;2024-01-05;1;1,200.00\nB;2024-01-05;2;1.200,00\n"
    with pytest.raises(
        DataError, match=r"^o.csv: amount = 'n \* price': price mixes two ways of writing numbers, such as"
    ):
        rk.load(orders_toml(tmp_path, rows, 'amount = "n * price"'))


def test_an_assumed_reading_of_what_is_computed_with_is_told(tmp_path):
    rows = "customer_id;ordered_at;n;price\nA;2024-01-05;2;1.200\nB;2024-01-05;1;950\n"
    data = rk.load(orders_toml(tmp_path, rows, 'amount = "n * price"'))
    assert data.engine.rows("SELECT sum(amount) FROM orders") == [(335_000,)]
    assert "price '1.200' as 1200, not 1.200" in effects(data)["number that may be read in two ways"]
    stated = rk.load(orders_toml(tmp_path, rows, 'amount = "n * price"', 'decimal = "."\n'))
    assert stated.engine.rows("SELECT sum(amount) FROM orders") == [(95_240,)]


def test_conditions_see_the_same_numbers(tmp_path):
    rows = 'customer_id,ordered_at,amount\nA,2024-01-05,"1,200.00"\nB,2024-01-05,"€ 12.50"\nC,2024-01-05,(5.00)\n'
    kept = rk.load(orders_toml(tmp_path, rows, 'amount = "amount"', 'where = "amount > 100"\n'))
    assert kept.engine.rows("SELECT amount FROM orders") == [(120_000,)]
    left = rk.load(orders_toml(tmp_path, rows, 'amount = "amount"', 'leave_out = { small = "amount < 100" }\n'))
    assert left.engine.rows("SELECT amount FROM orders") == [(120_000,)]
