"""Fonts of PDF and pictures: ours has every word of ours, others print what it lacks, and boxes are told."""

import io
import json
import re

import pandas as pd
import pikepdf
import pytest
from PIL import Image

import retention_kit as rk
from fonts import characters_of, make_font
from retention_kit import bidi
from retention_kit.cli import main
from retention_kit.errors import SettingsError
from retention_kit.metrics.goals.states import SHAPES
from retention_kit.report.archive import manifest
from retention_kit.report.blocks import Block, templates_dir
from retention_kit.report.build.rerun import rerun
from retention_kit.report.changes import causes_of, changes
from retention_kit.report.checks import gate
from retention_kit.report.export import drawing, fonts
from retention_kit.report.export.exporters import RetentionPDFExporter, draw_png, draw_svg
from retention_kit.report.message.mail import preview_files
from retention_kit.wording import Words, languages
from test_exporters import code_cell, notebook, pdf

SPEC = {
    "mark": "bar",
    "background": "white",
    "data": {"values": [{"who": "顧客", "n": 3}]},
    "encoding": {"x": {"field": "n", "type": "quantitative"}, "y": {"field": "who", "title": None}},
}
COMPANY = "顧客"
ORDERS = pd.DataFrame({"customer_id": ["a", "b"], "ordered_at": ["2024-01-05", "2024-02-05"], "amount": 5})
TOML = '[data]\norders = "orders.csv"\n[report]\ntimezone = "UTC"\nas_of = 2024-03-01\nformats = ["pdf"]\n'


@pytest.fixture
def japanese(tmp_path):
    return str(make_font(tmp_path / "japanese.ttf", "顧客", "Corner JP"))


def load(company, **settings):
    return rk.load(orders=ORDERS, timezone="UTC", currency="JPY", as_of="2024-03-01", company=company, **settings)


def built(tmp_path, company, **settings):
    pack = rk.build_report(load(company, **settings), output=tmp_path / "reports", formats=["pdf"])
    return pack, manifest.read(pack.path)


def names_in(content):
    """The fonts of a PDF, those of its pictures among them."""
    with pikepdf.open(io.BytesIO(content)) as document:
        return {str(obj.BaseFont)[8:] for obj in document.objects if is_font(obj)}


def is_font(obj):
    return isinstance(obj, pikepdf.Dictionary) and obj.get("/Type") == "/Font" and "/DescendantFonts" in obj


# Ours


@pytest.mark.parametrize("weight", ["Regular", "Bold"])
@pytest.mark.parametrize("language", languages())
def test_the_font_has_every_character_of_a_language(language, weight):
    path = templates_dir().parent / "retention_kit" / "locale" / f"{language}.toml"
    text = path.read_text("utf-8") + "".join(SHAPES.values()) + "٠١٢٣٤٥٦٧٨٩«»،؛؟٪٫٬×−–…±£€$"
    known = characters_of(templates_dir() / "fonts" / f"IBMPlexSansArabic-{weight}.ttf")
    characters = {character for character in text if not fonts._UNPRINTED.fullmatch(character)}
    assert {character for character in characters if ord(character) not in known} == set()
    assert fonts.unprintable([text]) == {}


def test_its_licence_stands_beside_it():
    assert "SIL OPEN FONT LICENSE Version 1.1" in (templates_dir() / "fonts" / "OFL.txt").read_text("utf-8")


@pytest.mark.parametrize(
    ("text", "lacking"),
    [
        ("Café, naïve, Łódź, ٣ أشهر، «نمو» 45٪", []),
        ("nai\u0308ve cafe\u0301", []),  # the marks are composed with their letters
        ("\u2068Example\u2069 \u200f\u200e\u061c\u200b\ufe0f\u00ad\u202f\u3000", []),  # nothing of this is drawn
        ("Привет, Ελλάδα", []),  # other fonts, which Typst brings, have these
        ("日 and 本 and 日", ["日", "本"]),
        ("one 😀", ["😀"]),
        ("👨\u200d👩", ["👨", "👩"]),  # a joiner leaves no mark
        ("日\u0301", ["日\u0301"]),
        ("broken \x92 quote", ["\x92"]),
    ],
)
def test_what_would_be_a_box_is_known(text, lacking):
    assert fonts.unprintable(["plain", text, "日😀👨👩"]).items() >= dict.fromkeys(lacking, text).items()
    assert list(fonts.unprintable([text])) == lacking


def test_of_a_long_text_what_stands_around_a_character_is_quoted():
    text = f"{'many words ' * 20}then 日本 {'and more ' * 20}"
    assert "then 日本 and" in fonts.unprintable([text])["本"]
    assert len(fonts.unprintable([text])["本"]) <= fonts.MAX_EXAMPLE


def test_only_what_is_drawn_counts():
    block = {"kind": "chart", "alt": "日", "spec": {"title": "日"}, "picture": "<svg><title>日</title></svg>"}
    assert list(fonts.texts([block, {"id": "日", "text": "plain"}])) == ["chart", "plain"]
    label = '<svg><text font-size="9">A &amp; 日</text></svg>'
    assert list(fonts.texts({"picture": label})) == ["A & 日"]
    assert list(fonts.texts({"mime": "image/svg+xml", "content": [label]})) == ["A & 日", "image/svg+xml"]


# Those of the settings


def test_a_font_of_the_settings_prints_what_ours_lacks(japanese):
    blocks = Block("text", text="顧客 and words"), Block("chart", alt="Bars", spec=SPEC)
    boxed, resources = RetentionPDFExporter().from_notebook_node(notebook(code_cell(*blocks)))
    assert resources["boxes"] == {"顧": "顧客 and words", "客": "顧客 and words"}
    assert names_in(boxed) == {"IBMPlexSansArabic-Regular", "IBMPlexSansArabic-Bold"}
    printed, resources = RetentionPDFExporter().from_notebook_node(notebook(code_cell(*blocks), fonts=[japanese]))
    assert resources["boxes"] == {}
    assert "CornerJP-Regular" in names_in(printed)
    with pikepdf.open(io.BytesIO(printed)) as document:
        assert document.open_metadata()["pdfuaid:part"] == "1"
    (only,) = RetentionPDFExporter().from_notebook_node(notebook(code_cell(blocks[1]), fonts=[japanese]))[:1]
    assert "CornerJP-Regular" in names_in(only), "a chart has it, too"


def test_pictures_of_messages_are_drawn_with_it(tmp_path):
    """Without it a letter is a box or what the system has, with it the black corner of the font made here."""
    font = str(make_font(tmp_path / "corner.ttf", "株", "Corner Here"))
    spec = {**SPEC, "data": {"values": [{"who": "株株株株", "n": 3}]}}

    def ink(files):
        picture = Image.open(io.BytesIO(draw_png(spec, 4, files))).convert("L").crop((0, 0, 160, 80))
        return sum(value < 100 for value in picture.get_flattened_data())

    before, after = ink(()), ink((font,))
    assert after > 1.5 * before > 0
    assert fonts.unprintable_in_pictures([draw_svg(spec)]).keys() <= {"株"}  # the system may have it
    assert fonts.unprintable_in_pictures([draw_svg(spec)], (font,)) == {}


@pytest.mark.long
def test_a_process_draws_with_the_fonts_that_it_was_started_with(japanese):
    drawing.close()
    try:
        drawing.prepare(fonts.folder())
        (first,) = drawing._processes
        assert drawing.render_svg(json.dumps(SPEC), fonts.folder((japanese,))).count("顧客") == 1  # drawn here
        drawing.prepare(fonts.folder((japanese,)))
        assert first.has_ended
        assert [process.fonts for process in drawing._processes] == [fonts.folder((japanese,))]
    finally:
        drawing.close()


def test_files_of_the_same_name_are_two_fonts(tmp_path):
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    files = tuple(str(make_font(tmp_path / name / "own.ttf", "顧", f"Own {name}")) for name in "ba")
    assert fonts.families(files) == ["IBM Plex Sans Arabic", "Own b", "Own a"]
    assert fonts.families() == ["IBM Plex Sans Arabic"]


def test_a_wrong_font_is_refused_in_a_sentence(tmp_path, japanese):
    with pytest.raises(SettingsError, match=r"report.fonts: there is no file '.*/japanse.ttf': did you mean 'japanese"):
        load("", fonts=[str(tmp_path / "japanse.ttf")])
    content = (tmp_path / "japanese.ttf").read_bytes()
    for name, spoilt in [("page.ttf", b"<html>"), ("cut.ttf", content[:40]), ("empty.ttf", b""), ("font.txt", content)]:
        (tmp_path / name).write_bytes(spoilt)
        with pytest.raises(
            SettingsError, match=f"report.fonts: {name} is no font: name a file of TrueType or OpenType"
        ):
            load("", fonts=[str(tmp_path / name)])
    with pytest.raises(SettingsError, match=r"report.fonts: write a list in brackets, not text in quotation marks"):
        load("", fonts=japanese)


# What is told


@pytest.mark.usefixtures("kernelless")
def test_a_name_printed_in_boxes_is_reported_and_blocks_sending(tmp_path):
    pack, contents = built(tmp_path, COMPANY)
    text = "顧客: customer retention report"
    assert contents["missing_characters"] == {
        "report.en.pdf": [{"character": character, "text": text} for character in COMPANY]
    }
    assert pack.failures == ()
    assert pack.note == (
        f"report.en.pdf: no font of the report has the letters of {text!r}: boxes stand for them, and the PDF is no "
        "PDF/UA. Name a font that has 顧 客 in [report] fonts."
    )
    verdict = gate.judge(pack.path)
    assert verdict.state == contents["gate"]["en"]["state"] == "blocked"
    assert verdict.reasons == (
        f"report.en.pdf has boxes for characters that no font of the report has, such as 顧 in {text!r}: name a font "
        "that has them in [report] fonts.",
    )


@pytest.mark.usefixtures("kernelless")
def test_missing_characters_are_reported_in_arabic_and_recorded_without_controls(tmp_path):
    pack = rk.build_report(load(COMPANY), languages=["ar"], output=tmp_path, formats=["pdf"])
    (first, _) = manifest.read(pack.path)["missing_characters"]["report.ar.pdf"]
    assert first == {"character": "顧", "text": bidi.plain(Words("ar").text("document.titled", company=COMPANY))}
    text = bidi.plain(Words("ar").say(pack.note))
    assert text.startswith(f"report.ar.pdf: لا يتضمن أي خط من خطوط التقرير أحرف «{first['text']}»: تظهر مربعات مكانها")
    assert "سمِّ خطًا يتضمن 顧 客 في [report] fonts." in text


@pytest.mark.usefixtures("kernelless")
def test_one_odd_character_is_noted_to_readers_and_blocks_nothing(tmp_path):
    pack, contents = built(tmp_path, "Sun 😀 Ltd")
    assert [entry["character"] for entry in contents["missing_characters"]["report.en.pdf"]] == ["😀"]
    verdict = gate.judge(pack.path)
    assert verdict.state == "degraded"
    assert len(verdict.reasons) == 1
    message = preview_files((pack.path / "message.en.eml").read_bytes())
    notice = "Boxes stand for some letters in the PDF or in a chart: no font of the report has them."
    assert notice in message["message.txt"].decode().replace("\r\n", " ").replace("\n", " ")
    assert notice in message["index.html"].decode()


@pytest.mark.usefixtures("kernelless")
@pytest.mark.parametrize("company", ["Example Ltd", "شركة المثال «القابضة»", "Łódź & Søn – Ελλάς"])
def test_characters_that_the_font_has_are_not_reported(tmp_path, company):
    pack, contents = built(tmp_path, company)
    assert (pack.note, contents["missing_characters"], gate.judge(pack.path).state) == ("", {}, "ok")


@pytest.mark.long
@pytest.mark.usefixtures("kernelless")
def test_a_pack_knows_its_fonts(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ORDERS.to_csv("orders.csv", index=False)
    (tmp_path / "letters").mkdir()
    make_font(tmp_path / "letters" / "japanese.ttf", "顧")
    settings = f'{TOML}company = "{COMPANY}"\nfonts = ["letters/japanese.ttf"]\n'
    (tmp_path / "retention.toml").write_text(settings, "utf-8")
    assert main(["report", "--period", "2024-02"]) == 0
    assert "2024-02: report.en.pdf: no font of the report has the letters of '顧客: cust" in capsys.readouterr().err
    folder = tmp_path / "reports" / "2024-02"
    contents = manifest.read(folder)
    assert contents["settings"]["report"]["fonts"] == ["japanese.ttf"]
    assert contents["data"]["overrides"] == {}
    assert contents["code"]["japanese.ttf"] == manifest.digest_of(tmp_path / "letters" / "japanese.ttf")
    assert str(tmp_path) not in (folder / "manifest.json").read_text("utf-8")
    assert [entry["character"] for entry in contents["missing_characters"]["report.en.pdf"]] == ["客"]
    assert rerun(folder).is_same

    make_font(tmp_path / "letters" / "japanese.ttf", "顧客")  # the same name, and now it has both
    assert main(["report", "--period", "2024-02"]) == 0
    assert "no font" not in capsys.readouterr().err
    now = manifest.read(folder)
    assert now["missing_characters"] == {}
    (changed,) = changes(contents, now)
    assert (changed.kind, changed.name, changed.before != changed.now) == ("code", "japanese.ttf", True)
    assert causes_of("revenue", [changed]) == (), "it explains a page, and no figure"


# What a PDF says of itself


@pytest.mark.parametrize(
    ("language", "direction", "reading"), [("en", "ltr", "L2R"), ("ar", "rtl", "R2L"), ("ar-SA", "rtl", "R2L")]
)
def test_a_pdf_tells_its_language_and_direction(language, direction, reading):
    title, named = ("تقرير", "الاحتفاظ بالعملاء") if direction == "rtl" else ("Report", "Retention")
    heading, text = Block("heading", text=named), Block("text", text="نص")
    content = pdf(notebook(code_cell(heading, text), language=language, direction=direction, title=title))
    with pikepdf.open(io.BytesIO(content)) as document:
        assert str(document.Root.Lang) == language
        assert str(document.Root.ViewerPreferences.Direction) == f"/{reading}"
        assert document.Root.ViewerPreferences.DisplayDocTitle
        assert document.Root.MarkInfo.Marked
        assert document.open_metadata()["pdfuaid:part"] == "1"
        assert document.open_metadata()["dc:title"] == title
        with document.open_outline() as outline:
            assert outline.root[0].title == title
            assert [item.title for item in outline.root[0].children] == [named]


@pytest.mark.long
@pytest.mark.usefixtures("kernelless")
@pytest.mark.parametrize("language", [*languages(), "ar-SA"])
def test_the_pdf_of_a_report_is_named_in_its_language(tmp_path, language):
    pack = rk.build_report(load(""), languages=[language], formats=["pdf", "brief"], output=tmp_path)
    words = Words(language, "JPY")
    for kind in ("report", "brief"):
        with pikepdf.open(pack.path / f"{kind}.{language}.pdf") as document:
            title = words.text("document.title")
            title = words.text("brief.title", title=title) if kind == "brief" else title
            assert str(document.Root.Lang) == language
            assert document.Root.ViewerPreferences.Direction == ("/R2L" if words.direction == "rtl" else "/L2R")
            assert document.open_metadata()["dc:title"] == title
            assert document.open_metadata()["pdfuaid:part"] == "1"
            with document.open_outline() as outline:
                titles = [item.title for part in outline.root for item in (part, *part.children)]
        assert titles
        assert [title for title in titles if words.direction == "rtl" and re.search("[A-Za-z]{2}", title)] == []
