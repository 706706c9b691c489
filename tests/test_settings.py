"""`retention.toml`: what it may say, its defaults, and one clear sentence for what it may not."""

from datetime import date

import pytest

from retention_kit.errors import SettingsError, did_you_mean
from retention_kit.settings import (
    Settings,
    Table,
    make_settings,
    override,
    read_settings,
)
from retention_kit.settings.addresses import mask_url, parse_address
from retention_kit.settings.mail import Recipient

FULL = """
[data]
engine = "sqlite:///shop.sqlite"
subscriptions = "subs.csv"
rates = "rates.csv"
[data.orders]
path = "lines.parquet"
rows = "lines"
where = "Quantity > 0"
timezone = "Europe/London"
[data.orders.columns]
customer_id = "CustomerID"
amount = "Quantity * UnitPrice"
[[data.responses]]
path = "wide.csv"
survey = "nps"
[[data.responses]]
path = "wide.csv"
survey = "csat"
scale = "1-10"
[report]
company = "Example Ltd"
every = "quarter"
timezone = "Asia/Kolkata"
currency = "INR"
languages = ["en"]
formats = ["html"]
segments = ["country"]
as_of = 2011-12-10
plugins = ["shop_metrics.py"]
[definitions]
basis = "orders"
min_n = 5
lifespan_years = 3
[goals.customer_retention_rate]
target = 0.45
by = "2011-12"
[mail]
from = "Reports <reports@example.com>"
to = ["Ann Lee <ann@example.com>", "ben@example.com"]
link = "https://intranet.example.com/reports?a=1"
unsubscribe = "leave@example.com"
owner = "analyst@example.com"
attach_limit = "2.5MB"
[[mail.recipients]]
to = ["ann@example.com", "علي <ali@مثال.example>"]
segment = "country=France"
language = "ar"
"""

KNOWN = "duckdb:///FILE or sqlite:///FILE, postgresql://USER@HOST/NAME or spark://HOST:PORT"


def read(tmp_path, text: str) -> Settings:
    path = tmp_path / "retention.toml"
    path.write_text(text, "utf-8")
    return read_settings(path)


def test_everything_it_can_say(tmp_path):
    settings = read(tmp_path, FULL)
    assert settings.data.sources("subscriptions") == [Table(path="subs.csv")], "the short form is a path"
    (orders,) = settings.data.sources("orders")
    assert (orders.where, orders.columns["amount"]) == ("Quantity > 0", "Quantity * UnitPrice")
    assert [source.survey for source in settings.data.sources("responses")] == ["nps", "csat"], "stacked"
    assert (orders.rows, settings.data.engine) == ("lines", "sqlite:///shop.sqlite")
    assert settings.data.sources("rates") == [Table(path="rates.csv")]
    assert settings.report.plugins == ["shop_metrics.py"]
    assert (settings.report.every, settings.report.as_of) == ("quarter", date(2011, 12, 10))
    assert (settings.definitions.min_n, settings.definitions.lifespan_years) == (5, 3)
    assert settings.goals["customer_retention_rate"].target == 0.45
    assert (settings.mail.sender, settings.mail.owner) == ("Reports <reports@example.com>", "analyst@example.com")
    assert settings.mail.attach_bytes == 2_500_000
    assert settings.mail.addressed() == [
        Recipient("ann@example.com", "Ann Lee"),
        Recipient("ben@example.com"),
        Recipient("ann@example.com", "", "ar", "country=France"),
        Recipient("ali@xn--mgbh0fb.example", "علي", "ar", "country=France"),
    ]


def test_defaults_are_the_rules_of_the_field(tmp_path):
    settings = read(tmp_path, "")
    assert settings.data.sources("orders") == settings.data.sources("rates") == []
    assert (settings.data.engine, Table(path="orders.csv").rows, settings.report.plugins) == (None, "orders", [])
    assert (settings.report.every, settings.report.timezone, settings.report.languages) == ("month", None, ["en"])
    rules = settings.definitions
    assert (rules.basis, rules.count, rules.csat_top, rules.min_n, rules.zero_orders) == (
        None,
        "orders",
        None,
        1,
        "ignore",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[reprot]\n", "there is no setting 'reprot': did you mean 'report'?"),
        ("[report]\ntimezon = 'UTC'", "[report] has no setting 'timezon': did you mean 'timezone'?"),
        ("[data]\norder = 'o.csv'", "[data] has no setting 'order': did you mean 'orders'?"),
        ("[data.orders]\npaht = 'o.csv'", "[data.orders] has no setting 'paht': did you mean 'path'?"),
        ("[[data.orders]]\npath = 'o.csv'\nwher = ''", "[data.orders] has no setting 'wher': did you mean 'where'?"),
        ("[report]\nevery = 'monthly'", "report.every cannot be 'monthly': did you mean 'month'?"),
        ("[report]\nformats = ['docx']", "report.formats cannot be 'docx': choose from html, pdf, brief."),
        ("[definitions]\nbasis = 'order'", "definitions.basis cannot be 'order': did you mean 'orders'?"),
        (
            "[[data.responses]]\npath = 'r.csv'\nsurvey = 'npc'",
            "data.responses.survey cannot be 'npc': did you mean 'nps'?",
        ),
        ("[data]\nrate = 'r.csv'", "[data] has no setting 'rate': did you mean 'rates'?"),
        ("[data]\nengin = 'sqlite:///s.db'", "[data] has no setting 'engin': did you mean 'engine'?"),
        ("[data.rates]\npath = 'r.csv'\ncolumn = {}", "[data.rates] has no setting 'column': did you mean 'columns'?"),
        ("[data.orders]\npath = 'o.csv'\nrow = 'lines'", "[data.orders] has no setting 'row': did you mean 'rows'?"),
        ("[data.orders]\npath = 'o.csv'\nrows = 'line'", "data.orders.rows cannot be 'line': did you mean 'lines'?"),
        ("[data.rates]\npath = 'r.csv'\nrows = 'lines'", 'data.rates.rows: only orders may be given as "lines".'),
        ("[report]\nplugin = ['m.py']", "[report] has no setting 'plugin': did you mean 'plugins'?"),
        (
            "[data]\nengine = 'postgresql://shop:secret@db/shop'",
            "data.engine holds a password: write ${PGPASSWORD} for it and set that in the environment.",
        ),
        ("[mail]\nfrm = 'a@b.c'", "[mail] has no setting 'frm': did you mean 'from'?"),
        (
            "[mail]\nsender = 'a@b.c'",
            "[mail] has no setting 'sender': choose from from, to, recipients, link, unsubscribe, owner, attach_limit, allowed_hosts, keep_outbox.",
        ),
        (
            "[mail]\nfrom = 'reports'",
            "mail.from: 'reports' is no email address: write it like Ann Lee <ann@example.com>.",
        ),
        ("[mail]\nto = 'a@b.c'", "mail.to: write a list in brackets, not text in quotation marks."),
        ("[mail]\nto = ['a@b.c', 'b@']", "mail.to: 'b@' is no email address: write it like Ann Lee <ann@example.com>."),
        (
            "[mail]\nowner = 'a@b.c, d@e.f'",
            "mail.owner: 'a@b.c, d@e.f' is no email address: write it like Ann Lee <ann@example.com>.",
        ),
        (
            "[[mail.recipients]]\nto = ['x']",
            "mail.recipients.to: 'x' is no email address: write it like Ann Lee <ann@example.com>.",
        ),
        ("[[mail.recipients]]\ntoo = []", "[mail.recipients] has no setting 'too': did you mean 'to'?"),
        ("[[mail.recipients]]\nsegment = 'a=b'", "mail.recipients[0]: the key 'to' is missing."),
        (
            "[[mail.recipients]]\nto = ['a@b.c']\nsegment = 'France'",
            "mail.recipients.segment cannot be 'France': write it like \"country=France\".",
        ),
        ("[mail]\nlink = 'ftp://x'", "mail.link cannot be 'ftp://x': write it like https://example.com/reports."),
        (
            "[mail]\nlink = 'https://x/a b'",
            "mail.link cannot be 'https://x/a b': write it like https://example.com/reports.",
        ),
        (
            "[mail]\nunsubscribe = 'mailto:nonsense'",
            "mail.unsubscribe: 'nonsense' is no email address: write it like Ann Lee <ann@example.com>.",
        ),
        (
            "[mail]\nunsubscribe = 'http://x'",
            "mail.unsubscribe cannot be 'http://x': write it like https://example.com/reports or leave@example.com.",
        ),
        (
            '[mail]\nunsubscribe = "a@b.c>\\nBcc: x@y.z"',
            "mail.unsubscribe cannot be 'a@b.c>\\nBcc: x@y.z': write it like https://example.com/reports or leave@example.com.",
        ),
        ("[mail]\nattach_limit = '5 gigs'", "mail.attach_limit: not a size, write it like 5MB."),
        ("[data]\nengine = 'mysql://shop:secret@db/shop'", f"data.engine: mysql cannot be read yet, use {KNOWN}."),
        ("[data]\nengine = 'shop.db'", f"data.engine is no address of a database: use {KNOWN}."),
        (
            "[data]\nengine = 'snowflake://shop/wh'",
            f"data.engine: snowflake cannot be read yet, use {KNOWN}.",
        ),
        (
            "[data]\nengine = 'postgresql://db/shop?user=a&password=s3cret'",
            "data.engine holds a secret, password: write ${PASSWORD} for it and set that in the environment.",
        ),
        (
            "[data]\nengine = 'spark://h:7077/;token=s3${CR}et'",
            "data.engine holds a secret, token: write ${TOKEN} for it and set that in the environment.",
        ),
        ("[data]\nengine = 'shop:s3cret@db://x'", f"data.engine is no address of a database: use {KNOWN}."),
        ("[data]\nengine = 'sc://host'", f"data.engine: sc cannot be read yet, use {KNOWN}."),
        ("[mail]\nkeep_outbox = 'forever'", "mail.keep_outbox: not a span of time, write it like 1 year."),
        ("[report]\nlanguages = []", "report.languages: name one at least."),
        ("[report]\nformats = []", "report.formats: name one at least."),
        ("[data]\nmemory_limit = '0GB'", "data.memory_limit: not a size, write it like 6GB."),
        ("[data]\nmemory_limit = '0.0 MiB'", "data.memory_limit: not a size, write it like 6GB."),
        ("[data]\nmemory_limit = '6'", "data.memory_limit: not a size, write it like 6GB."),
        ("[data]\nengine = 'postgresql://'", "data.engine names no host: write postgresql://…."),
        ("[data]\nengine = 'sqlite://shop.db'", "data.engine names no file: write sqlite:///FILE."),
        ("[definitions]\nmin_n = 'few'", "definitions.min_n: write a whole number, not text in quotation marks."),
        ("[definitions]\nmin_n = 0", "definitions.min_n: write a whole number of at least 1."),
        (
            "[[alerts]]\nname = 'Lost'\nwhen = 'mrr < 5'\nthen = 'exit'",
            "alerts.Lost.then: write a list in brackets, not text in quotation marks.",
        ),
        (
            "[[alerts]]\nname = 'Lost'\nwhen = 'mrr < 5'\nfor = '2'",
            "alerts.Lost.for: write a whole number, not text in quotation marks.",
        ),
        ("[[alerts]]\nname = 'Lost'", "alerts.Lost: the key 'when' is missing."),
        (
            "[[follow_ups]]\nname = 'Ask'\nwhen = 'detractor within 2 days'\ncontrol = 2",
            "follow_ups.Ask.control: write a number below 1.",
        ),
        (
            "[[follow_ups]]\nname = 'Ask'\nwhen = 'detractor within 2 days'\ncap = 0",
            "follow_ups.Ask.cap: write a whole number of at least 1.",
        ),
        ("[goals.mrr]\ntarget = 5\nby = 2026", "goals.mrr.by: write text in quotation marks, not a whole number."),
        ("[goals.mrr]\ntarget = 5\nby = 2026-12-31", "goals.mrr.by: write text in quotation marks, not a date."),
        ("[goals.mrr]\ntarge = 1", "[goals.mrr] has no setting 'targe': did you mean 'target'?"),
        (
            "[goals.mrr]\ntarget = 1\nby = '2011-13'",
            "goals.mrr.by: '2011-13' is not a period: the calendar has no such month.",
        ),
        (
            "[report]\ntimezone = 'Europe/Londn'",
            "There is no time zone 'Europe/Londn': use an IANA name such as Europe/London.",
        ),
        (
            "[data.orders]\npath = 'o.csv'\ntimezone = '../UTC'",
            "There is no time zone '../UTC': use an IANA name such as Europe/London.",
        ),
    ],
)
def test_a_mistake_is_one_sentence_with_its_place(tmp_path, text, message):
    with pytest.raises(SettingsError) as error:
        read(tmp_path, text)
    assert str(error.value) == f"retention.toml: {message}"


@pytest.mark.parametrize(
    "engine",
    [
        "postgresql://${USER}:${PASS}@db/shop?sslkey=client.key&sslmode=require",
        "postgresql://db/shop?password=${PASS}&user=a",
        "spark://h:7077/;token=${TOKEN}",
        "${SHOP}",
    ],
)
def test_secrets_may_be_variables(tmp_path, engine):
    assert read(tmp_path, f"[data]\nengine = '{engine}'\nmemory_limit = '0.5 GiB'").data.engine == engine


def test_of_an_address_scheme_and_host_are_mask_url():
    assert mask_url("postgresql://a:b@db:5432/shop?password=c") == "postgresql://db:5432"
    assert mask_url("spark://h:7077;token=c") == "spark://h:7077"


@pytest.mark.parametrize("content", [b"[report\n", b"[report]\ncompany = '\xff'"])
def test_what_is_no_toml_is_named(tmp_path, content):
    path = tmp_path / "retention.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"^retention\.toml is not valid TOML: "):
        read_settings(path)


def test_a_required_key_is_missed_by_name():
    with pytest.raises(SettingsError, match=r"^goals.mrr needs a target, such as"):
        make_settings({"goals": {"mrr": {"by": "2011"}}})


def test_overriding_replaces_a_key_and_leaves_the_rest():
    before = make_settings({"report": {"company": "Example Ltd"}, "definitions": {"min_n": 5}})
    after = override(before, {"currency": "EUR", "basis": "orders", "as_of": "2011-12-10"})
    assert (after.report.company, after.definitions.min_n) == ("Example Ltd", 5)
    assert (after.report.currency, after.definitions.basis) == ("EUR", "orders")
    assert after.report.as_of == date(2011, 12, 10)
    assert before.report.currency == "XXX", "settings are never changed in place"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"time_zone": "UTC"}, "There is no setting 'time_zone': did you mean 'timezone'?"),
        ({"every": "day"}, "report.every cannot be 'day': choose from week, month, quarter, year."),
        ({"as_of": "soon"}, "report.as_of: "),
    ],
)
def test_overriding_is_checked_alike(values, message):
    with pytest.raises(SettingsError) as error:
        override(Settings(), values)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("name", "choices", "expected"),
    [
        ("Country", ["country", "channel"], "did you mean 'country'?"),
        ("amount_gbp", ["Amount", "city"], "did you mean 'Amount'?"),
        ("xyz", ["country", "channel"], "choose from country, channel."),
        ("xyz", [], "there is none to choose from."),
    ],
)
def test_the_nearest_choice_ends_the_sentence(name, choices, expected):
    assert did_you_mean(name, choices) == expected


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ann@example.com", ("ann@example.com", "")),
        (" Ann Lee <ann.lee+x@Example.COM> ", ("ann.lee+x@example.com", "Ann Lee")),
        ('"Lee, Ann" <a@b.c>', ("a@b.c", "Lee, Ann")),
        ("Jörg <joerg@münchen.example>", ("joerg@xn--mnchen-3ya.example", "Jörg")),
        ("رضا\u200cپور <r@example.com>", ("r@example.com", "رضا\u200cپور")),
        ("O'Neil (board) <o'neil@x.ie>", ("o'neil@x.ie", "O'Neil (board)")),
        ("root@localhost", ("root@localhost", "")),
    ],
)
def test_an_address_is_parsed(text, address):
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "@b.c",
        "a@",
        "a b@c.d",
        "a@b@c.d",
        "a..b@c.d",
        ".a@c.d",
        "a@-b.c",
        "a@b_c.d",
        "a@[127.0.0.1]",
        "<a@b.c",
        "a@b.c, d@e.f",
        "a@b.c\nBcc: x@y.z",
        "Ann\r\nBcc: x@y.z <a@b.c>",
        "Ann\u202e <a@b.c>",
        "a@b\u2028.c",
        "Ann\0 <a@b.c>",
        "x" * 65 + "@b.c",
        "a@" + "b." * 130 + "c",
        "a@" + "b" * 64 + ".c",
    ],
)
def test_a_text_that_is_no_address_is_refused(text):
    with pytest.raises(SettingsError, match="is no email address: write it like"):
        parse_address(text)


def test_an_address_that_many_servers_refuse():
    with pytest.raises(SettingsError, match="before the @ only ASCII letters are taken"):
        parse_address("jörg@example.com")


def test_a_domain_that_may_be_two():
    with pytest.raises(SettingsError, match=r"straße\.example may name two domains: write it in ASCII"):
        parse_address("a@straße.example")
    assert parse_address("a@xn--strae-oqa.example")[0] == "a@xn--strae-oqa.example"


def test_one_person_is_addressed_once_for_each_message():
    groups = [{"to": ["ANN@example.com", "ann@example.com"], "segment": "country=France"}]
    settings = make_settings({"mail": {"to": ["ann@example.com", "Ann <Ann@Example.com>"], "recipients": groups}})
    assert settings.mail.addressed() == [
        Recipient("ann@example.com"),
        Recipient("ANN@example.com", segment="country=France"),
    ]
    assert override(settings, {"every": "week"}).mail == settings.mail
