"""The message: the report's first screen, charts and cohorts for a mail program, as one file that needs no network."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime, time
from email import message_from_bytes, policy
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage, Message, MIMEPart
from email.utils import format_datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import jinja2
from markupsafe import Markup

from retention_kit import bidi
from retention_kit.errors import ReportError
from retention_kit.report.blocks import templates_dir
from retention_kit.report.message.charts import Picture, pictures
from retention_kit.report.message.content import cohorts, content
from retention_kit.settings.addresses import parse_address

if TYPE_CHECKING:
    import css_inline

    from retention_kit.report.page import Page
    from retention_kit.settings import Settings

MOST_HTML = 80_000  # bytes; some programs cut a message off near 102,000
NOBODY = "retention-kit <reports@localhost>"  # sends what names no sender; nobody can answer it
_MARK = "<!--notices-->"
# Of the preview; its class has the colour by night.
_HEADER = Markup(
    '<div class="from" style="max-width: 592px; margin: 0 auto; padding: 12px 24px 0; color: #5a6673; font:'
    ' 13px/18px sans-serif; word-break: break-word"><b>{}:</b> <bdi{}>{}</bdi></div>'
)


class _Policy(policy.EmailPolicy):
    """What no server on the way has a reason to write anew; subjects without the space that the library adds to them.

    Folding a line before a word that is not ASCII, it leaves the space there and begins the next line with another.
    """

    def fold(self, name: str, value: str) -> str:
        if name.lower() != "subject" or value.isascii():
            return super().fold(name, value)
        return f"{name}: {Header(value, 'utf-8', 76, name).encode(linesep=self.linesep)}{self.linesep}"

    def fold_binary(self, name: str, value: str) -> bytes:
        return self.fold(name, value).encode("ascii", "surrogateescape")


POLICY = _Policy(linesep="\r\n", cte_type="7bit")


class Parts(NamedTuple):
    """What of a message takes a while and is the same whatever its notices: charts as pictures, cohorts as a table."""

    pictures: list[Picture]
    cohorts: dict[str, Any] | None


def parts(page: Page) -> Parts | None:
    """The parts, made beforehand; None where that fails, which `write_message` reports."""
    try:
        _template("html"), _template("txt"), _inliner(page.words.direction)
        return _parts(page)
    except Exception:
        return None


def _parts(page: Page) -> Parts:
    return Parts(pictures(page), cohorts(page))


def boxes(names: dict[str, str], made: dict[str, Parts | None]) -> dict[str, dict[str, str]]:
    """By message, the characters of its pictures that no font has; `names` and parts by language."""
    found: dict[str, dict[str, str]] = {}
    for language, name in names.items():
        pictures = beforehand.pictures if (beforehand := made[language]) else []
        found[f"message.{name}.eml"] = dict(item for one in pictures for item in one.boxes.items())
    return found


def write_message(
    page: Page, building: Path, name: str, notices: Sequence[str] = (), made: Parts | None = None
) -> list[str]:
    """Write `message.<name>.eml` into a pack beside its PDFs, and tell what of it failed.

    Then none stands there, lest an older one be sent. Whatever it is, it takes no report with it. `made` are its parts
    where they were made beforehand.
    """
    path = building / f"message.{name}.eml"
    report, brief = (
        pdf if (pdf := building / f"{kind}.{name}.pdf").is_file() else None for kind in ("report", "brief")
    )
    path.unlink(missing_ok=True)
    try:
        message = compose(page, notices, report, made, brief)
    except Exception as error:
        return [f"{path.name}: {error if isinstance(error, ReportError) else repr(error)}"]
    path.write_bytes(to_bytes(message))
    return []


def compose(
    page: Page,
    notices: Sequence[str] = (),
    report: Path | None = None,
    made: Parts | None = None,
    brief: Path | None = None,
) -> EmailMessage:
    """The message of one page: mixed(alternative(plain, related(html, PNG…)), PDF), the PDF where it goes along.

    `notices` stand at its top; `report` is the PDF, attached where the settings name no link and it is small enough;
    `brief` is its one page, attached where there is one. It is complete but for To and Message-ID, and the same page
    gives the same bytes. Raises ReportError where a chart cannot be drawn.
    """
    drawn, table = made or _parts(page)
    said = content(page, drawn, table, notices, report, brief)
    html = render("html", said)
    if len(html.encode()) > MOST_HTML:  # the table that the full report has, too
        said["cohorts"] = None
        html = render("html", said)
    message = EmailMessage(POLICY)
    message["From"] = sender_of(page.data.settings)
    message["Subject"] = said["subject"]
    message["Date"] = _date(page)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(render("txt", said), cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    _, body = message.iter_parts()
    for number, picture in enumerate({one.cid: one for one in drawn}.values(), 1):  # of small data two may be alike
        _add_picture(body, picture, f"chart-{number}.png")
    for pdf, kind, is_wanted in ((brief, "-brief", said["one_page"]), (report, "", said["attached"])):
        if pdf is not None and is_wanted:
            name = f"retention-{page.period}{kind}.{pdf.name.partition('.')[2]}"
            message.add_attachment(pdf.read_bytes(), maintype="application", subtype="pdf", filename=name)
    message["Content-Language"] = page.words.language  # last, as it would move into the first part
    bound(message)
    return message


def to_bytes(message: EmailMessage) -> bytes:
    """A message as a server takes it: lines of ASCII that end in CRLF."""
    return message.as_bytes(policy=POLICY)


_POLICY = (
    '<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    "img-src 'self' file: data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">"
)


def page_of(raw: bytes) -> dict[str, bytes]:
    """The files that show a message in a browser: index.html, its pictures beside it, message.txt, what is attached.

    On top of index.html stand Subject and From, as a mail program shows them; nothing in it runs or is fetched.
    Raises ReportError where it is no message.
    """
    try:
        return _page_of(message_from_bytes(raw, policy=policy.default))
    except Exception as error:  # the library says in many ways that a message is broken
        raise ReportError(
            "The message cannot be read ({kind}): build the report again.", kind=type(error).__name__
        ) from None


def _page_of(message: EmailMessage) -> dict[str, bytes]:
    bodies = {kind: body.get_content() for kind in ("html", "plain") if (body := message.get_body((kind,)))}
    shown = bodies.get("html", "")
    files: dict[str, bytes] = {}
    for part in message.walk():
        name, cid = Path(part.get_filename() or "").name, str(part["Content-ID"] or "").strip("<> ")
        if name:
            files[name] = _payload(part)
            shown = shown.replace(f"cid:{cid}", name) if cid else shown
    shown = re.sub(r"\A\s*(<!doctype[^>]*>)?", lambda found: found[0] + _POLICY, shown, count=1, flags=re.IGNORECASE)
    turned = Markup(' dir="rtl"') if re.search('<html[^>]* dir="rtl"', shown) else ""
    top = Markup().join(_HEADER.format(name, turned, message[name] or "") for name in ("Subject", "From"))
    shown = re.sub("<body[^>]*>", lambda tag: tag[0] + str(top), shown, count=1)
    return files | {"message.txt": bodies.get("plain", "").encode(), "index.html": shown.encode()}


def noted(message: EmailMessage, sentence: str) -> EmailMessage:
    """The same message with a sentence above all else, in HTML and text, such as that it corrects an earlier one."""
    again = message_from_bytes(to_bytes(message), policy=POLICY)
    assert isinstance(again, EmailMessage), "the policy makes it one"
    for part in again.walk():
        if (
            not isinstance(part, EmailMessage)
            or part.get_content_type() not in ("text/html", "text/plain")
            or part.is_attachment()
        ):
            continue
        body, kind = part.get_content(), part.get_content_subtype()
        if kind == "html":
            is_rtl = ' dir="rtl"' in body.partition(_MARK)[0]
            side, turned = ("right", Markup(' dir="rtl" align="right"')) if is_rtl else ("left", "")
            row = Markup(
                '<tr><td style="padding: 24px 24px 0"><table role="presentation" width="100%" style="width: 100%">'
                '<tr><td class="notice"{turned} style="padding: 14px 18px; border-{side}: 4px solid #d9b25f;'
                ' background-color: #fbf7ee; font-size: 14px; line-height: 21px; color: #1b2433">'
                "<strong>{sentence}</strong></td></tr></table></td></tr>"
            )
            said = row.format(sentence=sentence, side=side, turned=turned)
            body = body.replace(_MARK, f"{said}{_MARK}", 1)
        else:
            body = f"! {sentence}\n\n{body}"
        part.set_content(body, subtype=kind, cte="quoted-printable")
        del part["MIME-Version"]  # belongs to the whole, and `set_content` writes it into each part
    return again


def render(kind: str, said: dict[str, Any]) -> str:
    """What a message says as `html`, its style in its tags, or as `txt`."""
    text = _template(kind).render(said)
    if kind == "html":
        return _inliner(said["direction"]).inline(text)
    return bidi.turn_lines(text, said["direction"])


def _add_picture(body: MIMEPart, picture: Picture, name: str) -> None:
    body.add_related(
        picture.png, maintype="image", subtype="png", cid=f"<{picture.cid}>", filename=name, disposition="inline"
    )


def sender_of(settings: Settings) -> Address:
    """Who sends messages."""
    address, name = parse_address(settings.mail.sender or NOBODY)
    return Address(name, addr_spec=address)


def _date(page: Page) -> str:
    """The first instant that the data do not know: of every build of the same data the same."""
    zone = ZoneInfo(page.data.settings.report.timezone or "UTC")
    return format_datetime(datetime.combine(page.data.as_of, time(), zone))


def _payload(part: Message) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def bound(message: EmailMessage) -> None:
    """Boundaries of the content itself, not drawn by lot; "=_" is in no line of the parts as they are encoded."""
    digest = hashlib.sha256(b"".join(_payload(part) for part in message.walk() if not part.is_multipart())).hexdigest()[
        :24
    ]
    for number, part in enumerate(part for part in message.walk() if part.is_multipart()):
        part.set_boundary(f"=_{digest}-{number}")


@cache
def _template(kind: str) -> jinja2.Template:
    loader = jinja2.FileSystemLoader(templates_dir() / "mail")
    environment = jinja2.Environment(loader=loader, autoescape=kind == "html", trim_blocks=True, lstrip_blocks=True)
    return environment.get_template(f"message.{kind}.j2")


@cache
def _inliner(direction: str) -> css_inline.CSSInliner:
    import css_inline

    style = (templates_dir() / "mail" / "mail.css").read_text("utf-8")
    if direction == "rtl":  # many programs know no "start" and "end"
        style = re.sub(r"\b(?:left|right)\b", lambda side: "right" if side[0] == "left" else "left", style)
    return css_inline.CSSInliner(
        inline_style_tags=False, keep_style_tags=True, load_remote_stylesheets=False, extra_css=style, minify_css=True
    )
