"""The gate: sound packs pass, and every defect that was sown into one is caught, by a sentence that names it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from email import message_from_bytes
from email.message import EmailMessage
from pathlib import Path

import nbformat
import nbformat.v4 as nbf
import pandas as pd
import pytest

import retention_kit as rk
from retention_kit.cli import main
from retention_kit.periods import Period
from retention_kit.report.archive import manifest
from retention_kit.report.checks import gate
from retention_kit.report.checks import message as message_checks
from retention_kit.report.checks import secrets as secret_checks
from retention_kit.report.checks.figures import text_of_html
from retention_kit.report.export.exporters import RetentionPDFExporter
from retention_kit.report.message import mail
from retention_kit.report.message.mail import POLICY, to_bytes
from retention_kit.wording import Words
from test_pack import in_process  # noqa: F401
from test_templates import ORDERS

SOUND = gate.Verdict("ok")
FINDING = "Customer retention steady at 96.9%"  # of the sample company


@pytest.fixture
def pack(sample_pack, tmp_path) -> Path:
    """A sound pack of one's own, to sow a defect into."""
    return shutil.copytree(sample_pack, tmp_path / "packs" / sample_pack.name)


def edit(path: Path, old: str, new: str, count: int = 1) -> None:
    text = path.read_text("utf-8")
    assert old in text, f"there is nothing to change in {path.name}"
    path.write_text(text.replace(old, new, count), "utf-8", newline="")


def update_manifest(pack: Path, **changes) -> None:
    path = pack / "manifest.json"
    path.write_text(json.dumps(manifest.read(pack) | changes), "utf-8")


def update_digests(pack: Path) -> None:
    """Let the manifest know the files as they are, so that only what is in them can tell of a defect."""
    contents = manifest.read(pack)
    update_manifest(pack, files={name: manifest.digest_of(pack / name) for name in contents["files"]})


def built(data, output: Path, period: str | None = None, **options) -> Path:
    return rk.build_report(data, period, output=output, **({"formats": ["html"], "static": True} | options)).path


def gate_of(pack: Path, name: str = "en") -> gate.Verdict:
    """What the manifest keeps of the gate's word."""
    entry = manifest.read(pack)["gate"][name]
    return gate.Verdict(entry["state"], tuple(entry["reasons"]))


# Sound packs pass.


@pytest.mark.long
def test_whole_packs_pass(any_pack):
    assert gate_of(any_pack) == SOUND
    assert gate.judge(any_pack) == SOUND


@pytest.mark.long
@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(("every", "period"), [("week", "2025-W51"), ("quarter", "2025-Q4"), ("year", "2025")])
def test_packs_of_other_periods_pass(every, period, tmp_path):
    pack = built(rk.sample(), tmp_path, period, every=every, formats=["html", "pdf"])
    assert (gate_of(pack), gate.judge(pack)) == (SOUND, SOUND)


@pytest.mark.long
@pytest.mark.usefixtures("in_process")
def test_a_segment_value_passes_beside_the_whole(tmp_path):
    built(rk.sample(), tmp_path, "2025-12")
    pack = built(rk.sample(), tmp_path, "2025-12", segment="channel=web", formats=["pdf"])
    assert sorted(manifest.read(pack)["gate"]) == ["en", "en.channel-web"]
    assert gate.judge(pack) == SOUND
    edit(pack / "scorecard.csv", "Customer retention,2025-12,,,0.96", "Customer retention,2025-12,,,0.86")
    update_digests(pack)
    (reason,) = gate.judge(pack).reasons
    assert reason == "Scorecard and manifest.json tell different figures: 'customer_retention_rate'.", (
        "the sibling, too"
    )


@pytest.mark.usefixtures("in_process")
def test_answers_alone_pass(tmp_path):
    """No customers at all are no empty period."""
    days = ["2024-01-10", "2024-01-20", "2024-02-03", "2024-02-10", "2024-02-20"]
    answers = pd.DataFrame({"responded_at": days, "survey": "nps", "score": [9, 3, 10, 9, 2], "scale": "0-10"})
    data = rk.load(responses=answers, timezone="UTC", as_of=date(2024, 3, 1))
    pack = built(data, tmp_path, "2024-02", formats=["html", "pdf"])
    assert (gate_of(pack), gate.judge(pack)) == (SOUND, SOUND)


@pytest.mark.usefixtures("in_process")
def test_names_that_look_like_markup_figures_or_files_pass(tmp_path):
    """Whatever a name holds, it is words: it blocks no report, nor does anything in one."""
    names = [
        "<b>96.9%</b>",
        "Bcc: x@example.com\r\n\r\nhi",
        "=1+1",
        "12,345 \x01\u202e",
        "<p src=//x.example class='notice failure'>",
        "javascript:url(//x)",
    ]
    ORDERS.assign(place=names).to_csv(tmp_path / "orders.csv", index=False)
    (tmp_path / "retention.toml").write_text(
        """
        [data]
        orders = "orders.csv"
        [report]
        currency = "GBP"
        as_of = 2024-03-01
        segments = ["place"]
        company = 'Ann & "Sons" <img src=//y.example> http://z.example/77'
        [goals.customer_retention_rate]
        target = 0.5
        [goals.revenue]
        target = 1000
        [mail]
        link = "https://example.com/reports/4711"
        """,
        "utf-8",
    )
    pack = built(rk.load(tmp_path), tmp_path / "reports", formats=["html", "pdf"])
    assert (gate_of(pack), gate.judge(pack)) == (SOUND, SOUND)


@pytest.mark.usefixtures("in_process")
def test_a_section_alone_passes(tmp_path):
    pack = built(rk.load(orders=ORDERS, timezone="UTC", currency="GBP"), tmp_path, only=["revenue"])
    assert (gate_of(pack), gate.judge(pack)) == (SOUND, SOUND)


@pytest.mark.long
def test_a_metric_of_a_plug_in_that_is_not_loaded_passes(pack):
    """Its value is held against the scorecard all the same."""
    edit(pack / "scorecard.csv", "\nquick_ratio,", "\nown_ratio,", -1)
    assert gate.check_report(pack, manifest.read(pack), "en") == []
    edit(pack / "scorecard.csv", "own_ratio,Quick ratio,2025-12,,,2", "own_ratio,Quick ratio,2025-12,,,3")
    (finding,) = gate.check_report(pack, manifest.read(pack), "en")
    assert finding.reason.startswith("Scorecard and notebooks tell different figures: 'Quick ratio 2.")


# Degraded: sent, with a notice that everybody sees.


@pytest.mark.usefixtures("in_process")
def test_an_incomplete_period_is_said_on_top(tmp_path):
    data = rk.load(orders=ORDERS, timezone="UTC", currency="GBP", as_of=date(2024, 2, 20))
    pack = built(data, tmp_path, "2024-02")
    reason = "2024-02 is not over: the data end before 2024-02-20."
    assert gate_of(pack) == gate.Verdict("degraded", (reason,))
    assert gate.judge(pack) == gate.Verdict("degraded", (reason,))
    message = message_checks.parse((pack / "message.en.eml").read_bytes())
    notice = "February 2024 is not over: the data end on 19 Feb 2024, and its figures will change."
    assert notice in message_checks.read(message_checks.html_of(message)).text
    assert notice in message_checks.text_of(message)
    contents = manifest.read(pack)
    rewrite(pack, html=lambda body: body.replace("is not over: the data end on", ""))
    findings = gate.check_message(pack, contents, "en", gate.check_report(pack, contents, "en"))
    assert f"it does not show the notice {notice!r}" in findings[0].reason


@pytest.mark.parametrize("read", [lambda page: message_checks.read(page).text, text_of_html], ids=["mail", "page"])
def test_what_no_line_ends_in_is_read_with_its_sentence(read):
    page = (
        '<table><tr><td>by <span class="short">−£3</span>, in (<span class="short">1 Jan 2026</span>).</td><td>a</td>'
        '<td><span class="short">9–10</span></td><td><span class="short">9–10</span>%</td></tr></table>'
    )
    assert read(page) == "by −£3, in (1 Jan 2026). a 9–10 9–10%"


@pytest.mark.long
def test_data_older_than_expected_degrade(retail_pack):
    """They end on 9 December 2011: until the year is over nothing is late."""
    verdict = gate.judge(retail_pack, date(2012, 1, 1))
    assert (verdict.state, verdict.late) == ("degraded", date(2011, 12, 9))
    assert verdict.reasons == ("The data end on 2011-12-09, before the last period that is over.",)
    assert verdict == gate.judge(retail_pack, expected=Period.parse("2011-12"))
    assert (
        gate.late_notice(verdict, Words("en")) == "The data of this report end on 9 Dec 2011: newer ones were expected."
    )
    assert gate.judge(retail_pack, date(2011, 12, 31)) == SOUND
    assert gate.judge(retail_pack, date(2012, 1, 1), Period.parse("2011-11")) == SOUND
    assert gate.late_notice(SOUND, Words("en")) == ""


@pytest.mark.long
def test_the_sample_company_is_never_late(sample_pack):
    assert gate.judge(sample_pack, date(2030, 1, 1)) == SOUND


# Blocked: what can be wrong with a pack.


def fail_section(pack: Path) -> None:
    update_manifest(pack, sections=manifest.read(pack)["sections"] | {"retention.en": "failed"})


def raise_error(pack: Path) -> None:
    path = pack / "notebooks" / "revenue.en.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[-1].outputs.append(nbf.new_output("error", ename="ValueError", evalue="secret", traceback=[]))
    nbformat.write(notebook, path)


def break_identity(pack: Path) -> None:
    checks = manifest.read(pack)["identities"]
    checks[0]["broken"] = ["2025-11"]
    update_manifest(pack, identities=checks)


def remove_drawing(pack: Path) -> None:
    path = pack / "report.en.html"
    page = path.read_text("utf-8")
    match = re.search(r'(?s)(<figure class="chart.*?<div class="picture"[^>]*>)<svg.*?</svg>', page)
    path.write_text(page.replace(match[0], match[1]), "utf-8")


def drop_chart(pack: Path) -> None:
    path = pack / "report.en.html"
    path.write_text(re.sub(r'(?s)<figure class="chart.*?</figure>', "", path.read_text("utf-8"), count=1), "utf-8")


def remove_description(pack: Path) -> None:
    path = pack / "report.en.html"
    path.write_text(re.sub(r'(class="picture" role="img" aria-label=")[^"]+', r"\1", path.read_text("utf-8"), count=1))


def change_pdf(pack: Path, old: str = "96.9%", new: str = "69.9%") -> None:
    """The same report on paper, but for one figure of its first page."""
    contents, cells = manifest.read(pack), []
    for stem in contents["sections"]:
        text = (pack / "notebooks" / f"{stem}.ipynb").read_text("utf-8")
        cells += nbformat.reads(text.replace(old, new) if stem == "overview.en" else text, as_version=4).cells
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    whole = nbf.new_notebook(cells=cells, metadata={"retention_kit": {"date": "2026-01-01"}})
    (pack / "report.en.pdf").write_bytes(RetentionPDFExporter().from_notebook_node(whole)[0])


def empty(pack: Path) -> None:
    path = pack / "scorecard.csv"
    text = re.sub(r"(?m)^(active_customers,[^,]*,2025-12,,),[\d.]+,", r"\1,0,", path.read_text("utf-8"))
    path.write_text(text, "utf-8")


PACK_DEFECTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "failed section": (fail_section, "The section retention.en failed."),
    "error output": (raise_error, "A notebook of en ended with an error: ValueError."),
    "broken identity": (break_identity, "The identity of customers does not hold in 2025-11."),
    "empty period": (empty, "Nobody was active in 2025-12: its report is empty."),
    "chart not drawn": (remove_drawing, r"report\.en\.html lacks 1 of its \d+ charts\."),
    "chart gone": (drop_chart, r"report\.en\.html lacks 1 of its \d+ charts\."),
    "chart without description": (remove_description, "report.en.html has a chart without a description."),
    "HTML cut off": (
        lambda pack: (pack / "report.en.html").write_bytes((pack / "report.en.html").read_bytes()[:-2000]),
        "The words of report.en.html changed after it was built: build the report again.",
    ),
    "HTML gone": (
        lambda pack: (pack / "report.en.html").unlink(),
        "report.en.html is not there: build the report again.",
    ),
    "PDF gone": (lambda pack: (pack / "report.en.pdf").unlink(), "report.en.pdf is not there: build the report again."),
    "PDF cut off": (
        lambda pack: (pack / "report.en.pdf").write_bytes((pack / "report.en.pdf").read_bytes()[:1000]),
        "report.en.pdf cannot be read.",
    ),
    "message gone": (
        lambda pack: (pack / "message.en.eml").unlink(),
        "message.en.eml is not there: build the report again.",
    ),
    "scorecard gone": (lambda pack: (pack / "scorecard.csv").unlink(), "scorecard.csv tells nothing of 2025-12."),
    "figure of the scorecard": (
        lambda pack: edit(
            pack / "scorecard.csv", "Customer retention,2025-12,,,0.96", "Customer retention,2025-12,,,0.95"
        ),
        "Scorecard and notebooks tell different figures: 'Customer retention 95.9%'",
    ),
    "figure of the manifest": (
        lambda pack: edit(pack / "manifest.json", '"mrr": 23', '"mrr": 32'),
        "Scorecard and manifest.json tell different figures: 'mrr'.",
    ),
    "figure of a notebook's table": (
        lambda pack: edit(pack / "notebooks" / "retention.en.ipynb", '"96.88%"', '"69.88%"', -1),
        "Scorecard and notebooks tell different figures: 'Customer retention 69.88%",
    ),
    "figure of a card": (
        lambda pack: edit(pack / "report.en.html", "<bdi>96.9%</bdi>", "<bdi>69.9%</bdi>"),
        "report.en.html does not say what was recorded: 'Customer retention 96.9%",
    ),
    "figure of a table": (
        lambda pack: edit(pack / "report.en.html", "<bdi>96.88%</bdi>", "<bdi>69.88%</bdi>"),
        "report.en.html does not say what was recorded: 'Customer retention 96.88% 1,119 1,155",
    ),
    "figure of the headline": (
        lambda pack: edit(pack / "report.en.html", f">{FINDING}<", ">Customer retention steady at 69.9%<"),
        f"report.en.html does not say what was recorded: '{FINDING}'",
    ),
    "figure of a description": (
        lambda pack: edit(pack / "report.en.html", "Highest 97.3%", "Highest 79.3%", -1),
        "report.en.html does not say what was recorded: 'Line chart: Customer retention",
    ),
    "figure of the PDF": (change_pdf, f"report.en.pdf does not say what was recorded: '{FINDING}'"),
    "external script": (
        lambda pack: edit(
            pack / "report.en.html", "</head>", '<script src="https://example.com/x.js"></script></head>'
        ),
        "report.en.html asks for a file of another place: 'https://example.com/x.js'",
    ),
    "external picture": (
        lambda pack: edit(pack / "report.en.html", "<main", '<img alt="x" src="//example.com/x.png"><main'),
        "report.en.html asks for a file of another place: '//example.com/x.png'",
    ),
    "external style": (
        lambda pack: edit(pack / "report.en.html", "</style>", "p{background:url(https://example.com/x)}</style>"),
        "report.en.html asks for a file of another place: 'url(https:",
    ),
    "not ours at all": (
        lambda pack: (pack / "notebooks" / "cohorts.en.ipynb").write_text("{"),
        "The content of notebooks/cohorts.en.ipynb changed after it was built",
    ),
    "failed somewhere": (lambda pack: update_manifest(pack, state="failed"), "A part of the report failed"),
}


@pytest.mark.long
@pytest.mark.parametrize("name", PACK_DEFECTS)
def test_a_defect_of_a_pack_is_caught(pack, name):
    sow, expected = PACK_DEFECTS[name]
    sow(pack)
    for path in [pack / name for name in manifest.read(pack)["files"] if not (pack / name).exists()]:
        update_manifest(
            pack, files={name: "" for name in manifest.read(pack)["files"] if name != path.relative_to(pack).as_posix()}
        )
    update_digests(pack)
    verdict = gate.judge(pack)
    assert verdict.state == "blocked"
    pattern = expected if "\\" in expected else re.escape(expected)
    reasons = [*verdict.reasons, *(finding.reason for finding in gate.check_report(pack, manifest.read(pack), "en"))]
    assert [reason for reason in reasons if re.search(pattern, reason)], reasons


def test_the_same_paper_made_anew_passes(pack):
    """So it was the figure that was caught."""
    change_pdf(pack, "nothing", "nothing")
    update_digests(pack)
    assert gate.check_report(pack, manifest.read(pack), "en") == []


@pytest.mark.parametrize(
    "name", ["scorecard.csv", "lists/new_customers.csv", "notebooks/cohorts.en.ipynb", "report.en.pdf"]
)
def test_an_altered_file_is_caught(pack, name):
    (pack / name).write_bytes((pack / name).read_bytes() + b"\n")
    assert f"{name} is not what was written there: build the report again." in gate.judge(pack).reasons


def test_a_file_that_somebody_put_there_is_caught(pack):
    shutil.copy(pack / "message.en.eml", pack / "message.fr.eml")
    assert gate.judge(pack).reasons == ("message.fr.eml was put there by somebody else: build the report again.",)


def test_what_is_no_pack_is_blocked(tmp_path):
    assert gate.judge(tmp_path) == gate.Verdict("blocked", (f"{tmp_path} is no pack: build the report again.",))


def test_what_the_build_found_still_holds(pack):
    update_manifest(pack, gate={"en": {"state": "blocked", "reasons": ["It was raining."]}})
    assert gate.judge(pack) == gate.Verdict("blocked", ("It was raining.",))


# Blocked: what can be wrong with a message.


def rewrite(pack: Path, html: Callable[[str], str] = str, text: Callable[[str], str] = str) -> None:
    """Change the parts of a pack's message, and nothing else of it."""
    path = pack / "message.en.eml"
    message = message_from_bytes(path.read_bytes(), policy=POLICY)
    for kind, change in (("html", html), ("plain", text)):
        part = message.get_body((kind,))
        body = part.get_content().replace("\r\n", "\n")
        if change is not str:
            assert change(body) != body, "there is nothing to change"
        part.set_content(change(body), subtype=kind, cte="quoted-printable")
    path.write_bytes(to_bytes(message))


def append_html(what: str) -> Callable[[Path], None]:
    """Something more at the end of the HTML part."""
    return lambda pack: rewrite(pack, html=lambda body: body.replace("</body>", f"{what}</body>"))


def swap(old: str, new: str, part: str = "html", count: int = -1) -> Callable[[Path], None]:
    return lambda pack: rewrite(pack, **{part: lambda body: body.replace(old, new, count)})


def resub(pattern: str, new: str) -> Callable[[Path], None]:
    return lambda pack: rewrite(pack, html=lambda body: re.sub(pattern, new, body, count=1))


def head(old: bytes, new: bytes) -> Callable[[Path], None]:
    def change(pack: Path) -> None:
        raw = (pack / "message.en.eml").read_bytes()
        assert old in raw
        (pack / "message.en.eml").write_bytes(raw.replace(old, new, 1))

    return change


def attach(content: bytes, kind: str, name: str, **more: str) -> Callable[[Path], None]:
    def change(pack: Path) -> None:
        message = message_from_bytes((pack / "message.en.eml").read_bytes(), policy=POLICY)
        assert isinstance(message, EmailMessage)
        main_type, sub_type = kind.split("/")
        message.add_attachment(content, maintype=main_type, subtype=sub_type, filename=name, **more)
        (pack / "message.en.eml").write_bytes(to_bytes(message))

    return change


def without(kind: str) -> Callable[[Path], None]:
    def change(pack: Path) -> None:
        message = message_from_bytes((pack / "message.en.eml").read_bytes(), policy=POLICY)
        part = message.get_body((kind,))
        part.set_content("", subtype=kind)
        (pack / "message.en.eml").write_bytes(to_bytes(message))

    return change


def replace_in_both(old: str, new: str) -> Callable[[Path], None]:
    """The same wrong text everywhere in the message."""

    def change(body: str) -> str:
        assert old in body, "there is nothing to change"
        return body.replace(old, new)

    return lambda pack: rewrite(pack, html=change, text=change)


MESSAGE_DEFECTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "script": (append_html("<script>alert(1)</script>"), "it has a <script>"),
    "style sheet": (append_html('<link rel="stylesheet" href="https://example.com/x.css">'), "it has a <link>"),
    "imported style": (swap("</style>\n</head>", "@import 'x.css';</style></head>"), "its style loads something"),
    "SVG": (append_html('<svg width="1" height="1"></svg>'), "it has a <svg>"),
    "iframe": (append_html('<iframe src="https://example.com"></iframe>'), "it has a <iframe>"),
    "form": (append_html('<form action="https://example.com"></form>'), "it has a <form>"),
    "data: picture": (resub(r'src="cid:[^"]+"', 'src="data:image/png;base64,AAAA"'), "a <img> loads 'data:image/png"),
    "external picture": (
        resub(r'src="cid:[^"]+"', 'src="https://example.com/x.png"'),
        "a <img> loads 'https://example.com",
    ),
    "tracking pixel": (
        append_html('<img src="http://example.com/p" width="1" height="1" alt="">'),
        "loads 'http://example.com/p'",
    ),
    "background picture": (
        append_html('<table background="//example.com/x"></table>'),
        "loads '//example.com/x' in its background",
    ),
    "style that loads": (
        append_html('<p style="background:url(//example.com/x)">.</p>'),
        "the style of a <p> loads something",
    ),
    "event handler": (resub("<h1", '<h1 onclick="x()"'), "a <h1> has onclick"),
    "javascript: link": (append_html('<p><a href=" java\nscript:alert(1)">x</a></p>'), "a link leads to ' java"),
    "page that moves on": (append_html('<meta http-equiv="refresh" content="0">'), "a <meta> that loads another page"),
    "missing alt": (resub(r'(<img[^>]*?) alt="[^"]*"', r"\1"), "has no alt text"),
    "empty alt": (resub(r'(<img[^>]*?) alt="[^"]*"', r'\1 alt=" "'), "has an empty alt text"),
    "over 80 KB": (append_html("<p>" + "long " * 10_000 + "</p>"), "its HTML has more than 80 KB"),
    "unclosed tag": (append_html("<p><b>x</p>"), "nested wrongly, or one is not closed: </p> comes while <b> is open"),
    "unclosed at the end": (swap("</body>", ""), "is not closed"),
    "closed twice": (append_html("</div>"), "it closes a <div> that is not open"),
    "wrong nesting": (append_html("<b><i>x</b></i>"), "</b> comes while <i> is open"),
    "no text part": (without("plain"), "it has no text part"),
    "no HTML part": (without("html"), "it has no HTML part"),
    "no subject": (head(b"Subject: ", b"Subject: =?utf-8?q?_?=\r\nKeywords: "), "it has no subject"),
    "no sender": (head(b"From: ", b"Comments: "), "it names no sender"),
    "smuggled header": (
        head(b"Subject: ", b"Bcc: x@example.com\r\nSubject: "),
        "it has a header 'bcc' that is not ours",
    ),
    "header newline": (
        head(b"Subject: ", b"Subject: =?utf-8?q?a=0D=0ABcc:_x=40example.com?= "),
        "its header 'Subject' holds a line break",
    ),
    "two subjects": (head(b"Subject: ", b"Subject: x\r\nSubject: "), "it has the header 'subject' 2 times"),
    "figure in the HTML part": (
        swap(">96.9%<", ">69.9%<"),
        "its HTML tells other figures than the scorecard, which has: 'Customer retention 96.9%'",
    ),
    "figure in the text part": (
        swap("Customer retention: 96.9%", "Customer retention: 69.9%", "text"),
        "its text tells other figures than the scorecard, which has: 'Customer retention 96.9%'",
    ),
    "share in both": (replace_in_both("1,119 of 1,155", "1,155 of 1,119"), "which has: '1,119 of 1,155'"),
    "interval in both": (replace_in_both("95.7% to 97.7%", "95.9% to 97.7%"), "which has: '95% 95.7% to 97.7%'"),
    "change in both": (replace_in_both("+3.5% vs Nov 2025", "+5.3% vs Nov 2025"), "which has: '+3.5% vs Nov 2025'"),
    "figure of a chart's alt text": (
        swap("Highest 97.3%", "Highest 99.3%"),
        "its text and its HTML tell other figures: '97.3', '99.3'",
    ),
    "finding in both": (
        replace_in_both(FINDING, FINDING.replace("96.9", "97.9")),
        f"its headline is not the finding of the report, '{FINDING}'",
    ),
    "customer id": (
        replace_in_both("Needs attention", "Needs attention: C0828"),
        "it names 1 of the customers that the lists hold",
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("name", MESSAGE_DEFECTS)
def test_a_defect_of_a_message_is_caught(pack, name):
    sow, expected = MESSAGE_DEFECTS[name]
    sow(pack)
    findings = gate.check_message(pack, manifest.read(pack), "en")
    assert {finding.state for finding in findings} == {"blocked"}
    assert [
        finding.reason
        for finding in findings
        if expected in finding.reason and finding.reason.startswith("message.en.eml: ")
    ], findings


# What nothing but a change after the build can do to a message.
LATER_DEFECTS: dict[str, Callable[[Path], object]] = {
    "imported style for Outlook": swap("</style><![endif]", "@import 'x.css';</style><![endif]"),
    "comment that loads": append_html('<!--[if mso]><img src="http://example.com/x"><![endif]-->'),
    "size not set": resub(r'(<img[^>]*?) height="[^"]*"', r"\1"),
    "dangling cid": resub(r'src="cid:[^"]+"', 'src="cid:gone@example.com"'),
    "unused picture": resub(r"<img[^>]*>", ""),
    "unused attachment": attach(b"x", "application/zip", "x.zip"),
    "customer list": attach(b"customer_id\nC1\n", "text/csv", "lost.csv"),
    "another PDF": attach(b"%PDF-1.7", "application/pdf", "x.pdf"),
    "table in a paragraph": append_html("<p><table></table></p>"),
    "cell without a row": append_html("<table><td>x</td></table>"),
    "cut off": lambda pack: rewrite(pack, html=lambda body: body[:-500]),
    "bare line feed": head(b"\r\n\r\n", b"\r\n\n"),
    "not ASCII": head(b"Subject: ", "Subject: é".encode()),
}


@pytest.mark.long
@pytest.mark.parametrize("name", LATER_DEFECTS)
def test_a_message_changed_after_the_build_is_caught(pack, name):
    LATER_DEFECTS[name](pack)
    update_digests(pack)
    verdict = gate.judge(pack)
    assert verdict.state == "blocked"
    assert all("of message.en.eml changed after it was built" in reason for reason in verdict.reasons)


def test_a_message_written_anew_passes(pack):
    """So it was the defects that were caught."""
    rewrite(pack)
    update_digests(pack)
    assert gate.judge(pack) == SOUND
    append_html("<script></script>")(pack)
    update_digests(pack)
    (reason,) = [finding.reason for finding in gate.check_message(pack, manifest.read(pack), "en")]
    assert reason == "message.en.eml: it has a <script>."
    assert gate.judge(pack).state == "blocked"


def test_the_limit_is_the_one_messages_are_made_for():
    assert message_checks.MOST_HTML == mail.MOST_HTML


# Secrets.

KEYS = {
    "an AWS access key": "AKIA" + "IOSFODNN7EXAMPLE",
    "a GitHub token": "ghp_" + "a1B2" * 9,
    "a GitLab token": "glpat-" + "a1B2" * 5,
    "a Slack token": "xoxb-" + "123456789012-abcdefABCDEF",
    "an address of a Slack hook": "https://hooks.slack.com/services/" + "T0/B0/" + "x" * 24,
    "a Stripe key": "sk_live_" + "a1B2" * 6,
    "a Shopify token": "shpat_" + "a1B2" * 8,
    "a HubSpot token": "pat-na1-" + "a1b2c3d4-a1b2-a1b2-a1b2-a1b2c3d4e5f6",
    "an OpenAI key": "sk-proj-" + "a1B2" * 12,
    "a PyPI token": "pypi-AgE" + "a1B2" * 16,
    "a Google API key": "AIza" + "a1B2c" * 7,
    "a private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "a JSON web token": "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0In0" + "." + "a1B2" * 8,
    "a password in an address": "postgresql://shop:" + "hunter22@db.example.com/shop",
}


@pytest.mark.parametrize("kind", KEYS)
def test_what_looks_like_a_key_is_caught(pack, kind):
    edit(pack / "lists" / "new_customers.csv", "C3583", KEYS[kind])
    (reason,) = [finding.reason for finding in gate.check_files(pack, manifest.read(pack))]
    assert (
        reason
        == f"lists/new_customers.csv holds {kind}: take it out of the data or the settings, and build the report again."
    )
    assert set(KEYS) == set(secret_checks.PATTERNS)


SECRET = 'p&ss w"rd/7'
PLACES = {
    "scorecard.csv": lambda pack: edit(pack / "scorecard.csv", "Customers at start", SECRET),
    "report.en.html": lambda pack: edit(pack / "report.en.html", "<main", "<!-- p&amp;ss w&quot;rd/7 --><main"),
    "notebooks/cohorts.en.ipynb": lambda pack: edit(
        pack / "notebooks" / "cohorts.en.ipynb", '"cells": [', f'"x": {json.dumps(SECRET)}, "cells": ['
    ),
    "manifest.json": lambda pack: update_manifest(pack, parameters={"templates": SECRET}),
    "report.en.pdf": lambda pack: change_pdf(pack, FINDING, 'p&ss w\\"rd/7'),
    "message.en.eml": append_html("<p>p&amp;ss w&quot;rd/7</p>"),
}


@pytest.mark.long
@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("RETENTION_KIT_SMTP_URL", "smtp://reports:p%26ss%20w%22rd%2F7@mail.example.com:587"),
        ("SHOP_API_KEY", SECRET),
    ],
)
def test_a_secret_of_the_environment_is_caught_anywhere(pack, monkeypatch, where, variable, value):
    monkeypatch.setenv(variable, value)
    contents = manifest.read(pack)
    assert gate.check_files(pack, contents) + gate.check_message(pack, contents, "en") == []
    PLACES[where](pack)
    contents = manifest.read(pack)
    reasons = [finding.reason for finding in gate.check_files(pack, contents)]
    if where == "message.en.eml":
        reasons = [finding.reason for finding in gate.check_message(pack, contents, "en")]
    message = f"{where} holds the secret of the environment variable {variable}: take it out of the data or the settings, and build the report again."
    assert message in reasons
    assert not [reason for reason in reasons if SECRET in reason], "what must not leave is not said, either"


def test_what_is_no_secret_is_none(tmp_path):
    ordinary = {
        "PWD": "/home/reports",
        "SHORT_TOKEN": "web",
        "APP_SECRET": str(tmp_path),
        "COMPASS": "Customer retention",
        "HOMEPAGE": "https://example.com/a:b",
    }
    assert secret_checks.environment_secrets(ordinary) == {}
    known = secret_checks.environment_secrets({"SHOP_TOKEN": "12345678"})
    assert [*secret_checks.leaks(b"id,12345678\n", known)] == ["the secret of the environment variable SHOP_TOKEN"]
    assert [*secret_checks.leaks(b"id,9123456780\n", known)] == [], "part of a longer number"


# What a build does with it.


@pytest.mark.long
@pytest.mark.usefixtures("in_process")
def test_a_blocked_pack_ends_with_1_and_says_why(tmp_path, capsys):
    """The key of a shop has got into its data; built again without, all is well."""
    key = KEYS["an AWS access key"]
    ORDERS.assign(customer_id=["a", "b", "c", "a", "b", key]).to_csv(tmp_path / "orders.csv", index=False)
    command = ["report", "--data", str(tmp_path), "--output", str(tmp_path / "reports"), "--format", "html", "--static"]
    pack = tmp_path / "reports" / "2024-02"
    for _ in range(2):  # it is made again each time
        assert main(command) == 1
        message = capsys.readouterr().err
        assert "Failed: lists/new_customers.csv holds an AWS access key" in message
        assert key not in message
        assert gate_of(pack).state == "blocked"
        assert "do not pass it on" in message_checks.text_of(
            message_checks.parse((pack / "message.en.eml").read_bytes())
        )
    ORDERS.to_csv(tmp_path / "orders.csv", index=False)
    assert main(command) == 0
    assert gate.judge(pack) == SOUND


@pytest.mark.usefixtures("in_process")
def test_a_period_without_anybody_is_blocked(tmp_path):
    data = rk.load(orders=ORDERS, timezone="UTC", currency="GBP", as_of=date(2024, 5, 1))
    pack = rk.build_report(data, "2024-04", output=tmp_path, formats=["html"], static=True)
    assert pack.failures == ("Nobody was active in 2024-04: its report is empty.",)
    assert gate.judge(pack.path) == gate.Verdict("blocked", pack.failures)


@pytest.mark.usefixtures("in_process")
def test_a_message_that_cannot_be_made_is_a_failure(tmp_path, monkeypatch):
    def broken(*_):
        raise ValueError("no ink")

    monkeypatch.setattr(mail, "compose", broken)
    data = rk.load(orders=ORDERS, timezone="UTC", currency="GBP")
    pack = rk.build_report(data, "2024-02", output=tmp_path, formats=["html"], static=True)
    assert pack.failures == ("message.en.eml: ValueError('no ink')",)
    assert gate_of(pack.path).state == "blocked"
    assert manifest.read(pack.path)["state"] == "failed"


def test_each_customer_is_known_by_a_telling_name():
    named_customers = message_checks.named_customers
    assert named_customers("From ann@example.com (today).", ["ann@example.com"], set()) == ["ann@example.com"]
    assert named_customers("The Lee Brothers left.", ["Lee Brothers", "Lee Sisters"], set()) == ["Lee Brothers"]
    assert named_customers("A total of 1,234 in France.", ["1", "234", "1,2", "France", "total"], set()) == []
    assert named_customers("Of Lee Brothers alone", ["Lee Brothers"], {"Lee Brothers"}) == []
    assert named_customers("12345 but not 123456", ["12345", "23456"], set()) == ["12345"]


def test_verdicts_name_the_worst_first():
    findings = [gate.Finding("degraded", "late"), gate.Finding("blocked", "broken"), gate.Finding("blocked", "broken")]
    assert gate.verdict_of(findings) == gate.Verdict("blocked", ("broken", "late"))
    assert gate.verdict_of([]) == SOUND
    assert replace(message_checks.Body(), words=["a", " · b "]).text == "a b"
