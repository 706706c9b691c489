"""The message: every figure that of the scorecard, the same bytes each time, whole and harmless whatever the names are."""

from __future__ import annotations

import csv
import hashlib
import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from io import BytesIO

import msgspec
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from PIL import Image

import retention_kit as rk
from retention_kit.report.archive import manifest
from retention_kit.report.execution import templates as library
from retention_kit.report.message import charts as message_charts
from retention_kit.report.message import mail
from retention_kit.report.message.content import brief
from retention_kit.report.message.mail import MOST_HTML, add_notice, compose, preview_files, to_bytes, write_message
from retention_kit.report.page import Page
from retention_kit.settings import Goal, Mail
from soup import soup_of
from test_pack import run_in_process
from test_real_data import invoices
from test_templates import ORDERS

LINK, LEAVE = "https://intranet.example.com/reports?a=1&b=2", "https://example.com/leave"


class ComposedMail:
    """A message as it arrives: its bytes, parsed, and both of its texts."""

    def __init__(self, message: EmailMessage | bytes):
        self.raw = message if isinstance(message, bytes) else to_bytes(message)
        self.parsed = message_from_bytes(self.raw, policy=policy.default)
        self.html = self.parsed.get_body(("html",)).get_content().replace("\r\n", "\n")
        self.text = self.parsed.get_body(("plain",)).get_content().replace("\r\n", "\n")
        self.page = soup_of(self.html)
        self.preheader = self.page.select_one(".preheader").get_text(strip=True)
        self.html_text = self.page.select_one(".sheet").get_text(" ", strip=True)
        self.types = [part.get_content_type() for part in self.parsed.walk()]
        self.images = {
            str(part["Content-ID"]).strip("<>"): part.get_content()
            for part in self.parsed.walk()
            if part.get_content_type() == "image/png"
        }
        self.files = {part.get_filename(): part.get_content() for part in self.parsed.iter_attachments()}

    def cards(self) -> dict[str, str]:
        return {
            card.select_one(".label").get_text(): card.select_one(".value").get_text()
            for card in self.page.select(".card")
        }


def with_mail(data, company: str | None = None, goals: dict | None = None, **fields):
    """The same data under other settings."""
    settings = msgspec.structs.replace(data.settings, mail=Mail(**fields), goals=goals or {})
    if company is not None:
        settings = msgspec.structs.replace(settings, report=msgspec.structs.replace(settings.report, company=company))
    return replace(data, settings=settings)


def orders_of(rows: list[tuple], **settings) -> Page:
    frame = pd.DataFrame(rows, columns=["customer_id", "ordered_at", "amount", "country"][: len(rows[0])])
    return Page(
        "2024-02",
        "month",
        settings.pop("segment", ""),
        "en",
        rk.load(orders=frame, timezone="UTC", currency="GBP", as_of=date(2024, 3, 1), **settings),
    )


@pytest.fixture(scope="module")
def page(sample) -> Page:
    return Page("2025-12", "month", "channel", "en", sample)


@pytest.fixture(scope="module")
def composed(page) -> ComposedMail:
    return ComposedMail(compose(page))


@pytest.fixture(scope="module")
def retail(shared, tmp_path_factory):
    return rk.load(invoices(tmp_path_factory.mktemp("retail"), shared), company="Online Retail")


@pytest.fixture(scope="module")
def goals(retail) -> ComposedMail:
    targets = {
        "customer_retention_rate": Goal(0.45, "2011-11"),  # 45.6%: reached
        "repeat_purchase_rate": Goal(0.35, "2011-12"),  # 32.5%, a month before the end: open
        "average_revenue_per_customer": Goal(750.0),  # 698.21: missed
    }
    return ComposedMail(compose(Page("2011-11", "month", "", "en", with_mail(retail, goals=targets, link=LINK))))


@pytest.mark.long
def test_it_is_built_as_programs_expect_it(page, tmp_path):
    report = tmp_path / "report.en.pdf"
    report.write_bytes(b"%PDF-1.7 small")
    composed = ComposedMail(compose(page, report=report))
    assert composed.types == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "image/png",
        "image/png",
        "application/pdf",
    ]
    assert composed.files == {"retention-2025-12.en.pdf": b"%PDF-1.7 small"}
    assert composed.parsed["From"] == "retention-kit <reports@localhost>"
    assert composed.parsed["Content-Language"] == "en"
    assert (composed.parsed["To"], composed.parsed["Message-ID"]) == (None, None)
    assert str(composed.parsed["Date"]) == "Thu, 01 Jan 2026 00:00:00 +0000"
    assert composed.raw.isascii()
    assert max(map(len, composed.raw.split(b"\r\n"))) < 100
    assert b"\n" not in composed.raw.replace(b"\r\n", b"")


def test_it_asks_for_nothing_and_holds_what_it_shows(composed):
    sources = [image["src"] for image in composed.page("img")]
    assert sources == [f"cid:{cid}" for cid in composed.images]
    assert len(set(sources)) == len(sources) == 3
    assert composed.page(["script", "svg", "link", "object", "iframe", "form"]) == []
    assert re.findall(r"(?i)url\(|@import|https?:|data:|javascript:|\son\w+=", composed.html) == []
    assert len(composed.html.encode()) <= MOST_HTML == 80_000


def test_every_tag_is_closed(composed, goals):
    """No browser minds, and many a mail program does: closing tags are optional only for the void ones."""
    for html in (composed.html, goals.html):
        bare = re.sub(r"(?s)<!--.*?-->|<!DOCTYPE[^>]*>|<style>.*?</style>", "", html)
        still_open = []
        for closing, tag in re.findall(r"<(/?)([a-z][a-z0-9]*)[^>]*>", bare):
            if closing:
                assert still_open.pop() == tag
            elif tag not in ("meta", "img", "br"):
                still_open.append(tag)
        assert still_open == []
        assert bare.count("<tr") > 30


def test_pictures_have_twice_their_size_and_few_colours(composed):
    for tag, png in zip(composed.page("img"), composed.images.values(), strict=True):
        picture = Image.open(BytesIO(png))
        assert picture.size == (2 * int(tag["width"]), 2 * int(tag["height"]))
        assert int(tag["width"]) == 592
        assert 8 <= len(picture.getcolors()) <= 64
        assert picture.convert("RGB").getpixel((1, 1)) == (255, 255, 255)
        assert len(png) < 40_000


def test_alt_texts_tell_the_figures(goals):
    trend, customers, revenue = (image["alt"] for image in goals.page("img"))
    assert "November 2011: 45.6%, 95% interval 43.0% to 48.3%, n 1,364." in trend
    assert "622 kept, 719 back, 323 new, 742 lost, 1,664 at the end" in customers
    assert "November 2011: £698" in revenue
    assert all(image["alt"] in goals.text for image in goals.page("img"))


def test_cards_are_the_scorecard(sample_pack):
    composed = ComposedMail((sample_pack / "message.en.eml").read_bytes())
    with (sample_pack / "scorecard.csv").open(encoding="utf-8", newline="") as file:
        now = {row["label"]: row for row in csv.DictReader(file) if row["period"] == "2025-12" and not row["segment"]}
    printed = {
        "fraction": lambda value: f"{value:.1%}",
        "points": lambda value: f"{value:.1f}",
        "count": lambda value: f"{value:,.0f}",
        "money": lambda value: f"£{value:,.2f}" if value < 100 else f"£{value:,.0f}",
    }
    expected = {label: printed[now[label]["unit"]](float(now[label]["value"])) for label in composed.cards()}
    assert composed.cards() == expected
    assert len(expected) == 6
    assert all(f"{label}: {value}\n" in composed.text for label, value in expected.items())


def test_the_published_figures_arrive(goals):
    assert goals.cards() == {
        "Customer retention": "45.6%",
        "Repeat purchase rate": "32.5%",
        "Revenue per customer": "£698",
        "Active customers": "1,664",
        "Revenue": "£1.16M",
        "Average purchase value": "£437",
    }
    # The change is paired: 489 of the 1,364 were there a month before too (all of them kept), of whom 329 stayed again.
    for text in ("622 of 1,364 · 95% 43.0% to 48.3%", "+7.0 points vs Oct 2011", "95% +3.6 to +10.3"):
        assert text in goals.text
        assert text in goals.html_text
    assert "1,664 = 622 kept + 719 back + 323 new" in goals.html_text


def test_both_texts_say_the_same_figures(composed, goals):
    for message in (composed, goals):
        figures = re.compile(r"[−+±]?£?\d[\d,.]*\d|\d")
        in_html, in_text = set(figures.findall(message.html_text)), set(figures.findall(message.text))
        assert in_html - in_text <= {"6"}  # the column after which a narrow screen shows no more
        assert len(in_html) > 80


def test_the_cohort_table_is_that_of_the_scorecards_cohorts(composed, sample):
    cells = rk.cohorts(sample, every="month")
    cells = cells[cells["cohort"] == "2025-03"].sort_values("age")
    row = next(row for row in composed.page.select(".cohorts tr") if row.th.get_text() == "Mar 2025")
    size, *percents = [cell.get_text() for cell in row("td")]
    assert size == str(cells["size"].iloc[0])
    assert [int(percent) for percent in percents if percent] == [int(100 * value + 0.5) for value in cells["retention"]]
    assert "background" not in row("td")[-1]["style"]  # what has not been seen has no fill, which would glare by night


def test_subject_and_preheader_carry_the_finding(composed, goals):
    assert goals.parsed["Subject"] == (
        "Customer retention rose by 7.0 points to 45.6%, within chance of its goal of 45% – Online Retail, November 2011"
    )
    assert goals.preheader.startswith("Customer retention 45.6% (+7.0 points vs Oct 2011) · Repeat purchase rate 32.5%")
    assert (
        goals.page.h1.get_text() == "Customer retention rose by 7.0 points to 45.6%, within chance of its goal of 45%"
    )
    # Of those who read the subject alone, nobody is told that a figure rose where that may be chance.
    assert "Customer retention steady at 96.9% – Sample Company, December 2025" in str(composed.parsed["Subject"])
    assert "synthetic data" in composed.html_text


def test_two_sentences_say_how_sure_it_is_and_why(composed, goals):
    assert goals.page.select_one(".lead").get_text() == (
        "The rise is larger than chance explains (95% interval of the change: +3.6 to +10.3). "
        # 1.60 × £437.39 = £698; a month before 1.42 × £538.51 = £762
        "Revenue per customer at £698, no clear change: 1.60 purchases each (+0.18) at £437 a purchase (−18.8%)."
    )
    assert (
        composed.page.select_one(".lead")
        .get_text()
        .endswith(" 10 of the 36 customers who stopped paying in December 2025 gave as reason: not used enough.")
    )


def test_goals_show_how_far_they_are(goals):
    rows = {row.strong.get_text(): row for row in goals.page.select("td.goal")}
    assert {value: row.select_one(".of").get_text() for value, row in rows.items()} == {
        "45.6%": "✓ reached, within chance · goal 45% by Nov 2011 · from 36.6% in Jan 2011",
        "32.5%": "∆ off track · goal 35% by Dec 2011 · from 29.7% in Dec 2010",
        "£698": "× missed, within chance · goal £750 · from £647 in Dec 2010",
    }
    widths = {value: [cell.get("width") for cell in row.select(".track td")] for value, row in rows.items()}
    assert widths == {"45.6%": ["100%"], "32.5%": ["52%", "48%"], "£698": ["50%", "50%"]}
    assert "- Repeat purchase rate: 32.5% · ∆ off track · goal 35% by Dec 2011" in goals.text


def test_an_incomplete_period_says_so_everywhere(retail):
    composed = ComposedMail(compose(Page("2011-12", "month", "", "en", retail)))
    assert "so far in December 2011" in str(composed.parsed["Subject"])
    for text in (composed.html_text, composed.text):
        assert "Incomplete: data to 9 Dec 2011" in text
        assert "its figures run to 9 Dec 2011, without change or verdict" in text
    assert composed.page.select(".change") == []


def test_notices_stand_above_all_else(page):
    composed = ComposedMail(compose(page, notices=["The data end early: on <9 Dec>.", "Second."]))
    for text, first in (
        (composed.html_text, composed.page.h1.get_text()),
        (composed.text, composed.page.h1.get_text()),
    ):
        assert 0 < text.index("Read with care") < text.index("on <9 Dec>.") < text.index("Second.") < text.index(first)
    assert "display" not in composed.page.select_one(".fault")["style"]
    assert "Read with care" not in ComposedMail(compose(page)).text


def test_a_correction_is_the_same_message_under_a_sentence(composed, page):
    again = ComposedMail(add_notice(compose(page), "This corrects the report sent <before>."))
    assert again.html_text.index("This corrects the report sent <before>.") < again.html_text.index(
        again.page.h1.get_text()
    )
    assert again.text == f"! This corrects the report sent <before>.\n\n{composed.text}"
    assert (again.images, again.types) == (composed.images, composed.types)
    assert again.html_text.replace("This corrects the report sent <before>. ", "") == composed.html_text


@pytest.mark.long
@pytest.mark.parametrize("environment", [{"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7", "LC_ALL": "C"}])
def test_the_same_bytes_on_another_day_in_another_place(composed, page, environment):
    program = (
        "import sys, hashlib, retention_kit as rk\nfrom retention_kit.report.page import Page\n"
        "from retention_kit.report.message.mail import compose, to_bytes\n"
        "page = Page('2025-12', 'month', 'channel', 'en', rk.sample())\n"
        "print(hashlib.sha256(to_bytes(compose(page))).hexdigest())"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    assert result.stdout.strip() == hashlib.sha256(composed.raw).hexdigest()
    assert to_bytes(compose(page)) == composed.raw


@pytest.mark.long
def test_sixty_cohorts_and_fifty_segments_fit(monkeypatch):
    first = date(2019, 3, 1)
    rows = [
        (
            f"c{number}",
            str(first + timedelta(days=month * 30.44 // 1 + number % 9)),
            10 + number % 7,
            f"Land {number % 50}",
        )
        for number in range(1500)
        for month in range(number % 60, 60, 1 + number % 3)
    ]
    page = orders_of(rows, segment="country")
    composed = ComposedMail(compose(page))
    assert len(composed.page.select(".cohorts tr")) == 14
    assert 30_000 < len(composed.html.encode()) < MOST_HTML
    monkeypatch.setattr(mail, "MOST_HTML", 30_000)
    small = ComposedMail(compose(page))
    assert len(small.html.encode()) < 30_000
    assert small.page.select(".cohorts") == []
    assert small.images == composed.images


HOSTILE = {
    "newlines": "Acme\r\nBcc: all@example.com\r\n\r\nHello",
    "script": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "formula": "=cmd|' /C calc'!A1",
    "turned around": "Acme \u202etxt.exe\u202c \u2066gnp\u2069",
    "endless": "x" * 990,  # longer texts are cut when they are read
    "endless words": "company name " * 70 + "end",
    "halves": "Acme \ud800 \x00\x1b[31m\x85\u2028end",
    "template": "{{ 7 * 7 }} {company} %s",
    "quoted": "\"Acme\" '& Söhne' <a@b>",
}


@pytest.mark.long
@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_hostile_names_are_words_and_nothing_else(name):
    segment = name.encode("utf-8", "ignore").decode()  # an engine stores no half letters
    rows = [
        (f"c{number}", f"2024-0{month}-03", 10.0, segment)
        for number in range(40)
        for month in (1, 2)
        if number % 3 or month == 1
    ]
    rows += [(f"d{number}", f"2024-0{month}-04", 10.0, "other") for number in range(80) for month in (1, 2)]
    weak = orders_of(rows, segment="country")
    weak.data = with_mail(weak.data, company=name)
    alone = Page("2024-02", "month", f"country={segment}", "en", weak.data)
    for page in (weak, alone):
        composed = ComposedMail(compose(page, notices=[name]))
        assert sorted(composed.parsed.keys()) == [
            "Auto-Submitted",
            "Content-Language",
            "Content-Type",
            "Date",
            "From",
            "MIME-Version",
            "Subject",
        ]
        subject = str(composed.parsed["Subject"])
        assert len(subject) < 300
        for text in (subject, composed.html, composed.text):
            assert not set(text) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\x00\x1b\x85\u2028")
        assert brief(name) in subject
        assert composed.page(["script", "a"]) == []
        assert len(composed.page("img")) == len(composed.images)
        assert "49" not in subject
        assert len(composed.html.encode()) < MOST_HTML
        assert "65.0%" in composed.text  # 26 of 40: the figure itself, however long the names beside it


def test_a_hostile_reason_and_plan_are_words():
    """The reason of those who left is in the first sentences."""
    reason = "</td></table>\u202e<script>alert(1)</script>\r\nBcc: all@example.com"
    rows = [
        (f"s{number}", "2024-01-01", "2024-02-10" if number < 30 else None, 10.0, reason, reason)
        for number in range(60)
    ]
    columns = ["customer_id", "started_at", "ended_at", "amount", "cancel_reason", "plan"]
    frame = pd.DataFrame(rows, columns=columns)
    data = rk.load(subscriptions=frame, timezone="UTC", currency="GBP", as_of=date(2024, 3, 1))
    composed = ComposedMail(compose(Page("2024-02", "month", "plan", "en", data)))
    text = "gave as reason: </td></table><script>alert(1)</script> Bcc: all@example.com"
    assert text in composed.page.select_one(".lead").get_text()
    assert text in composed.text
    assert composed.page("script") == []
    assert composed.parsed["Bcc"] is None


def test_customers_are_never_named():
    orders = pd.DataFrame(
        [(f"kunde-{number}@example.com", f"2024-0{month}-03", 10.0) for number in range(40) for month in (1, 2)],
        columns=["customer_id", "ordered_at", "amount"],
    )
    composed = ComposedMail(
        compose(Page("2024-02", "month", "", "en", rk.load(orders=orders, timezone="UTC", currency="GBP")))
    )
    decoded = b"".join(part.get_payload(decode=True) or b"" for part in composed.parsed.walk())
    assert b"kunde" not in decoded
    assert b"kunde" not in composed.raw
    assert b"GBP" not in decoded
    assert b"\xc2\xa3400" in decoded  # 40 × £10


@pytest.mark.long
def test_each_basis_has_its_message(shared, tmp_path):
    from test_real_data import airport

    subscriptions = pd.DataFrame(
        [
            ("a", "2024-01-01", None, 10.0, "basic"),
            ("b", "2024-01-01", "2024-02-10", 20.0, "pro"),
            ("c", "2024-02-05", None, 30.0, "pro"),
        ],
        columns=["customer_id", "started_at", "ended_at", "amount", "plan"],
    )
    paying = rk.load(subscriptions=subscriptions, timezone="UTC", currency="GBP", as_of=date(2024, 4, 1))
    buying = rk.load(orders=ORDERS, timezone="UTC", currency="GBP", as_of=date(2024, 3, 1))
    weighted = rk.load(airport(tmp_path, shared, 'weight = "weight"'))
    for data, period, finding, charts in (
        (paying, "2024-02", "Customer retention fell by", 3),
        (buying, "2024-02", "Customer retention was 66.7% in February 2024", 3),
        (weighted, "2017-05", "Net promoter score was 40.4 in May 2017", 3),
    ):
        composed = ComposedMail(compose(Page(period, "month", "", "en", data)))
        if data is paying:  # at its start a and b pay, at its end a and c
            assert composed.page.h1.get_text() == "Customer retention was 50.0% in February 2024"
            assert "£30 at the start + £30 new" in composed.html_text
        else:
            assert composed.page.h1.get_text() == finding
        assert len(composed.images) == charts


def test_a_period_without_figures_still_has_a_message():
    late = rk.load(orders=ORDERS, timezone="UTC", currency="GBP", as_of=date(2024, 6, 1))
    composed = ComposedMail(compose(Page("2024-05", "month", "", "en", late)))
    assert composed.page.h1.get_text() in composed.text
    assert "May 2024" in str(composed.parsed["Subject"])


def test_the_whole_report_is_linked_or_attached_or_with_the_sender(sample, tmp_path):
    report = tmp_path / "report.en.country-France.pdf"
    report.write_bytes(b"%PDF" * 1000)

    def compose_mail(**options) -> ComposedMail:
        return ComposedMail(compose(Page("2025-12", "month", "", "en", with_mail(sample, **options)), report=report))

    linked = compose_mail(link=LINK)
    assert linked.page.select_one(".button a")["href"] == LINK
    assert LINK in linked.text
    assert linked.files == {}
    attached = compose_mail(attach_limit="4KB")
    assert list(attached.files) == ["retention-2025-12.en.country-France.pdf"]
    assert "attached as a PDF" in attached.html_text
    large = compose_mail(attach_limit="3.9KB")
    assert large.files == {}
    assert "with the sender of this message" in large.html_text
    assert "attached" not in large.text


@pytest.mark.parametrize(
    ("unsubscribe", "href", "message"),
    [
        (LEAVE, LEAVE, f"Leave the list: {LEAVE}"),
        ("leave@example.com", "mailto:leave@example.com", "To leave the list, write to leave@example.com."),
        ("mailto:leave@example.com?subject=out", "mailto:leave@example.com?subject=out", "write to leave@example.com."),
        (None, None, "To leave the list, answer this message."),
    ],
)
def test_one_reads_why_one_receives_it_and_how_to_leave(page, monkeypatch, unsubscribe, href, message):
    monkeypatch.setattr(page, "data", with_mail(page.data, unsubscribe=unsubscribe))
    composed = ComposedMail(compose(page))
    links = [link["href"] for link in composed.page.select(".foot a")]
    assert links == ([href] if href else [])
    assert message in composed.text
    assert (
        "You receive this because your address is on the list for the retention reports of Sample Company."
        in composed.text
    )


def test_the_sender_keeps_its_letters(page, monkeypatch):
    monkeypatch.setattr(page, "data", with_mail(page.data, sender="Zoë, 報告 <reports@münchen.example>"))
    sender = ComposedMail(compose(page)).parsed["From"].addresses[0]
    assert (sender.display_name, sender.addr_spec) == ("Zoë, 報告", "reports@xn--mnchen-3ya.example")


def test_it_opens_as_a_page(composed):
    files = preview_files(composed.raw)
    page = BeautifulSoup(files["index.html"], "html.parser")
    assert page.body["style"].startswith("margin:0")
    assert list(page.body.stripped_strings)[:2] == ["Subject:", composed.parsed["Subject"]]
    assert [image["src"] for image in page("img")] == ["chart-1.png", "chart-2.png", "chart-3.png"]
    assert [files[image["src"]] for image in page("img")] == list(composed.images.values())
    assert b"cid:" not in files["index.html"]
    assert files["message.txt"].decode().replace("\r\n", "\n") == composed.text


def test_a_pack_holds_its_message(sample_pack, sample):
    """With the PDF that lies beside it, and listed with its checksum."""
    raw = (sample_pack / "message.en.eml").read_bytes()
    files = manifest.read(sample_pack)["files"]
    assert files["message.en.eml"] == hashlib.sha256(raw).hexdigest()
    assert ComposedMail(raw).files == {"retention-2025-12.en.pdf": (sample_pack / "report.en.pdf").read_bytes()}
    page = Page("2025-12", "month", ",".join(sample.settings.report.segments), "en", sample)
    assert to_bytes(compose(page, report=sample_pack / "report.en.pdf")) == raw


@pytest.mark.long
def test_a_chart_that_cannot_be_drawn_leaves_no_older_message(monkeypatch, tmp_path):
    monkeypatch.setattr(library, "run", run_in_process)
    data = rk.load(orders=ORDERS.assign(country="France"), timezone="UTC", currency="GBP")
    options = {"output": tmp_path, "formats": ["html"], "segment": "country=France", "force": True}
    pack = rk.build_report(data, "2024-02", **options)
    assert pack.failures == ()
    assert [path.name for path in pack.path.glob("*.eml")] == ["message.en.country-France.eml"]
    monkeypatch.setattr(message_charts, "DRAWN_WIDTH", "wide")
    pack = rk.build_report(data, "2024-02", **options)
    assert [failure.partition(":")[0] for failure in pack.failures] == ["message.en.country-France.eml"]
    assert [*pack.path.glob("*.eml")] == []
    assert (pack.path / "report.en.country-France.html").is_file()


def test_a_message_beside_no_pdf_is_written_all_the_same(page, tmp_path):
    assert write_message(page, tmp_path, "en", ["Late."]) == []
    composed = ComposedMail((tmp_path / "message.en.eml").read_bytes())
    assert "Late." in composed.text
    assert composed.files == {}


# Every text on the page against what it stands on, as WCAG 2.2 counts it; the worst, and how many there are.
CONTRAST = """() => {
  const parts = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => {
    const [r, g, b] = parts(colour).slice(0, 3).map(part => (part /= 255) <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const ground = node => {
    for (; node; node = node.parentElement) {
      const colour = getComputedStyle(node).backgroundColor;
      if (parts(colour)[3] !== 0) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const texts = [...document.querySelectorAll('.sheet *')].filter(node => node.getClientRects().length &&
    [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim()));
  const found = texts.map(node => {
    const [one, two] = [light(getComputedStyle(node).color), light(ground(node))];
    return {text: node.textContent.trim(), ratio: (Math.max(one, two) + .05) / (Math.min(one, two) + .05)};
  });
  const sheet = light(ground(document.querySelector('.sheet')));
  return {worst: found.sort((one, two) => one.ratio - two.ratio)[0], count: found.length, sheet};
}"""


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [640, 390])
def test_it_can_be_read_on_a_desk_and_a_phone_by_day_and_by_night(chromium, goals, tmp_path, width, scheme):
    for name, body in preview_files(goals.raw).items():
        (tmp_path / name).write_bytes(body)
    page = chromium.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto((tmp_path / "index.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.eval_on_selector_all("img", "all => all.map(one => one.naturalWidth)") == [1184] * 3
    assert page.eval_on_selector_all("img", "all => all.every(one => one.width / one.height > 1.9)")
    contrast = page.evaluate(CONTRAST)
    assert contrast["worst"]["ratio"] >= 4.5, contrast["worst"]
    assert contrast["count"] > 150
    assert (contrast["sheet"] > 0.5) == (scheme == "light")
    assert page.locator(".far:visible").count() == (0 if width == 390 else 13 * 6)  # rows, and ages after the sixth
    assert page.locator(".narrow:visible").count() == (1 if width == 390 else 0)
    assert all(url.startswith(tmp_path.as_uri()) for url in requests)
    page.close()
