"""Exports of other products: recognised, mapped and counted, in the settings as in memory; and what is none, a
sentence.
"""

import csv
import gzip
import io
import re
import tomllib
import zipfile
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import retention_kit as rk
from exports import CASES
from pencil import value
from retention_kit.cli import main
from retention_kit.data.importing.questions import read_questions
from retention_kit.data.importing.settings_text import toml_text
from retention_kit.data.layouts.layout import layouts, recognise
from retention_kit.errors import DataError
from retention_kit.report.page import Page
from retention_kit.settings import read_settings
from test_sources import write_workbook

USABLE = sorted(name for name, layout in layouts().items() if not layout.refused)


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_export(folder: Path, name: str, **changed: str) -> Path:
    text = CASES[name].text
    for old, new in changed.items():
        text = text.replace(old, new)
    path = folder / CASES[name].name
    path.write_text(text, "utf-8")
    return path


def left_out(data) -> dict[str, int]:
    counts = data.quality[data.quality["check"].str.startswith("left out: ")].groupby("check")["rows"].sum()
    return {check.removeprefix("left out: "): rows for check, rows in counts.items()}


@pytest.mark.long
@pytest.mark.parametrize("name", USABLE)
def test_every_layout_gives_the_right_figures(project, name, capsys):
    """By two commands without a line of SQL, and the same in memory."""
    case, path = CASES[name], write_export(project, name)
    assert main(["import", path.name]) == 0
    output = capsys.readouterr().out
    assert f"({name})" in output
    for data in (rk.load("retention.toml"), rk.load(path)):
        figures = {metric: value(data, metric, case.period) for metric in case.figures}
        assert figures == pytest.approx(case.figures)
        assert {
            reason: rows for reason, rows in left_out(data).items() if "row of the header" not in reason
        } == case.left
        limits = data.quality.loc[data.quality["check"] == "limit of the export", "effect"]
        assert all(any(note in effect for effect in limits) for note in layouts()[name].notes)
    for reason in case.left:
        assert re.search(rf"left out: \d+ {reason}\n", output)
    for note in [*layouts()[name].notes, *filter(None, [layouts()[name].uncertain])]:
        assert note in output


@pytest.mark.parametrize("name", USABLE)
def test_a_header_is_recognised_by_a_part_of_it_and_in_any_case(name):
    layout = layouts()[name]
    header = CASES[name].text.splitlines()[0].replace('"', "").split(",")
    assert recognise(header) is layout
    assert recognise([column.upper() for column in header] + ["Another column"]) is layout


@pytest.mark.parametrize("name", USABLE)
def test_a_file_that_is_not_of_the_layout_asked_for_is_a_sentence(project, name, capsys):
    (project / "other.csv").write_text("kind,colour\na,b\n", "utf-8")
    assert main(["import", "other.csv", "--layout", name]) == 2
    message = capsys.readouterr().err
    assert re.fullmatch(rf"retention-kit: other\.csv is not .* \({name}\): .*it has kind, colour\.\n", message)
    assert not (project / "retention.toml").exists()


@pytest.mark.parametrize("name", USABLE)
def test_an_empty_export_is_a_sentence(project, name, capsys):
    (project / "export.csv").write_text(CASES[name].text.splitlines()[0] + "\n", "utf-8")
    assert main(["import", "export.csv", "--layout", name]) == 2
    assert "export.csv" in capsys.readouterr().err
    assert not (project / "retention.toml").exists()


def test_a_missing_column_is_named_with_the_nearest(project, capsys):
    write_export(project, "chargebee_subscriptions", customer_id="customer_name", plan_amount="plan_amnt")
    assert main(["import", "export.csv", "--layout", "chargebee_subscriptions"]) == 2
    assert "it lacks customer_id, plan_amount" in capsys.readouterr().err


def test_an_export_of_no_use_names_the_right_one(project, capsys):
    header = "id,Type,Source,Amount,Fee,Net,Currency,Created (UTC),Available On (UTC),Description"
    (project / "balance.csv").write_text(
        f"{header}\nt,charge,c,1,0,1,usd,2024-01-05 10:00,2024-01-07 10:00,x\n", "utf-8"
    )
    assert main(["import", "balance.csv"]) == 2
    assert "names no customer" in (message := capsys.readouterr().err)
    assert "export of payments" in message
    with pytest.raises(DataError, match="export of payments"):
        rk.load(project / "balance.csv")


def test_an_unknown_layout_names_the_nearest(project, capsys):
    write_export(project, "shopify_orders")
    assert main(["import", "export.csv", "--layout", "shopify_order"]) == 2
    assert "did you mean 'shopify_orders'?" in capsys.readouterr().err


def test_the_list_names_every_layout(capsys):
    assert main(["import", "--list"]) == 0
    output = capsys.readouterr().out
    assert [name for name in layouts() if name not in output] == []


SETTINGS = """\
# Ours, by hand.
[report]  # of the shop
company = "Shop"   # as customers know us

[data]
{data}
[definitions]
min_n = 2
"""


@pytest.mark.long
@pytest.mark.parametrize(
    "data",
    ["", "[data.orders]\npath = 'own.csv'\n", "orders = 'own.csv'\n", "[[data.orders]]\npath = 'own.csv'\n"],
    ids=["none", "long", "short", "list"],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_what_the_user_wrote_stays(project, data, newline):
    """Comments, keys and line ends stay; a source that was there is the first of two."""
    (project / "own.csv").write_text("customer_id,ordered_at,amount,currency\nz,2024-01-02,1,USD\n", "utf-8")
    text = (
        SETTINGS.format(data=data)
        if "[data.orders]" not in data
        else SETTINGS.replace("[data]\n", "").format(data=data)
    )
    (project / "retention.toml").write_text(text, "utf-8", newline=newline)
    path = write_export(project, "shopify_orders")
    assert main(["import", path.name]) == 0
    after = (project / "retention.toml").read_bytes().decode()
    assert after.count("\n") == after.count(newline)
    for line in (
        "# Ours, by hand.",
        "[report]  # of the shop",
        'company = "Shop"   # as customers know us',
        "min_n = 2",
    ):
        assert line in after
    settings = read_settings(project / "retention.toml")
    assert (settings.report.company, settings.report.currency) == ("Shop", "USD")
    assert value(rk.load(project), "revenue", "2024-01") == 109 + bool(data)


def test_an_export_is_mapped_once(project, capsys):
    path = write_export(project, "shopify_orders")
    assert main(["import", path.name]) == 0
    before = (project / "retention.toml").read_bytes()
    assert main(["import", path.name]) == 0
    assert "mapped in retention.toml already" in capsys.readouterr().out
    assert (project / "retention.toml").read_bytes() == before


def test_nothing_is_written_where_one_of_the_files_cannot_be_used(project, capsys):
    write_export(project, "shopify_orders")
    (project / "other.csv").write_text("kind,colour\na,b\n", "utf-8")
    assert main(["import", "export.csv", "other.csv"]) == 2
    assert "other.csv is no export that is known" in capsys.readouterr().err
    assert sorted(path.name for path in project.iterdir()) == ["export.csv", "other.csv"]


def test_a_folder_of_exports_is_loaded_as_it_is(project):
    for name in ("shopify_orders", "surveymonkey"):
        (project / f"{name}.csv").write_text(CASES[name].text, "utf-8")
    data = rk.load(project)
    assert (value(data, "revenue", "2024-01"), value(data, "net_promoter_score", "2024-01")) == (109, 0)


def test_what_no_layout_fits_gets_a_proposal_with_its_guesses_marked(project, capsys):
    (project / "sales.csv").write_text(
        'Invoice No,Client Email,Invoice Date,Net Total,Currency\n7,a@example.com,13/01/2024,"$1,200.50",USD\n8,b@example.com,05/01/2024,$3.00,USD\n',
        "utf-8",
    )
    assert main(["import", "sales.csv"]) == 0
    assert "guessed" in capsys.readouterr().out
    assert (project / "retention.toml").read_text("utf-8").count("# guess") == 5
    assert value(rk.load(project), "revenue", "2024-01") == 1203.5


def _sources(project, text: str) -> dict:
    (project / "theirs.csv").write_text(text, "utf-8")
    assert main(["import", "theirs.csv"]) == 0
    return tomllib.loads((project / "retention.toml").read_text("utf-8"))["data"]


TITLES = ("Shop export", "Shop export;;;;", ";;Shop export;;", "Shop, export;;;;", "From 1,5 to 2,5", "a;b")


@pytest.mark.parametrize("cell", ["1234,56", "1.234,56", '"1.234,56"', "12"])
@pytest.mark.parametrize("titles", [(), *((title,) for title in TITLES), TITLES[:3]])
def test_a_title_above_an_unknown_header_is_none(project, titles, cell):
    """Excel pads a title with as many delimiters as the table has; amounts may have the other sign."""
    rows = [f"C{row};R{row};0{row}.01.2024;{cell};Oman" for row in range(1, 6)]
    text = "\n".join([*titles, "Customer;Invoice no;Day;Sum (EUR);Land", *rows])
    ((source),) = _sources(project, text)["orders"]
    assert source["columns"]["customer_id"] == "Customer"
    assert source["columns"]["amount"] == "Sum (EUR)"


LINES = "invoice_no,client,invoice_date,stock_code,{quantity},{price}\n" + "".join(
    f"{invoice},C{invoice},2024-01-0{invoice},{product},2,{price}\n"
    for invoice in (1, 2, 3)
    for product, price in (("tea", "1.50"), ("jam", "4.00"))
)


@pytest.mark.parametrize("quantity", ["quantity", "Qty", "units", "الكمية"])
@pytest.mark.parametrize("price", ["unit_price", "Price", "سعر الوحدة"])
def test_the_price_of_one_piece_is_taken_times_the_pieces(project, quantity, price):
    """3 orders of 2 × 1.50 + 2 × 4.00."""
    _sources(project, LINES.format(quantity=quantity, price=price))
    data = rk.load(project)
    assert (value(data, "revenue", "2024-01"), value(data, "average_purchase_value", "2024-01")) == (33, 11)


@pytest.mark.parametrize(("quantity", "price"), [("quantity", "line_price"), ("quantity", "total"), ("size", "price")])
def test_the_price_of_all_pieces_is_taken_as_it_is(project, quantity, price):
    _sources(project, LINES.format(quantity=quantity, price=price))
    assert value(rk.load(project), "revenue", "2024-01") == 16.5


def test_an_order_that_is_written_again_has_no_lines(project):
    rows = "".join(f"{order},C1,2024-01-0{order},tea,5\n" for order in (1, 1, 2, 2))
    (source,) = _sources(project, f"order_no,client,order_date,product,total\n{rows}")["orders"]
    assert "rows" not in source
    assert value(rk.load(project), "revenue", "2024-01") == 10


@pytest.mark.parametrize(
    "header",
    [
        "client,plan,start_date,end_date,price,billing_cycle,status",
        "account_id,plan,Started,Cancelled at,monthly fee,billing period,state",
        "رقم العميل,plan,تاريخ البداية,تاريخ النهاية,السعر,دورة الفوترة,الحالة",
    ],
)
def test_what_begins_and_ends_is_proposed_as_subscriptions(project, header):
    """240 a year and 10 a month, of which the 240 ended; one word of status is known."""
    rows = "A,Pro,2024-01-05,2024-03-05,240,yearly,cancelled\nB,Basic,2024-01-10,,10,monthly,active\n"
    (source,) = _sources(project, f"{header}\n{rows}")["subscriptions"]
    assert source["keep"] == []
    data = rk.load(project, as_of="2024-05-01")
    assert [value(data, "mrr", f"2024-0{month}") for month in (1, 3)] == [30, 10]


@pytest.mark.parametrize(
    ("header", "survey"), [("Date,Email,NPS,Comment", "nps"), ("submitted,customer,nps_score,why", "nps")]
)
def test_answers_are_proposed_as_responses(project, header, survey):
    rows = "2024-01-05,a@example.com,10,good\n2024-01-06,b@example.com,0,bad\n2024-01-07,c@example.com,9,\n"
    (source,) = _sources(project, f"{header}\n{rows}")["responses"]
    assert source["survey"] == survey
    assert value(rk.load(project), "net_promoter_score", "2024-01") == pytest.approx(100 / 3)


@pytest.mark.parametrize(
    "times", [("1704456000", "1704542400"), ("1704456000000", "1704542400000"), ("45296.5", "45297.5")]
)
def test_times_written_as_numbers_are_proposed_as_times(project, times):
    rows = "".join(f"{row},C{row},{time},{row}\n" for row, time in enumerate(times, start=1))
    _sources(project, f"order_id,client,created,total\n{rows}")
    assert value(rk.load(project), "revenue", "2024-01") == 3


@pytest.mark.parametrize("name", ["Currency", "refunded", "Order_ID"])
def test_a_column_called_like_one_of_ours_is_not_kept_beside_it(project, name):
    """Its name is that of our column, which `keep` cannot name."""
    rows = "".join(f"A{row},C{row},2024-01-0{row},{row},{('', 'none')[row % 2]}\n" for row in range(1, 7))
    (source,) = _sources(project, f"invoice_id,client,day,total,{name}\n{rows}")["orders"]
    assert source["keep"] == []


def test_numbers_of_orders_are_no_times(project):
    rows = "1704456000,C1,2024-01-05,1\n1704542400,C2,2024-01-06,2\n"
    (source,) = _sources(project, f"Ref,client,day,total\n{rows}")["orders"]
    assert source["columns"]["ordered_at"] == "day"


def test_a_header_in_arabic_gets_a_proposal(project):
    rows = "".join(f'{row},C{row},2024-01-0{row},"{row}٫50"\n' for row in (1, 2))
    _sources(project, f"رقم الفاتورة,اسم العميل,تاريخ الفاتورة,الإجمالي\n{rows}")
    assert value(rk.load(project), "revenue", "2024-01") == 4


# Questions


@pytest.mark.parametrize(
    ("text", "answers", "survey", "is_sure"),
    [
        ("How likely are you to recommend us?", ["10", "3", "7"], "nps", True),
        ("How likely are you to recommend us?", ["10 - Extremely likely", "0 - Not at all likely"], "nps", True),
        ("From 0 to 10, would you recommend us?", ["4", "5"], "nps", True),
        ("I would recommend this course", ["1", "5", "4"], "nps", False),
        ("I would recommend this course (1 to 5)", ["1", "5", "4"], "nps", False),
        ("Would you recommend a feature?", ["Yes", "No"], None, None),
        ("How likely are you to recommend us? - Group", ["Promoter", "Passive"], None, None),
        ("Q1_NPS_GROUP", ["Promoter"], None, None),
        ("ما مدى احتمال أن توصي بنا؟", ["9", "10"], "nps", True),
        ("How satisfied are you?", ["1", "5"], "csat", True),
        ("How satisfied are you?", ["Very satisfied", "Dissatisfied"], "csat", True),
        ("How satisfied are you, 1-10?", ["3", "4"], "csat", True),
        ("How satisfied are you?", ["1", "6"], "csat", False),
        ("ما مدى رضاك؟", ["1", "5"], "csat", True),
        ("The company made it easy to solve my issue", ["Strongly agree", "Disagree"], "ces", True),
        ("How much effort, 1 to 7?", ["2", "3"], "ces", True),
        ("How easy was it?", ["2", "3"], "ces", False),
        ("How many people work for you?", ["2", "3"], None, None),
        ("How would you rate the food?", ["2", "3"], "csat", False),
    ],
)
def test_wording_proposes_and_the_range_disposes(text, answers, survey, is_sure):
    questions = read_questions([("column", text, answers)])
    assert [(question.survey, not question.doubt) for question in questions] == ([(survey, is_sure)] if survey else [])


def test_of_one_survey_only_the_first_question_is_sure():
    answers = ["10", "0"]
    questions = read_questions([("a", "Recommend us?", answers), ("b", "Recommend our shop?", answers)])
    assert [bool(question.doubt) for question in questions] == [False, True]


def test_an_unsure_question_is_written_out_to_choose(project):
    write_export(
        project,
        "typeform",
        **{"How likely are you to recommend us?": "I would recommend this course", "10,": "4,", "9,": "5,"},
    )
    text = (project / "export.csv").read_text("utf-8").replace(",6,", ",2,")
    (project / "export.csv").write_text(text, "utf-8")
    assert main(["import", "export.csv"]) == 0
    written = (project / "retention.toml").read_text("utf-8")
    assert "# Unsure: " in written
    assert "# [[data.responses]]" in written


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_stands_in_toml(text):
    import tomllib

    assert tomllib.loads(f"key = {toml_text(text)}")["key"] == text


@pytest.mark.parametrize("name", ["stripe_subscriptions", "baremetrics_import"])
def test_movements_of_todays_prices_say_so(project, name):
    captions = [block.data["caption"] for block in Page("2024-01", data=rk.load(write_export(project, name))).mrr()]
    assert captions
    assert all("expansion and contraction cannot be seen" in caption for caption in captions)


@pytest.mark.long
@pytest.mark.parametrize("name", USABLE)
def test_an_export_saved_as_a_workbook_gives_the_same(tmp_path, name):
    """Spreadsheet programs make numbers, truths and times of what looks like them."""
    case = CASES[name]
    rows = list(csv.reader(case.text.splitlines(keepends=True)))
    data = rk.load(
        write_workbook(tmp_path / "export.xlsx", Sheet1=[rows[0], *([cell(text) for text in row] for row in rows[1:])])
    )
    figures = {metric: value(data, metric, case.period) for metric in case.figures}
    assert figures == pytest.approx(case.figures)
    assert {reason: rows for reason, rows in left_out(data).items() if "row of the header" not in reason} == case.left


def cell(text: str) -> object:
    if text in ("True", "False"):
        return text == "True"
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return float(text) if "." in text else int(text)
    if re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", text):
        return datetime.fromisoformat(text)
    return text.replace("&", "&amp;") or None


def test_of_an_export_only_what_its_layout_names_splits_the_figures(project):
    """No names, addresses and emails; a further column is a line in the settings."""
    path = write_export(project, "shopify_orders")
    assert set(rk.load(path).segments) == {"country", "channel"}
    main(["import", path.name])
    settings = project / "retention.toml"
    settings.write_text(settings.read_text("utf-8").rstrip() + '\nmug = "Lineitem name"\n', "utf-8")
    assert set(rk.load(project).segments) == {"country", "channel", "mug"}


# Files as they come


def rewritten(text: str, folder: Path, name: str, delimiter: str, encoding: str, packing: str) -> Path:
    """The same rows in another way of writing."""
    rows = csv.reader(text.splitlines(keepends=True))
    lines = io.StringIO()
    csv.writer(lines, delimiter=delimiter).writerows(rows)
    data = lines.getvalue().encode(encoding)
    path = folder / f"export.{name}"
    path.write_bytes(data)
    if packing == "gz":
        path = path.with_name(path.name + ".gz")
        path.write_bytes(gzip.compress(data))
    elif packing == "zip":
        path = path.with_name(path.name + ".zip")
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"export.{name}", data)
    return path


WAYS = [
    ("csv", ";", "utf-8", ""),
    ("tsv", "\t", "utf-16", ""),
    ("txt", "\t", "utf-8-sig", ""),
    ("txt", ",", "utf-8", "zip"),
    ("csv", ",", "utf-16", "gz"),
    ("csv", "|", "utf-8", "zip"),
]


@pytest.mark.long
@pytest.mark.parametrize(("number", "name"), list(enumerate(USABLE)))
def test_an_export_is_imported_however_its_file_is_written(project, number, name):
    """Each layout in two of the ways."""
    case = CASES[name]
    for way in (WAYS[number % len(WAYS)], WAYS[(number + 1 + number // len(WAYS)) % len(WAYS)]):
        path = rewritten(case.text, project, *way)
        (project / "retention.toml").unlink(missing_ok=True)
        assert main(["import", path.name]) == 0
        data = rk.load("retention.toml")
        assert {metric: value(data, metric, case.period) for metric in case.figures} == pytest.approx(case.figures), way


@pytest.mark.long
@pytest.mark.parametrize("name", USABLE)
def test_without_any_one_column_an_export_is_imported_or_a_sentence(project, name, capsys):
    """Whatever column is lost, there is no traceback, and nothing is written by halves."""
    rows = [*csv.reader(CASES[name].text.splitlines(keepends=True))]
    path = project / "export.csv"
    for lost in range(len(rows[0])):
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([cell for index, cell in enumerate(row) if index != lost] for row in rows)
        code = main(["import", "export.csv"])
        message = capsys.readouterr().err
        assert (code, (project / "retention.toml").exists()) in ((0, True), (2, False)), rows[0][lost]
        assert re.fullmatch(r"retention-kit: .*export\.csv[^\n]+\n" if code else "", message), message
        assert sorted(path.name for path in project.iterdir() if path.name != "retention.toml") == ["export.csv"]
        (project / "retention.toml").unlink(missing_ok=True)


KEPT = {"Plan tier": ["Basic", "Pro"], "Fulfilment": ["done", "late"], "Newsletter": ["yes", "no"]}
UNKEPT = {
    "Ship street": ["1 High St", "2 Low St"],
    "Phone": ["+44 20 7946 0000", "+44 20 7946 0001"],
    "IP": ["10.0.0.1", "10.0.0.2"],
    "Where": ["https://a.example", "https://b.example"],
    "Reach": ["a@x.example", "b@x.example"],
    "Remark": ["good", "bad"],
    "Items": ["1", "2"],
    "Weight": ["1.50", "2.50"],
    "Printed": ["2024-01-05", "2024-01-06"],
    "Same": ["x", "x"],
    "Nothing": ["", ""],
    "Said": ["we were very glad to be there again", "we were not at all glad to be there"],
    "Handed": ["05.01.2024", "06.01.2024"],
}


@pytest.mark.parametrize("name", ["shopify_orders", None])
def test_what_is_kept_is_written_to_be_seen_and_edited(project, name):
    """Few words, each of several rows, that name nobody; of a known export and of a guessed one."""
    more = KEPT | UNKEPT
    if name:
        header, *rows = csv.reader(CASES[name].text.splitlines(keepends=True))
    else:
        header = ["Invoice No", "Client Email", "Invoice Date", "Net Total"]
        rows = [[str(index), f"c{index}@x.example", f"2024-01-{index + 10}", "1.50"] for index in range(8)]
    with (project / "export.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerow([*header, *more])
        csv.writer(file).writerows(
            [*row, *(values[index % 2] for values in more.values())] for index, row in enumerate(rows)
        )
    assert main(["import", "export.csv"]) == 0
    (source,) = read_settings(project / "retention.toml").data.sources("orders")
    assert source.keep == [*KEPT]
    assert 'keep = ["Plan tier", "Fulfilment", "Newsletter"]  # further columns' in (
        project / "retention.toml"
    ).read_text("utf-8")
    assert set(KEPT) <= set(rk.load(project).segments)
    assert not set(UNKEPT) & set(rk.load(project).segments)


OVERLAPPING = ["surveymonkey", "qualtrics", "typeform", "delighted"]


@pytest.mark.long
@pytest.mark.parametrize("name", OVERLAPPING)
def test_an_answer_in_two_exports_counts_once(project, name):
    """The second export begins in the middle of the first."""
    case = CASES[name]
    rows = [*csv.reader(case.text.splitlines(keepends=True))]
    header = layouts()[name].read.header_rows
    for export, lines in (("a.csv", rows), ("b.csv", rows[:header] + rows[header + 1 :])):
        with (project / export).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(lines)
    assert main(["import", "a.csv", "b.csv"]) == 0
    data = rk.load(project)
    assert {metric: value(data, metric, case.period) for metric in case.figures} == pytest.approx(case.figures)
    quality = data.quality.set_index("check")
    assert quality.loc["same response_id", "rows"].sum() > 0
    assert "the exports overlap" in quality.loc["same response_id", "effect"]
