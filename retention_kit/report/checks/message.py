"""Checks of a composed message, from its bytes alone: headers, HTML and named customers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.header import decode_header
from email.headerregistry import Address
from email.message import EmailMessage, Message
from email.parser import BytesHeaderParser
from functools import lru_cache
from html.parser import HTMLParser

from retention_kit.errors import Phrase
from retention_kit.report.checks.figures import figures_in, flat, summarise

MOST_HTML = 80_000  # bytes, as in `message.mail`, which is not imported here
HEADERS = {"from", "subject", "date", "auto-submitted", "content-language", "mime-version", "content-type"}
# Tags that mail programs remove, or that run, load or request something.
FORBIDDEN_TAGS = {
    "applet", "audio", "base", "button", "canvas", "embed", "form", "frame", "frameset", "iframe", "input", "link",
    "math", "noscript", "object", "script", "select", "svg", "template", "textarea", "video",
}  # fmt: skip  # words by the line
VOID_TAGS = {"area", "br", "col", "hr", "img", "meta", "source", "track", "wbr"}
LOADING_ATTRIBUTES = {
    "src", "srcset", "background", "poster", "data", "action", "formaction", "lowsrc", "xlink:href", "ping",
}  # fmt: skip  # words by the line
TEXT_ATTRIBUTES = {"alt", "title", "aria-label"}  # attributes with texts
_STYLE_LOADS = re.compile(r"(?i)url\s*\(|@import|expression\s*\(|-moz-binding|behavior\s*:")
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f]")
# Ids and names that are neither figures nor ordinary words by accident.
_IDENTIFYING = re.compile(r"(?=.*[\d@\s])\S.{4,}")


@dataclass
class Body:
    """The contents of the HTML of a message."""

    faults: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)  # visible texts and alt texts
    cards: list[str] = field(default_factory=list)  # all text of each, flat
    headlines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return flat(" ".join(self.words))


@lru_cache(maxsize=2)  # several checks read the same message
def parse(raw: bytes) -> EmailMessage:
    """A message from its bytes; cached, so not to be changed."""
    return message_from_bytes(raw, policy=policy.default)


def faults(raw: bytes) -> Iterator[str]:
    """The faults in the structure of a message, as sentences."""
    message = parse(raw)
    yield from _header_faults(raw, message)
    html, text = html_of(message), text_of(message)
    for kind, body in (("text", text), ("HTML", html)):
        if not (body or "").strip():
            yield Phrase("it has no {kind} part", kind=kind)
    if html is None or text is None:
        return
    if len(html.encode("utf-8", "replace")) > MOST_HTML:
        template = "its HTML has more than {most} KB, and many programs cut such a message off"
        yield Phrase(template, most=MOST_HTML // 1000)
    yield from dict.fromkeys(read(html).faults)


def html_of(message: EmailMessage) -> str | None:
    return _body(message, "html")


def text_of(message: EmailMessage) -> str | None:
    return _body(message, "plain")


def payload_of(part: Message) -> bytes:
    """The decoded bytes of a part that is not multipart."""
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _body(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body((kind,))
    try:
        return None if part is None else part.get_content()
    except (LookupError, UnicodeError, ValueError):
        return None


def read(html: str) -> Body:
    """The contents of the HTML of a message, with its faults."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    reader.check_closed()
    return reader.body


def named_customers(text: str, customers: Iterable[str], allowed_names: set[str]) -> list[str]:
    """The customers that a text names, except `allowed_names`, such as values of segments."""
    words = set(re.findall(r"[^\s,;:()]+", text))
    words |= {word.strip(".'\"!?") for word in words}
    named = []
    for customer in dict.fromkeys(customers):
        if (
            customer.strip().partition(" ")[0] in words
            and _IDENTIFYING.fullmatch(customer)
            and customer not in allowed_names
        ):
            named += [customer] if re.search(rf"(?<!\w){re.escape(customer)}(?!\w)", text) else []
    return named


def _header_faults(raw: bytes, message: EmailMessage) -> Iterator[str]:
    names = [name.lower() for name in message.keys()]  # noqa: SIM118  has repeated headers
    for name in dict.fromkeys(names):
        if name not in HEADERS:
            template = "it has a header {name!r} that is not ours: a name with a line break may have made it"
            yield Phrase(template, name=name)
        elif names.count(name) > 1:
            yield Phrase("it has the header {name!r} {count} times", name=name, count=names.count(name))
    for name, value in BytesHeaderParser(policy=policy.compat32).parsebytes(raw).items():
        parts = [part if isinstance(part, str) else part.decode("utf-8", "replace") for part, _ in decode_header(value)]
        if _CONTROL.search(re.sub(r"\r?\n(?=[ \t])", "", "".join(parts))):
            yield Phrase("its header {name!r} holds a line break or another control character", name=name)
    if not str(message["Subject"] or "").strip():
        yield Phrase("it has no subject")
    senders: tuple[Address, ...] = getattr(message["From"], "addresses", ())
    if len(senders) != 1 or not senders[0].domain:
        yield Phrase("it names no sender, or several")


class _Reader(HTMLParser):
    """A strict reader of HTML: every tag is closed, in order; nothing is fetched or run."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.body = Body()
        self._open: list[tuple[str, int]] = []  # tags and their lines
        self._card: tuple[int, int] | None = None  # the depth of its tag, and the words before it
        self._headline: tuple[int, int] | None = None
        self._unbroken = 0  # the depth of a part of a sentence in which no line ends
        self._is_going_on = False  # the text before is of one sentence with what follows

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag in FORBIDDEN_TAGS:
            self._add_fault(Phrase("it has a <{tag}>", tag=tag))
        if tag == "meta" and attributes.get("http-equiv", "").lower() == "refresh":
            self._add_fault(Phrase("it has a <meta> that loads another page"))
        for name, value in attributes.items():
            self._check_attribute(tag, name, value)
        if tag == "img":
            self._check_image(attributes)
        if tag in VOID_TAGS:
            return
        self._open.append((tag, self.getpos()[0]))
        classes = attributes.get("class", "").split()
        if "short" in classes:
            self._unbroken = len(self._open)
        else:
            self._is_going_on = False
        if "card" in classes:
            self._card = len(self._open), len(self.body.words)
        if tag == "h1":
            self._headline = len(self._open), len(self.body.words)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID_TAGS:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID_TAGS:
            return
        self._is_going_on &= len(self._open) == self._unbroken
        if self._parent == tag:
            self._close(len(self._open))
            self._open.pop()
        elif tag in [name for name, _ in self._open]:
            template = "its tags are nested wrongly, or one is not closed: </{tag}> comes while <{parent}> is open"
            self._add_fault(Phrase(template, tag=tag, parent=self._parent))
            while self._open.pop()[0] != tag:
                pass
        else:
            self._add_fault(Phrase("it closes a <{tag}> that is not open", tag=tag))

    def handle_data(self, data: str) -> None:
        if self._parent == "style":
            if _STYLE_LOADS.search(data):
                self._add_fault(Phrase("its style loads something"))
        elif self._parent != "title":
            if self._is_going_on:
                self.body.words[-1] += data
            else:
                self.body.words.append(data)
            self._is_going_on = True

    def check_closed(self) -> None:
        for tag, line in self._open:
            self._add_fault(Phrase("its <{tag}> of line {line} is not closed", tag=tag, line=line))

    @property
    def _parent(self) -> str:
        return self._open[-1][0] if self._open else ""

    def _close(self, depth: int) -> None:
        if self._card and self._card[0] == depth:
            self.body.cards.append(flat(" ".join(self.body.words[self._card[1] :])))
            self._card = None
        if self._headline and self._headline[0] == depth:
            self.body.headlines.append(flat(" ".join(self.body.words[self._headline[1] :])))
            self._headline = None

    def _check_attribute(self, tag: str, name: str, value: str) -> None:
        address = re.sub(r"[\x00-\x20\x7f\xa0\u200b-\u200f\ufeff]", "", value).lower()  # as browsers read it
        if name.startswith("on"):
            self._add_fault(Phrase("a <{tag}> has {name}, which runs something", tag=tag, name=name))
        elif name == "style" and _STYLE_LOADS.search(value):
            self._add_fault(Phrase("the style of a <{tag}> loads something", tag=tag))
        elif name == "href":
            if not address.startswith(("https:", "http:", "mailto:")):
                self._add_fault(
                    Phrase("a link leads to {value!r}, which is no address of a page or a person", value=value[:40])
                )
        elif name in LOADING_ATTRIBUTES and not (tag == "img" and name == "src" and address.startswith("cid:")):
            self._add_fault(Phrase("a <{tag}> loads {value!r} in its {name}", tag=tag, value=value[:40], name=name))
        elif name not in TEXT_ATTRIBUTES and address.startswith(("javascript:", "data:", "vbscript:")):
            self._add_fault(Phrase("a <{tag}> has {value!r} in its {name}", tag=tag, value=value[:40], name=name))

    def _check_image(self, attributes: dict[str, str]) -> None:
        text, source = attributes.get("alt"), attributes.get("src", "")[:40]
        if text is None:
            self._add_fault(Phrase("its picture {picture!r} has no alt text", picture=source))
        elif not text.strip():
            self._add_fault(Phrase("its picture {picture!r} has an empty alt text", picture=source))
        self.body.words.append(f" {text or ''} ")

    def _add_fault(self, fault: str) -> None:
        self.body.faults.append(fault)


def figure_faults(html: str, text: str) -> list[str]:
    """A sentence with the figures that only one of the two parts of a message has; empty without such figures."""
    html, text = (
        re.sub(r"(?:https?|mailto):\S+", " ", part) for part in (html, text)
    )  # addresses are in one part only
    differing = sorted(figures_in(html) ^ figures_in(text))
    return [summarise(differing, "its text and its HTML tell other figures")] if differing else []
