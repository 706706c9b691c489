"""Composes the message of a report: its first screen, charts and cohorts, in one file that needs no network."""

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
from retention_kit.report.blocks import templates_dir, unbroken
from retention_kit.report.message.charts import Picture, pictures
from retention_kit.report.message.content import cohorts, content
from retention_kit.settings.addresses import parse_address

if TYPE_CHECKING:
    import css_inline

    from retention_kit.report.page import Page
    from retention_kit.settings import Settings

MOST_HTML = 80_000  # bytes; some programs truncate a message near 102,000
NOBODY = "retention-kit <reports@localhost>"  # the sender if the settings have none; cannot be replied to
_MARK = "<!--notices-->"
# For the preview; the class has its colour in dark mode.
_HEADER = Markup(
    '<div class="from" style="max-width: 592px; margin: 0 auto; padding: 12px 24px 0; color: #5a6673; font:'
    ' 13px/18px sans-serif; word-break: break-word"><b>{}:</b> <bdi{}>{}</bdi></div>'
)


class _Policy(policy.EmailPolicy):
    """A policy whose messages no server has to re-encode, and without the extra space of the library in subjects.

    When the library folds a line before a word that is not ASCII, it keeps the space and adds another.
    """

    def fold(self, name: str, value: str) -> str:
        if name.lower() != "subject" or value.isascii():
            return super().fold(name, value)
        return f"{name}: {Header(value, 'utf-8', 76, name).encode(linesep=self.linesep)}{self.linesep}"

    def fold_binary(self, name: str, value: str) -> bytes:
        return self.fold(name, value).encode("ascii", "surrogateescape")


POLICY = _Policy(linesep="\r\n", cte_type="7bit")


class Parts(NamedTuple):
    """The slow parts of a message, which do not depend on its notices: charts as images, cohorts as a table."""

    pictures: list[Picture]
    cohorts: dict[str, Any] | None


def parts(page: Page) -> Parts | None:
    """The parts of a message, prepared in advance; None if that fails, as `write_message` reports it."""
    try:
        _template("html"), _template("txt"), _inliner(page.words.direction)
        return _parts(page)
    except Exception:
        return None


def _parts(page: Page) -> Parts:
    return Parts(pictures(page), cohorts(page))


def boxes(names: dict[str, str], prepared: dict[str, Parts | None]) -> dict[str, dict[str, str]]:
    """The characters in charts that no font has, by file name of the message; `names` and `prepared` by language."""
    boxes_by_file: dict[str, dict[str, str]] = {}
    for language, name in names.items():
        pictures = message_parts.pictures if (message_parts := prepared[language]) else []
        boxes_by_file[f"message.{name}.eml"] = dict(item for picture in pictures for item in picture.boxes.items())
    return boxes_by_file


def write_message(
    page: Page, building: Path, name: str, notices: Sequence[str] = (), prepared: Parts | None = None
) -> list[str]:
    """Write `message.<name>.eml` into a pack beside its PDFs; returns what failed, instead of raising it.

    After a failure there is no such file, so that no older one is sent. `prepared` are the results of `parts`.
    """
    path = building / f"message.{name}.eml"
    report, brief = (
        pdf if (pdf := building / f"{kind}.{name}.pdf").is_file() else None for kind in ("report", "brief")
    )
    path.unlink(missing_ok=True)
    try:
        message = compose(page, notices, report, prepared, brief)
    except Exception as error:
        return [f"{path.name}: {error if isinstance(error, ReportError) else repr(error)}"]
    path.write_bytes(to_bytes(message))
    return []


def compose(
    page: Page,
    notices: Sequence[str] = (),
    report: Path | None = None,
    prepared: Parts | None = None,
    brief: Path | None = None,
) -> EmailMessage:
    """The message of one page: mixed(alternative(plain, related(html, PNG…)), PDF…), without To and Message-ID.

    `notices` are shown at the top. `report` is the PDF, attached if the settings have no link and it is small enough;
    `brief` is the one-page PDF, attached if it is small enough. The same page gives the same bytes. Raises ReportError
    if a chart cannot be rendered.
    """
    images, table = prepared or _parts(page)
    context = content(page, images, table, notices, report, brief)
    html = render("html", context)
    if len(html.encode()) > MOST_HTML:  # leave out the table, which is in the full report too
        context["cohorts"] = None
        html = render("html", context)
    message = EmailMessage(POLICY)
    message["From"] = sender_of(page.data.settings)
    message["Subject"] = context["subject"]
    message["Date"] = _date(page)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(render("txt", context), cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    _, body = message.iter_parts()
    for number, picture in enumerate(
        {image.cid: image for image in images}.values(), 1
    ):  # with few data two may be equal
        _add_picture(body, picture, f"chart-{number}.png")
    for pdf, kind, is_wanted in ((brief, "-brief", context["one_page"]), (report, "", context["attached"])):
        if pdf is not None and is_wanted:
            name = f"retention-{page.period}{kind}.{pdf.name.partition('.')[2]}"
            message.add_attachment(pdf.read_bytes(), maintype="application", subtype="pdf", filename=name)
    message["Content-Language"] = page.words.language  # last, as it would move into the first part
    set_boundaries(message)
    return message


def to_bytes(message: EmailMessage) -> bytes:
    """A message as bytes for SMTP: ASCII lines that end in CRLF."""
    return message.as_bytes(policy=POLICY)


_POLICY = (
    '<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    "img-src 'self' file: data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">"
)


def preview_files(raw: bytes) -> dict[str, bytes]:
    """The files of a preview in a browser: index.html with its images, message.txt and attachments, by name.

    index.html has Subject and From at its top; nothing in it is run or fetched. Raises ReportError if `raw` is no
    message.
    """
    try:
        return _preview_files(message_from_bytes(raw, policy=policy.default))
    except Exception as error:  # the library raises many kinds for a broken message
        template = "The message cannot be read ({kind}): build the report again."
        raise ReportError(template, kind=type(error).__name__) from None


def _preview_files(message: EmailMessage) -> dict[str, bytes]:
    bodies = {kind: body.get_content() for kind in ("html", "plain") if (body := message.get_body((kind,)))}
    page = bodies.get("html", "")
    files: dict[str, bytes] = {}
    for part in message.walk():
        name, cid = Path(part.get_filename() or "").name, str(part["Content-ID"] or "").strip("<> ")
        if name:
            files[name] = _payload(part)
            page = page.replace(f"cid:{cid}", name) if cid else page
    page = re.sub(r"\A\s*(<!doctype[^>]*>)?", lambda match: match[0] + _POLICY, page, count=1, flags=re.IGNORECASE)
    direction = Markup(' dir="rtl"') if re.search('<html[^>]* dir="rtl"', page) else ""
    header = Markup().join(_HEADER.format(name, direction, message[name] or "") for name in ("Subject", "From"))
    page = re.sub("<body[^>]*>", lambda tag: tag[0] + str(header), page, count=1)
    return files | {"message.txt": bodies.get("plain", "").encode(), "index.html": page.encode()}


def add_notice(message: EmailMessage, sentence: str) -> EmailMessage:
    """A copy of a message with a sentence at its top, in HTML and text, such as that it corrects an earlier one."""
    copy = message_from_bytes(to_bytes(message), policy=POLICY)
    assert isinstance(copy, EmailMessage), "the policy makes it one"
    for part in copy.walk():
        if (
            not isinstance(part, EmailMessage)
            or part.get_content_type() not in ("text/html", "text/plain")
            or part.is_attachment()
        ):
            continue
        body, kind = part.get_content(), part.get_content_subtype()
        if kind == "html":
            is_rtl = ' dir="rtl"' in body.partition(_MARK)[0]
            side, direction = ("right", Markup(' dir="rtl" align="right"')) if is_rtl else ("left", "")
            row = Markup(
                '<tr><td style="padding: 24px 24px 0"><table role="presentation" width="100%" style="width: 100%">'
                '<tr><td class="notice"{direction} style="padding: 14px 18px; border-{side}: 4px solid #d9b25f;'
                ' background-color: #fbf7ee; font-size: 14px; line-height: 21px; color: #1b2433">'
                "<strong>{sentence}</strong></td></tr></table></td></tr>"
            )
            body = body.replace(_MARK, f"{row.format(sentence=sentence, side=side, direction=direction)}{_MARK}", 1)
        else:
            body = f"! {sentence}\n\n{body}"
        part.set_content(body, subtype=kind, cte="quoted-printable")
        del part["MIME-Version"]  # `set_content` adds it to each part, but it belongs to the whole
    return copy


def render(kind: str, context: dict[str, Any]) -> str:
    """A message as `html` with inline styles, or as `txt`."""
    text = _template(kind).render(context)
    if kind == "html":
        return _inliner(context["direction"]).inline(text)
    return bidi.turn_lines(text, context["direction"])


def _add_picture(body: MIMEPart, picture: Picture, name: str) -> None:
    body.add_related(
        picture.png, maintype="image", subtype="png", cid=f"<{picture.cid}>", filename=name, disposition="inline"
    )


def sender_of(settings: Settings) -> Address:
    """The sender of messages by the settings."""
    address, name = parse_address(settings.mail.sender or NOBODY)
    return Address(name, addr_spec=address)


def _date(page: Page) -> str:
    """The date header: the end of the data, so that it is the same for every build of the same data."""
    zone = ZoneInfo(page.data.settings.report.timezone or "UTC")
    return format_datetime(datetime.combine(page.data.as_of, time(), zone))


def _payload(part: Message) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def set_boundaries(message: EmailMessage) -> None:
    """Set boundaries by a digest of the contents instead of randomly; "=_" is in no line of the encoded parts."""
    digest = hashlib.sha256(b"".join(_payload(part) for part in message.walk() if not part.is_multipart())).hexdigest()[
        :24
    ]
    for number, part in enumerate(part for part in message.walk() if part.is_multipart()):
        part.set_boundary(f"=_{digest}-{number}")


@cache
def _template(kind: str) -> jinja2.Template:
    loader = jinja2.FileSystemLoader(templates_dir() / "mail")
    environment = jinja2.Environment(loader=loader, autoescape=kind == "html", trim_blocks=True, lstrip_blocks=True)
    environment.filters["unbroken"] = unbroken
    return environment.get_template(f"message.{kind}.j2")


@cache
def _inliner(direction: str) -> css_inline.CSSInliner:
    import css_inline

    style = (templates_dir() / "mail" / "mail.css").read_text("utf-8")
    if direction == "rtl":  # many programs do not support "start" and "end"
        style = re.sub(r"\b(?:left|right)\b", lambda side: "right" if side[0] == "left" else "left", style)
    return css_inline.CSSInliner(
        inline_style_tags=False, keep_style_tags=True, load_remote_stylesheets=False, extra_css=style, minify_css=True
    )
