"""Defects sown into a sound pack one at a time, with its list of files put right afterwards: the gate holds them back."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from email import message_from_bytes
from pathlib import Path

import pytest

from retention_kit.report.archive import manifest
from retention_kit.report.checks import gate
from retention_kit.report.message.mail import POLICY, to_bytes
from test_gate import edit, replace_in_both, rewrite, update_digests

pytestmark = pytest.mark.long
HTML, PDF, EML = "report.en.html", "report.en.pdf", "message.en.eml"
Defect = Callable[[Path], object]


def page(pattern: str, new: str | Callable[[re.Match], str], count: int = 1) -> Defect:
    """The report with what a pattern finds replaced."""

    def apply(pack: Path) -> None:
        text = (pack / HTML).read_text("utf-8")
        changed, changes = re.subn(pattern, new, text, count=count, flags=re.DOTALL)
        assert changes, "there is nothing to change"
        assert changed != text
        (pack / HTML).write_text(changed, "utf-8", newline="")

    return apply


def swap(pattern: str) -> Defect:
    """The report with the first two of what a pattern finds in each other's place."""

    def apply(pack: Path) -> None:
        text = (pack / HTML).read_text("utf-8")
        first, second = [*re.finditer(pattern, text, re.DOTALL)][:2]
        changed = (
            text[: first.start()] + second[0] + text[first.end() : second.start()] + first[0] + text[second.end() :]
        )
        assert changed != text
        (pack / HTML).write_text(changed, "utf-8", newline="")

    return apply


def message(change: Callable) -> Defect:
    """The message changed as a whole."""

    def apply(pack: Path) -> None:
        mail = message_from_bytes((pack / EML).read_bytes(), policy=POLICY)
        change(mail)
        (pack / EML).write_bytes(to_bytes(mail))

    return apply


def header(name: str, value: str) -> Defect:
    def change(mail) -> None:
        del mail[name]
        mail[name] = value

    return message(change)


def pictures(mail) -> list:
    return [part for part in mail.walk() if part.get_content_type() == "image/png"]


def swap_pictures(mail) -> None:
    first, second = pictures(mail)[:2]
    content = first.get_payload(), second.get_payload()
    first.set_payload(content[1])
    second.set_payload(content[0])


def swap_ids(mail) -> None:
    first, second = pictures(mail)[:2]
    ids = str(first["Content-ID"]), str(second["Content-ID"])
    first.replace_header("Content-ID", ids[1])
    second.replace_header("Content-ID", ids[0])


def recolour(mail) -> None:
    part = pictures(mail)[0]
    content = bytearray(part.get_payload(decode=True))
    content[len(content) // 2] ^= 1
    name, number = part.get_filename(), str(part["Content-ID"])
    part.set_content(bytes(content), "image", "png", filename=name, cid=number, disposition="inline")


def rename_attachment(mail) -> None:
    (part,) = [part for part in mail.walk() if part.get_content_type() == "application/pdf"]
    part.replace_header("Content-Disposition", 'attachment; filename="other.pdf"')


def body(old: str, new: str) -> Defect:
    return lambda pack: rewrite(pack, html=lambda text: text.replace(old, new, 1))


def edit_pdf(change: Callable) -> Defect:
    """The PDF changed page by page."""

    def apply(pack: Path) -> None:
        import pypdfium2

        with pypdfium2.PdfDocument((pack / PDF).read_bytes()) as document:
            changed = change(document) or document
            changed.save(pack / PDF)

    return apply


def reversed_pages(document):
    import pypdfium2

    result = pypdfium2.PdfDocument.new()
    result.import_pages(document, [*reversed(range(len(document)))])
    return result


def with_attachment(document) -> None:
    document.new_attachment("list.csv").set_data(b"customer_id\nC1\n")


def without_drawings(document) -> None:
    import pypdfium2.raw as raw

    for number in range(len(document)):
        page = document[number]
        for shape in [shape for shape in page.get_objects(max_depth=1) if shape.type != raw.FPDF_PAGEOBJ_TEXT]:
            page.remove_obj(shape)
        page.gen_content()


def lines(name: str, change: Callable[[list[str]], list[str]]) -> Defect:
    def apply(pack: Path) -> None:
        before = (pack / name).read_text("utf-8").splitlines(keepends=True)
        changed = change([*before])
        assert changed != before
        (pack / name).write_text("".join(changed), "utf-8", newline="")

    return apply


def add_file(name: str, content: str = "x") -> Defect:
    def apply(pack: Path) -> None:
        (pack / name).parent.mkdir(exist_ok=True)
        (pack / name).write_text(content)

    return apply


def customer(pack: Path) -> str:
    return (pack / "lists" / "lost_customers.csv").read_text("utf-8").splitlines()[1].split(",")[0]


LOST, CARD, SVG = "lists/lost_customers.csv", r'<div class="card', r"<svg xmlns.*?</svg>"
SPECIFICATION = r'<script type="application/json"[^>]*>.*?</script>'
DEFECTS: dict[str, Defect] = {
    # The report.
    "title of the page": page("<title>.*?</title>", "<title>Another month</title>"),
    "word of the appendix": page(r'(id="definitions".*?<td[^>]*>(?:<bdi>)?)(\w+)', r"\1Not \2"),
    "row of the appendix gone": page(r'(id="quality".*?<tbody>.*?)<tr.*?</tr>', r"\1"),
    "provenance": page(r'(id="provenance".*?>)[^<>\n]*\w[^<>\n]*(?=</)', r"\1other"),
    "two pictures exchanged": swap(SVG),
    "a line of a picture": page(r'(<svg xmlns.*?<path [^>]*\bd=")M', r"\1M0,0L9,9M"),
    "a colour of a picture": page(r'(<svg xmlns.*?stroke=")#[0-9a-fA-F]+', r"\1#ff0000"),
    "a picture upside down": page("<svg xmlns", '<svg style="transform:scaleY(-1)" xmlns'),
    "text in a picture": page(r"(<svg xmlns.*?<text[^>]*>)[^<]*", r"\g<1>99%"),
    "a picture twice": page(SVG, lambda match: match[0] * 2),
    "data of a specification": page(r'(<script type="application/json"[^>]*>.*?:)\d', r"\g<1>7"),
    "two specifications exchanged": swap(SPECIFICATION),
    "a specification gone": page(SPECIFICATION, ""),
    "a sentence hidden": page('<p class="', '<p style="display:none" class="'),
    "a style that hides": page("</style>", ".notice,.interval{visibility:hidden}</style>"),
    "white on white": page("</style>", "td{color:#fff!important}</style>"),
    "words by a style": page("</style>", 'h1::after{content:" (unaudited)"}</style>'),
    "a link to elsewhere": page("</main>", '<a href="https://evil.example/login">Sign in</a></main>'),
    "a link to another section": page('href="#revenue"', 'href="#feedback"'),
    "a link of another kind": page("</main>", '<a href="tel:+123">Call</a></main>'),
    "a script of its own": page("</body>", "<script>document.title='x'</script></body>"),
    "a script changed": page(r"(<script>)(?!</)", r"\1void 0;"),
    "something that runs": page("<main", '<main onclick="x()"'),
    "a frame": page("</main>", '<iframe srcdoc="&lt;b&gt;x"></iframe></main>'),
    "a form": page("</main>", '<form action="/x"><input name="p"></form></main>'),
    "a page that moves on": page("</head>", '<meta http-equiv="refresh" content="9"></head>'),
    "a base for its links": page("<head>", '<head><base href="/other/">'),
    "another language": page('lang="en"', 'lang="de"'),
    "a section twice": page(r"<section\b.*?</section>|<h2.*?(?=<h2)", lambda match: match[0] * 2),
    "a customer in the report": lambda pack: page("</h1>", f"</h1><p>Ask {customer(pack)} first.</p>")(pack),
    "a customer in a comment": lambda pack: page("</main>", f"<!-- {customer(pack)} --></main>")(pack),
    "a sentence more": page("</h1>", "</h1><p>All is well.</p>"),
    # The PDF.
    "a page of the PDF gone": edit_pdf(lambda document: document.del_page(len(document) - 1)),
    "pages of the PDF turned around": edit_pdf(reversed_pages),
    "a file in the PDF": edit_pdf(with_attachment),
    "drawings of the PDF gone": edit_pdf(without_drawings),
    "a script in the PDF": lambda pack: (pack / PDF).write_bytes(
        (pack / PDF).read_bytes() + b"\n999 0 obj<</S/JavaScript/JS(app.alert(1))>>endobj\n"
    ),
    # The message.
    "figure of the subject": lambda pack: header("Subject", "Customer retention 99.9%")(pack),
    "period of the subject": header("Subject", "Sample Company, January 1999"),
    "name of the sender": header("From", "Accounting <reports@localhost>"),
    "language of the message": header("Content-Language", "ar"),
    "date of the message": header("Date", "Fri, 01 Jan 1999 00:00:00 +0000"),
    "two pictures of the message exchanged": message(swap_pictures),
    "two names of pictures exchanged": message(swap_ids),
    "a picture of the message": message(recolour),
    "name of the attachment": message(rename_attachment),
    "words beside the subject": body('class="preheader" style="', 'class="preheader" title="x" style="'),
    "a sentence turned around": replace_in_both("Needs attention", "Needs no attention"),
    "text of no size": body("</body>", '<p style="font-size:0">hidden</p></body>'),
    "text in the colour of the ground": body("</body>", '<p style="color:#ffffff">x</p></body>'),
    "a link of the message": lambda pack: rewrite(
        pack,
        html=lambda text: text.replace("</body>", '<p><a href="https://evil.example/">x</a></p></body>'),
        text=lambda text: f"{text}x https://evil.example/\n",
    ),
    # Lists and figures.
    "a customer less": lines(LOST, lambda rows: rows[:-1]),
    "a customer twice": lines(LOST, lambda rows: [*rows, rows[-1]]),
    "another customer": lines(LOST, lambda rows: [*rows[:-1], re.sub(r"^[^,]*", "C99999", rows[-1])]),
    "money of a customer": lines(LOST, lambda rows: [*rows[:-1], re.sub(r"\d+(?=\D*$)", "777", rows[-1])]),
    "a list under another name": lambda pack: shutil.copy(pack / LOST, pack / "lists" / "all.csv"),
    "a figure of before": lines(
        "scorecard.csv", lambda rows: [*rows[:-1], re.sub(r"\d(?=[^\d]*$)", "7", rows[-1]) + ""]
    ),
    "a row of figures twice": lines("scorecard.csv", lambda rows: [*rows, rows[5]]),
    "a cell of a notebook": lambda pack: edit(
        pack / "notebooks" / "revenue.en.ipynb", '"source": [', '"source": ["1 + 1\\n",'
    ),
    # What does not belong.
    "a file beside": add_file("notes.txt"),
    "a hidden file": add_file(".htaccess", "Options +Indexes"),
    "a notebook beside": add_file("notebooks/extra.ipynb", "{}"),
    "a link beside": lambda pack: (pack / "more.csv").symlink_to("/etc/passwd"),
}


def test_there_are_as_many_as_were_promised():
    assert len(DEFECTS) >= 60


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_is_held(sample_pack, tmp_path, name):
    pack = shutil.copytree(sample_pack, tmp_path / "packs" / sample_pack.name)
    assert gate.judge(pack).state == "ok"
    DEFECTS[name](pack)
    update_digests(pack)
    assert manifest.altered(pack, manifest.read(pack)) == set(), "only what is in the files can tell"
    verdict = gate.judge(pack)
    assert verdict.state == "blocked", name
    assert all("could not be checked" not in reason for reason in verdict.reasons), verdict.reasons
