"""Several currencies: orders in the report's by the rate of their day, spells in their own, and rates that cannot be."""

import re

import pytest

import retention_kit as rk
from pencil import checks, table, value
from retention_kit.cli import main
from retention_kit.errors import DataError

GBP = {"currency": "GBP", "timezone": "UTC"}
RATES = """
    date        currency  rate
    2024-01-05  EUR       0.80
    2024-02-05  eur       0.90
    2024-01-01  USD       0.5
    2024-01-01  CHF       1.1
    2024-01-01  GBP       1
"""
UNIT = 10**6  # of a pound: 100 pence in ten-thousandths


def orders(text: str, rates: str | None = RATES, **settings):
    tables = {} if rates is None else {"rates": table(rates)}
    return rk.load(orders=table(text), **tables, **GBP | settings)


def amounts(data) -> dict[str, float]:
    return {
        name: units / data.minor
        for name, units in data.engine.rows("SELECT order_id, amount FROM orders ORDER BY _row")
    }


def test_an_order_converts_at_the_last_rate_up_to_its_local_date():
    data = orders("""
        customer_id  order_id  ordered_at           amount  currency
        Ann          1         2024-01-05 00:00:00  10.00   EUR
        Ann          2         2024-02-04 23:59:59  10.00   EUR
        Ann          3         2024-02-05 00:00:00  10.00   EUR
        Ben          4         2024-02-06 09:00:00  10.01   EUR
        Ben          5         2024-02-06 09:00:00  10.00   GBP
        Cy           6         2024-02-06 09:00:00  10.00   usd
        Cy           7         2024-02-06 09:00:00  10.00   -
    """)
    assert amounts(data) == {"1": 8, "2": 8, "3": 9, "4": 9.009, "5": 10, "6": 5, "7": 10}
    assert (data.scale, data.minor, data.foreign) == (10**4, UNIT, ()), "no spells, so none in foreign money"
    assert checks(data) == {}
    assert data.engine.rows("SELECT currency, CAST(day AS VARCHAR), rate FROM rates ORDER BY ALL") == [
        ("EUR", "2024-01-05", 0.8),
        ("EUR", "2024-02-05", 0.9),
        ("USD", "2024-01-01", 0.5),
    ], "only what occurs"


def test_rates_to_another_currency_than_the_reports_are_refused():
    """The European Central Bank's are to the euro: 1.17 EUR for a pound, 0.92 for a dollar."""
    text = "customer_id  order_id  ordered_at  amount  currency\nAnn  1  2024-01-06  10.00  USD\nBen  2  2024-01-06  1  GBP"
    rates = "date  currency  rate\n2024-01-05  USD  0.92\n2024-01-05  GBP  1.17"
    with pytest.raises(DataError) as error:
        rk.load(orders=table(text), rates=table(rates), **GBP)
    assert str(error.value) == (
        "The rates give 1.17 on 2024-01-05 for GBP, which the report is in, so they are to another currency: give how many "
        "GBP one of each is worth."
    )
    home = table(text).query("currency == 'GBP'")
    assert value(rk.load(orders=home, rates=table(rates), **GBP), "revenue", "2024-01") == 1, "none is needed"


@pytest.mark.parametrize("odd", ["£", "pounds", "826"])
def test_what_is_no_code_of_a_currency_is_refused_as_such(odd):
    text = f"customer_id  ordered_at  amount  currency\nAnn  2024-01-06  10.00  {odd}\nBen  2024-01-06  1  GBP"
    with pytest.raises(DataError, match=f"column 'currency' holds '{odd.upper()}': write codes such as GBP, or map"):
        rk.load(orders=table(text).astype(str), **GBP)


@pytest.mark.parametrize("more", ["9000000000  -", "10  9000000000"])
def test_what_is_too_large_once_it_is_converted_is_a_sentence(more):
    """9e9 USD at 900,000 are 8.1e15 pounds, 8.1e21 of the units in which sums are exact."""
    rates = "date  currency  rate\n2024-01-01  USD  900000\n2024-01-01  EUR  0.8"
    text = f"""
        customer_id  order_id  ordered_at  currency  amount  refunded
        Ann          1         2024-01-05  EUR       10      -
        Ann          2         2024-01-06  USD       {more}
        """
    with pytest.raises(DataError) as error:
        rk.load(orders=table(text), rates=table(rates), **GBP)
    assert str(error.value) == (
        "Row 2 of the orders is too large to be counted exactly once its USD are converted: see its amount, and the rate "
        "of USD on 2024-01-06."
    )


def test_the_local_date_is_the_reports():
    text = "customer_id  order_id  ordered_at  amount  currency\nAnn  1  2024-02-04T23:30:00Z  10.00  EUR"
    assert amounts(orders(text, timezone="Europe/Paris")) == {"1": 9}
    assert amounts(orders(text, timezone="Europe/London")) == {"1": 8}


def test_a_refund_converts_as_the_order_it_names():
    data = orders("""
        customer_id  order_id  ordered_at  amount  currency  refund_of
        Ann          1         2024-01-06  10.00   EUR       -
        Ann          R1        2024-02-06  -10.00  EUR       1
        Ben          2         2024-01-06  10.00   EUR       -
        Ben          R2        2024-02-06  4.00    USD       2
        Cy           R3        2024-02-06  -10.00  EUR       -
        Cy           R4        2024-02-06  10.00   EUR       9
    """)
    assert amounts(data)["1"] == 0, "all of it is all of it, though the rate rose"
    assert data.engine.rows("SELECT is_purchase FROM orders WHERE order_id = '1'") == [(False,)]
    assert amounts(data)["2"] == 6, "another currency converts at its own day: 8 - 4 × 0.5"
    assert data.engine.rows("SELECT order_id, refund FROM orders WHERE refund > 0 ORDER BY 1") == [
        ("R3", 9 * UNIT),
        ("R4", 9 * UNIT),
    ]


def test_what_exceeds_the_order_converts_as_a_refund_that_names_none():
    """15 EUR of 10: 10 at the order's 0.8 leave nothing of it, 5 at 0.9 are a refund of their own day."""
    text = """
        customer_id  order_id  ordered_at  amount  currency  refund_of
        Ann          1         2024-01-06  10.00   EUR       -
        Ann          R1        2024-02-06  -15.00  EUR       1
        Ben          2         2024-01-06  10.00   EUR       -
        Ben          R2        2024-01-07  -8.00   EUR       2
        Ben          R3        2024-02-06  -6.00   EUR       2
        """
    data = orders(text)
    assert (amounts(data)["1"], amounts(data)["2"]) == (0, 0)
    refunds = "SELECT order_id, refund FROM orders WHERE refund > 0 ORDER BY 1"
    assert data.engine.rows(refunds) == [("R1", 4.5 * UNIT), ("R3", 3.6 * UNIT)], "of R3, 4 are beyond: 14 - 10"


def test_of_refunds_in_lines_too(tmp_path):
    """15 EUR and 4 USD are 12 + 2 pounds of an order of 8: 6 are beyond, worth more as the whole refund is on its day."""
    table("""
        customer_id  order_id  ordered_at  amount  currency  refund_of
        Ann          1         2024-01-06  6.00    EUR       -
        Ann          1         2024-01-06  4.00    EUR       -
        Ann          R1        2024-02-06  -15.00  EUR       1
        Ann          R1        2024-02-06  -4.00   USD       1
    """).to_csv(tmp_path / "orders.csv", index=False)
    table(RATES).to_csv(tmp_path / "rates.csv", index=False)
    settings = '[data]\nrates = "rates.csv"\n[data.orders]\npath = "orders.csv"\nrows = "lines"\n'
    (tmp_path / "retention.toml").write_text(settings, "utf-8")
    data = rk.load(tmp_path / "retention.toml", **GBP)
    ((refund,),) = data.engine.rows("SELECT refund FROM orders WHERE refund > 0")
    assert refund / UNIT == pytest.approx(6 * (15 * 0.9 + 4 * 0.5) / (15 * 0.8 + 4 * 0.5), abs=1e-4)


def test_spells_keep_their_own_money():
    spells = table("""
        customer_id  subscription_id  started_at  ended_at  amount  interval  currency  status
        Ann          1                2024-01-05  -         10.00   month     EUR       -
        Ben          2                2024-01-05  -         120.00  year      GBP       -
        Cy           3                2024-01-05  -         9.00    month     usd       paused
        Dee          4                2024-01-05  -         9.00    month     -         -
    """)
    data = rk.load(subscriptions=spells, rates=table(RATES), **GBP)
    assert data.engine.rows("SELECT customer_id, mrr, currency FROM subscriptions ORDER BY _row") == [
        ("Ann", 120 * UNIT, "EUR"),
        ("Ben", 120 * UNIT, None),
        ("Cy", 0, "USD"),
        ("Dee", 108 * UNIT, None),
    ]
    assert data.foreign == ("EUR",), "Cy's pause has no MRR"


def test_one_currency_stays_in_minor_units():
    data = orders("customer_id  order_id  ordered_at  amount  currency\nAnn  1  2024-01-05  10  GBP")
    assert (data.scale, data.minor) == (1, 100)
    assert data.engine.rows("SELECT amount FROM orders") == [(1000,)]
    assert data.engine.rows("SELECT * FROM rates") == []


def test_a_currency_with_other_decimals_converts_by_its_unit():
    rates = "date  currency  rate\n2024-01-01  JPY  0.005"
    text = (
        "customer_id  order_id  ordered_at  amount  currency\nAnn  1  2024-01-05  1999  JPY\nBen  2  2024-01-05  1  GBP"
    )
    assert amounts(orders(text, rates))["1"] == 9.995


def test_rows_before_the_first_rate_are_set_aside_below_half():
    rows = "customer_id  order_id  ordered_at  amount  currency\nAnn  1  2024-01-04  30  EUR\n"
    late = "Ann  {}  2024-01-05  10  EUR\n"
    data = orders(rows + late.format(2) + late.format(3))
    assert checks(data) == {"no exchange rate yet": 1}
    assert set(data.quality["effect"]) == {"", "set aside: the rates of its currency begin later; 30.00 EUR"}
    assert list(data.quarantine["orders"]["order_id"]) == ["1"]
    with pytest.raises(
        DataError,
        match=r"^The rates of EUR begin on 2024-01-05, after 1 of 2 orders in EUR: give those from 2024-01-04 on\.$",
    ):
        orders(rows + late.format(2))


def test_a_spell_from_before_the_rates_counts_at_the_first():
    head = "customer_id  subscription_id  started_at  ended_at  amount  currency\n"
    early, late = "Ann  {}  2023-11-05  -  10  EUR\n", "Ann  {}  2024-01-05  -  10  EUR\n"
    text = head + early.format(1) + late.format(2) + late.format(3)
    data = rk.load(subscriptions=table(text), rates=table(RATES), **GBP)
    assert checks(data) == {"no exchange rate at its start": 1}
    frame = rk.mrr_movements(data).set_index("period")
    assert frame.loc["2023-11", "end"] > 0
    assert frame.loc["2024-01", ["new", "reactivation"]].tolist() == [0, 0]


def test_a_spell_over_before_the_rates_is_set_aside():
    text = """
        customer_id  subscription_id  started_at  ended_at    amount  currency
        Ann          1                2023-10-05  2023-10-20  10      EUR
        Ann          2                2024-01-05  -           10      EUR
        Ann          3                2024-01-05  -           10      EUR
    """
    assert checks(rk.load(subscriptions=table(text), rates=table(RATES), **GBP)) == {"no exchange rate yet": 1}


def test_an_amount_of_our_own_is_rounded_alike_whatever_lies_beside_it():
    own = "customer_id  ordered_at  amount  currency\nAnn  2024-01-05  100.1255  GBP\n"
    alone = rk.load(orders=table(own), **GBP)
    with_euros = rk.load(orders=table(own + "Ben  2024-01-05  10  EUR\n"), rates=table(RATES), **GBP)
    amounts = [
        data.engine.rows("SELECT amount FROM orders WHERE customer_id = 'Ann'")[0][0] / data.minor
        for data in (alone, with_euros)
    ]
    assert amounts == [100.13, 100.13]


def test_retention_is_told_at_the_rates_of_the_start():
    """A dollar that doubles makes nobody a better or worse customer: Ann pays 10 of 100 dollars."""
    rates = "date  currency  rate\n2024-01-01  USD  1\n2024-02-15  USD  2"
    spells = """
        customer_id  subscription_id  started_at  ended_at    amount  currency
        Ann          a                2024-01-05  2024-02-10  100     USD
        Ann          a                2024-02-10  -           10      USD
    """
    data = rk.load(subscriptions=table(spells), rates=table(rates), as_of="2024-03-01", **GBP)
    assert value(data, "gross_revenue_retention", "2024-02") == pytest.approx(0.1)
    assert value(data, "net_revenue_retention", "2024-02") == pytest.approx(0.1)


def test_what_is_too_large_to_be_exact_is_refused_in_a_sentence():
    text = f"customer_id  ordered_at  amount  currency\nAnn  2024-01-05  10  EUR\nBen  2024-01-05  {9 * 10**11}  GBP\nBen  2024-01-06  {9 * 10**11}  GBP\n"
    data = rk.load(orders=table(text + f"Ben  2024-01-07  {9 * 10**12}  GBP"), rates=table(RATES), **GBP)
    with pytest.raises(DataError, match="too large to be summed exactly"):
        rk.scorecard(data, "2024-01")


ROWS = "customer_id  ordered_at  amount  currency\nAnn  2024-01-05  10  {}\nBen  2024-01-05  10  {}"


@pytest.mark.parametrize(
    ("codes", "currency", "message"),
    [
        (("EUR", "EUR"), "GBP", "in EUR, the report in GBP: set [report] currency to the currency of the data."),
        (("eur", "EUR "), "GBP", "in EUR, the report in GBP: set [report] currency to the currency of the data."),
        (
            ("EUR", "EUR"),
            "XXX",
            "in EUR, the report in no currency yet: set [report] currency to the currency of the data.",
        ),
        (("EUR", "-"), "GBP", "in EUR, GBP, the report in GBP: give [data.rates], a table of date, currency and rate "),
        (
            ("EUR", "USD"),
            "GBP",
            "in EUR, USD, the report in GBP: give [data.rates], a table of date, currency and rate ",
        ),
        (
            ("EUR", "USD"),
            "XXX",
            "in EUR, USD, the report in no currency yet: set [report] currency and give [data.rates], ",
        ),
    ],
)
def test_without_rates_another_currency_is_refused(codes, currency, message):
    with pytest.raises(DataError) as error:
        orders(ROWS.format(*codes), None, currency=currency)
    assert str(error.value).startswith(f"The orders are {message}")


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ("2024-01-01  EU  0.8", "The rates have none for EUR, which the data hold: did you mean 'EU'?"),
        ("2024-01-01  EUR  0", "Row 1 of the rates needs a rate above 0 and below a trillion, not 0."),
        (
            "2024-01-01  EUR  0.8\n2024-01-02  EUR  -1",
            "Row 2 of the rates needs a rate above 0 and below a trillion, not -1.",
        ),
        ("2024-01-01  EUR  N/A", "Row 1 of the rates needs a rate above 0 and below a trillion, not N/A."),
        ("2024-01-01  EUR  -", "Row 1 of the rates needs a rate above 0 and below a trillion, not none."),
        ("2024-01-01  EUR  inf", "Row 1 of the rates needs a rate above 0 and below a trillion, not inf."),
        ("soon  EUR  0.8", "Row 1 of the rates has no readable date."),
        ("2024-01-01  -  0.8", "Row 1 of the rates names no currency."),
        (
            "2024-01-01  EUR  0.8\n2024-01-01  eur  0.9",
            "The rates give EUR two values on 2024-01-01, 0.8 and 0.9: keep one.",
        ),
    ],
)
def test_rates_that_cannot_be_are_refused(rates, message):
    with pytest.raises(DataError) as error:
        orders(ROWS.format("EUR", "GBP"), f"date  currency  rate\n{rates}")
    assert str(error.value) == message


def test_a_rate_said_twice_is_one():
    data = orders(ROWS.format("EUR", "GBP"), "date  currency  rate\n2024-01-01  EUR  0.8\n2024-01-01  EUR  0.80")
    assert data.engine.rows("SELECT count(*) FROM rates") == [(1,)]


def test_rates_lack_a_column_by_name():
    with pytest.raises(
        DataError, match=r"^the rates DataFrame has no column 'date', which rates need: choose from day\.$"
    ):
        orders(ROWS.format("EUR", "GBP"), "day  currency  rate\n2024-01-01  EUR  0.8")


def test_rates_are_a_table_of_the_settings(tmp_path):
    (tmp_path / "fx.csv").write_text("day,to,value\n01.01.2024,EUR,1.25\n", "utf-8")
    (tmp_path / "orders.csv").write_text(
        "customer_id,ordered_at,amount,currency\nAnn,2024-01-05,10,EUR\nBen,2024-01-05,1,GBP\n"
    )
    toml = """
        [data]
        orders = "orders.csv"
        [data.rates]
        path = "fx.csv"
        [data.rates.columns]
        date = "strptime(day, '%d.%m.%Y')"
        currency = "to"
        rate = "1 / value"
        [report]
        currency = "GBP"
    """
    (tmp_path / "retention.toml").write_text(toml, "utf-8")
    data = rk.load(tmp_path)
    assert data.engine.rows("SELECT amount FROM orders ORDER BY _row") == [(8 * UNIT,), (UNIT,)]
    assert [source["table"] for source in data.sources] == ["orders", "rates"], "rates are in the record"
    assert data.tables == ("orders",)


def test_a_folder_gives_its_rates(tmp_path):
    (tmp_path / "rates.csv").write_text("date,currency,rate\n2024-01-01,EUR,0.8\n", "utf-8")
    (tmp_path / "orders.csv").write_text("customer_id,ordered_at,amount,currency\nAnn,2024-01-05,10,EUR\n")
    assert rk.load(tmp_path, currency="GBP").engine.rows("SELECT amount FROM orders") == [(8 * UNIT,)]


def test_findings_in_rates_are_listed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    orders = "customer_id,ordered_at,amount,currency\nA,2024-01-05,10,USD\nB,2024-01-06,5,KRW\n"
    (tmp_path / "orders.csv").write_text(orders, "utf-8")
    (tmp_path / "rates.csv").write_text('Date,currency,rate\n2024-01-01,USD,"1,234"\nby the bank\n', "utf-8")
    settings = '[data]\norders = "orders.csv"\n[data.rates]\npath = "rates.csv"\n{}[report]\ncurrency = "KRW"\n'
    toml = tmp_path / "retention.toml"
    toml.write_text(settings.format(""), "utf-8")
    data = rk.load(toml, timezone="UTC")
    effects = data.quality[data.quality["table"] == "rates"].set_index("check")["effect"]
    open_ = "number that may be read in two ways"
    assert {*effects.index} == {"rows read", "name spelled otherwise", "row after the table", open_}
    assert effects[open_].endswith("rate '1,234' as 1.234, not 1234: decimal = \".\" states the other")
    assert main(["check", "--rows"]) == 0
    assert re.match(r"rates: 1 row:(.|\n)*row after the table +rates\.csv +3 +by the bank", capsys.readouterr().out)
    assert main(["check", "--rows", open_]) == 0
    toml.write_text(settings.format('decimal = "."\n'), "utf-8")
    assert value(rk.load(toml, timezone="UTC"), "revenue", "2024-01") == 10 * 1234 + 5
