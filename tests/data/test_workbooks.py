"""Workbooks that are small only while they are packed, or that are none."""

import zipfile

import pytest

import retention_kit as rk
from pencil import checks
from retention_kit.data.readers import workbooks
from retention_kit.data.readers.workbooks import check_workbook
from retention_kit.errors import DataError

TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" '
    'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override '
    'PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>'
)
REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
RELS = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}</Relationships>'
BOOK = (
    f'<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="{REL}">'
    '<sheets><sheet name="orders" sheetId="1" r:id="rId1"/></sheets></workbook>'
)


def cell(reference, text):
    return f'<c r="{reference}" t="inlineStr"><is><t>{text}</t></is></c>'


HEAD = "".join(
    cell(f"{column}1", name) for column, name in zip("ABC", ("customer_id", "ordered_at", "amount"), strict=True)
)
ROW = "".join(cell(f"{column}2", text) for column, text in zip("ABC", ("007", "2024-01-05", "3"), strict=True))


def _merged(ranges):
    cells = "".join(f'<mergeCell ref="{reference}"/>' for reference in ranges)
    return f"<mergeCells>{cells}</mergeCells>" if cells else ""


def workbook(path, more="", rows=f'<row r="1">{HEAD}</row><row r="2">{ROW}</row>', parts=None, merged=()):
    sheet = (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        f"{rows}{more}</sheetData>{_merged(merged)}</worksheet>"
    )
    contents = {
        "[Content_Types].xml": TYPES,
        "_rels/.rels": RELS.format(f'<Relationship Id="rId1" Type="{REL}/officeDocument" Target="xl/workbook.xml"/>'),
        "xl/workbook.xml": BOOK,
        "xl/_rels/workbook.xml.rels": RELS.format(
            f'<Relationship Id="rId1" Type="{REL}/worksheet" Target="worksheets/sheet1.xml"/>'
        ),
        "xl/worksheets/sheet1.xml": sheet,
    } | (parts or {})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        for name, content in contents.items():
            book.writestr(name, content)
    return path


def test_rows_of_merged_cells_have_their_value(tmp_path):
    """A customer's cell over three orders, a title over all columns, and a total under the amounts."""
    rows = [[("A", "Orders of 2024")], [*zip("ABC", ("customer_id", "ordered_at", "amount"), strict=True)]]
    rows += [
        [*([("A", customer_id)] if customer_id else []), ("B", f"2024-01-0{day}"), ("C", "10")]
        for day, customer_id in enumerate(["Ann", "", "", "Ben", ""], start=1)
    ]
    text = "".join(
        f'<row r="{number}">{"".join(cell(f"{column}{number}", text) for column, text in row)}</row>'
        for number, row in enumerate(rows, start=1)
    )
    path = workbook(tmp_path / "orders.xlsx", rows=text, merged=["A1:C1", "A3:A5"])
    data = rk.load(path, timezone="UTC")
    assert [customer_id for (customer_id,) in data.engine.rows("SELECT customer_id FROM orders ORDER BY _row")] == [
        "Ann"
    ] * 3 + [
        "Ben",
        None,
    ]
    assert checks(data)["cells merged over several rows"] == 2


def test_a_plain_workbook_is_read(tmp_path):
    data = rk.load(workbook(tmp_path / "orders.xlsx"), timezone="UTC")
    assert data.engine.rows("SELECT customer_id, amount FROM orders") == [("007", 300)]


@pytest.mark.parametrize(
    "row",
    [
        f'<row r="1048576">{cell("XFD1048576", "x")}</row>',
        f'<row r="3">{cell("XFD1048576", "x")}</row>',
        "<row r='3'><c r='ZZ400000'><v>1</v></c></row>",
        '<row r="3"><c s="1" r = "zz400000"><v>1</v></c></row>',
        '<row r="3"><c\n r="A1"/><c r="XFD900000"/></row>',
    ],
)
def test_a_cell_at_the_far_end_is_named(tmp_path, row):
    path = workbook(tmp_path / "orders.xlsx", row)
    with pytest.raises(
        DataError, match=r"^orders\.xlsx: xl/worksheets/sheet1\.xml has \d+ cells, but they lie as far apart"
    ):
        rk.load(path)


def test_what_unpacks_to_more_than_memory_holds_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(workbooks, "MAX_BYTES", 1_000_000)
    path = workbook(tmp_path / "orders.xlsx", parts={"xl/sharedStrings.xml": "<sst>" + " " * 2_000_000 + "</sst>"})
    assert path.stat().st_size < 10_000
    with pytest.raises(DataError, match=r"^orders\.xlsx unpacks to more than 1,000,000 bytes: save the table as CSV"):
        rk.load(path)


def test_a_size_that_is_not_true_is_found_out(tmp_path, monkeypatch):
    """The list of parts says one byte; what is unpacked is counted all the same, or found broken."""
    monkeypatch.setattr(workbooks, "MAX_BYTES", 1_000_000)
    path = workbook(tmp_path / "orders.xlsx", parts={"xl/sharedStrings.xml": " " * 2_000_000})
    content = path.read_bytes().replace((2_000_000).to_bytes(4, "little"), (1).to_bytes(4, "little"))
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"^orders\.xlsx [^\n]+\.$"):
        rk.load(path)


def test_too_many_cells_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(workbooks, "MAX_CELLS", 100)
    path = workbook(tmp_path / "orders.xlsx", f'<row r="3">{"<c><v>1</v></c>" * 200}</row>')
    with pytest.raises(DataError, match=r"^orders\.xlsx has more than 100 cells: save the table as CSV or Parquet\.$"):
        rk.load(path)


def test_cells_are_counted_once_wherever_a_part_is_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(workbooks, "_CHUNK", 97)
    monkeypatch.setattr(workbooks, "_OVERLAP", 60)
    monkeypatch.setattr(workbooks, "MAX_CELLS", 206)
    check_workbook(workbook(tmp_path / "orders.xlsx", f'<row r="3">{"<c><v>1</v></c>" * 200}</row>'))


NONE = {  # and how the sentence goes on
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600): "is protected",
    b"customer_id,ordered_at,amount\n1,2024-01-05,3\n": "cannot be read: it is no",
    b"<html><table></table></html>": "holds no table but a web page",
    b"": "is empty",
    b"PK\x03\x04" + bytes(100): "cannot be read: it is no",
}


@pytest.mark.parametrize("content", NONE, ids=["protected", "a CSV file", "a page", "nothing", "half a zip"])
def test_what_is_no_workbook_is_a_sentence(tmp_path, content):
    path = tmp_path / "orders.xlsx"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"^orders\.xlsx {NONE[content]}[^\n]*\.$"):
        rk.load(path)


def test_a_link_to_another_workbook_is_not_followed(tmp_path):
    """What was last seen there is in the file."""
    linked = '<row r="3"><c r="A3" t="str"><f>[1]Sheet1!A1</f><v>008</v></c><c r="B3" t="str"><v>2024-01-06</v></c><c r="C3"><v>4</v></c></row>'
    parts = {
        "xl/externalLinks/externalLink1.xml": "<externalLink/>",
        "xl/externalLinks/_rels/externalLink1.xml.rels": RELS.format(
            f'<Relationship Id="rId1" Type="{REL}/externalLinkPath" Target="file:///etc/passwd" TargetMode="External"/>'
        ),
    }
    data = rk.load(workbook(tmp_path / "orders.xlsx", linked, parts=parts), timezone="UTC")
    assert data.engine.rows("SELECT customer_id FROM orders ORDER BY 1") == [("007",), ("008",)]


def test_the_small_one_that_ended_the_process(shared):
    with pytest.raises(DataError, match=r"^bomb_cell\.xlsx: "):
        rk.load(shared / "cases" / "data_in" / "bomb_cell.xlsx")


def test_a_large_plain_workbook_passes(tmp_path):
    rows = "".join(f'<row r="{number}">{ROW}</row>' for number in range(3, 5000))
    check_workbook(workbook(tmp_path / "orders.xlsx", rows))
