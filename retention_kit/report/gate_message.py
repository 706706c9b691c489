"""What is wrong with a message, told from its bytes alone: its headers, its parts, its HTML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.header import decode_header
from email.message import EmailMessage, Message
from html.parser import HTMLParser

from retention_kit.report.gate_figures import figures_in, flat, in_short

MOST_HTML = 80_000  # bytes, as a message is composed: this is read without what composes one
HEADERS = {"from", "subject", "date", "auto-submitted", "content-language", "mime-version", "content-type"}
LONGEST = 998  # bytes of a line, RFC 5322
# Tags that mail programs take away, or that run, load or ask for something.
FORBIDDEN = {
    "applet", "audio", "base", "button", "canvas", "embed", "form", "frame", "frameset", "iframe", "input", "link", "math",
    "noscript", "object", "script", "select", "svg", "template", "textarea", "video",
}  # fmt: skip
VOID = {"area", "br", "col", "hr", "img", "meta", "source", "track", "wbr"}
BLOCKS = {"div", "p", "table", "h1", "h2", "h3", "h4", "ul", "ol", "tr", "td", "th"}
INSIDE = {
    "tr": {"table", "tbody", "thead", "tfoot"},
    "td": {"tr"},
    "th": {"tr"},
    "tbody": {"table"},
    "li": {"ul", "ol"},
}
LOADING = {"src", "srcset", "background", "poster", "data", "action", "formaction", "lowsrc", "xlink:href", "ping"}
WORDS = {"alt", "title", "aria-label"}  # attributes that say something, whatever that is
_STYLE_LOADS = re.compile(r"(?i)url\s*\(|@import|expression\s*\(|-moz-binding|behavior\s*:")
_HIDES = re.compile(
    r"(?i)display:\s*none|visibility:\s*(?:hidden|collapse)|opacity:\s*0?\.?0*(?![\d.])|mso-hide:\s*all"
    r"|(?:font-size|max-height|max-width):\s*0|(?<![\w-])(?:height|width):\s*0|text-indent:\s*-\d{3}|(?:left|top|right):\s*-\d{3}"
)
_HIDDEN = ("preheader", "narrow", "far")  # what ours hide: the words beside the subject, and columns on a phone
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f]")
_PNG = b"\x89PNG\r\n\x1a\n"
# Long enough not to be a figure by accident, and no plain word of a report.
_TELLING = re.compile(r"(?=.*[\d@\s])\S.{4,}")


@dataclass
class Body:
    """The HTML of a message as read tag by tag."""

    faults: list[str] = field(default_factory=list)
    cids: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)  # that are shown, alt texts too
    cards: list[str] = field(default_factory=list)  # all text of each, flat
    headlines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return flat(" ".join(self.words))


def parse(raw: bytes) -> EmailMessage:
    """A message from its bytes."""
    return message_from_bytes(raw, policy=policy.default)


def faults(raw: bytes, reports: Sequence[bytes]) -> Iterator[str]:
    """Everything that is wrong with how a message is built; `reports` are the PDFs that it may bring along."""
    message = parse(raw)
    yield from _of_headers(raw, message)
    yield from _of_parts(message, reports)
    html = html_of(message)
    if html is None or text_of(message) is None:
        return  # as it has been told
    if len(html.encode("utf-8", "replace")) > MOST_HTML:
        yield f"its HTML has more than {MOST_HTML // 1000} KB, and many programs cut such a message off"
    body = read(html)
    yield from dict.fromkeys(body.faults)
    yield from _of_pictures(message, body)


def html_of(message: EmailMessage) -> str | None:
    return _body(message, "html")


def text_of(message: EmailMessage) -> str | None:
    return _body(message, "plain")


def _body(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body((kind,))
    try:
        return None if part is None else part.get_content()
    except (LookupError, UnicodeError, ValueError):
        return None


def read(html: str) -> Body:
    """The HTML of a message, with what is wrong with it."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    reader.end(html)
    return reader.body


def named_customers(text: str, customers: Iterable[str], said: set[str]) -> list[str]:
    """The customers that a text names; `said` are names that it may say, as a segment's value."""
    words = set(re.findall(r"[^\s,;:()]+", text))
    words |= {word.strip(".'\"!?") for word in words}
    found = []
    for one in dict.fromkeys(customers):
        if one.strip().partition(" ")[0] in words and _TELLING.fullmatch(one) and one not in said:
            found += [one] if re.search(rf"(?<!\w){re.escape(one)}(?!\w)", text) else []
    return found


def _of_headers(raw: bytes, message: EmailMessage) -> Iterator[str]:
    if not raw.isascii():
        yield "it has bytes that are not ASCII, which not every server takes"
    if re.search(rb"(?<!\r)\n|\r(?!\n)", raw):
        yield "it has lines that do not end in CR LF"
    if max(map(len, raw.split(b"\r\n"))) > LONGEST:
        yield f"it has a line of more than {LONGEST} bytes"
    names = [name.lower() for name in message.keys()]  # noqa: SIM118  it has one of each time a header stands there
    for name in dict.fromkeys(names):
        if name not in HEADERS:
            yield f"it has a header {name!r} that is not ours: a name with a line break may have made it"
        elif names.count(name) > 1:
            yield f"it has the header {name!r} {names.count(name)} times"
    for name, value in message_from_bytes(raw, policy=policy.compat32).items():
        parts = [part if isinstance(part, str) else part.decode("utf-8", "replace") for part, _ in decode_header(value)]
        if _CONTROL.search(re.sub(r"\r?\n(?=[ \t])", "", "".join(parts))):
            yield f"its header {name!r} holds a line break or another control character"
    if not str(message["Subject"] or "").strip():
        yield "it has no subject"
    senders = getattr(message["From"], "addresses", ())
    if len(senders) != 1 or not senders[0].domain:
        yield "it names no sender, or several"


def _of_parts(message: EmailMessage, reports: Sequence[bytes]) -> Iterator[str]:
    for part in message.walk():
        if part.defects:
            yield f"a part of it is not well built: {type(part.defects[0]).__name__}"
    for kind, body in (("text", text_of(message)), ("HTML", html_of(message))):
        if not (body or "").strip():
            yield f"it has no {kind} part"
    bodies = [message.get_body((kind,)) for kind in ("plain", "html")]
    for part in message.walk():
        kind = part.get_content_type()
        if part.is_multipart() or any(part is body for body in bodies):
            continue
        content = part.get_payload(decode=True) or b""
        if kind == "application/pdf" and part.is_attachment():
            if content not in reports:
                yield "the PDF that it brings along is not that of the pack"
        elif kind != "image/png" or not part["Content-ID"]:
            yield f"it brings along {_called(part)}, which nothing in it shows"
        elif not content.startswith(_PNG):
            yield f"its picture {_called(part)} is no PNG"


def _of_pictures(message: EmailMessage, body: Body) -> Iterator[str]:
    there = [str(part["Content-ID"]).strip("<> ") for part in message.walk() if part["Content-ID"]]
    for cid in dict.fromkeys(body.cids):
        if cid not in there:
            yield f"it shows a picture {cid!r} that it does not bring along"
    for cid in dict.fromkeys(there):
        if cid not in body.cids:
            yield f"it brings along a picture {cid!r} that it does not show"
        if there.count(cid) > 1:
            yield f"two of its pictures are called {cid!r}"


def _called(part: Message) -> str:
    return f"{part.get_filename() or 'a part'!r} ({part.get_content_type()})"


class _Reader(HTMLParser):
    """Reads HTML as the strictest program would: every tag closed, in order, nothing fetched, nothing run."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.body, self._open, self._card, self._headline = Body(), [], None, None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in FORBIDDEN:
            self._say(f"it has a <{tag}>")
        if tag in INSIDE and self._parent not in INSIDE[tag]:
            self._say(f"its <{tag}> stands in <{self._parent}>")
        if tag in BLOCKS and "p" in self._since("td"):
            self._say(f"its <{tag}> stands in a <p>")
        if tag == "meta" and given.get("http-equiv", "").lower() == "refresh":
            self._say("it has a <meta> that loads another page")
        if len(given) < len(attrs):
            self._say(f"a <{tag}> has an attribute twice")
        if _HIDES.search(given.get("style", "")) and given.get("class") not in _HIDDEN:
            self._say(f"a <{tag}> is hidden by its style")
        for name, value in given.items():
            self._attribute(tag, name, value)
        if tag == "img":
            self._picture(given)
        if tag in VOID:
            return
        self._open.append((tag, self.getpos()[0]))
        classes = given.get("class", "").split()
        if "card" in classes:
            self._card = len(self._open), len(self.body.words)
        if tag == "h1":
            self._headline = len(self._open), len(self.body.words)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if self._parent == tag:
            self._close(len(self._open))
            self._open.pop()
        elif tag in [name for name, _ in self._open]:
            self._say(
                f"its tags are nested wrongly, or one is not closed: </{tag}> comes while <{self._parent}> is open"
            )
            while self._open.pop()[0] != tag:
                pass
        else:
            self._say(f"it closes a <{tag}> that is not open")

    def handle_data(self, data: str) -> None:
        if self._parent == "style":
            if _STYLE_LOADS.search(data):
                self._say("its style loads something")
        elif self._parent != "title":
            self.body.words.append(data)

    def handle_comment(self, data: str) -> None:
        """Outlook reads some of them."""
        if re.search(r"(?i)<script|<img|<link|<iframe|<v:|\bsrc\s*=|url\s*\(|@import|https?:|javascript:", data):
            self._say("a comment of it loads or runs something")

    def handle_decl(self, decl: str) -> None:
        if decl.lower() != "doctype html":
            self._say("it is not declared to be HTML")

    def unknown_decl(self, data: str) -> None:
        self._say(f"it holds a declaration {data[:20]!r}")

    def handle_pi(self, data: str) -> None:
        self._say(f"it holds an instruction {data[:20]!r}")

    def end(self, html: str) -> None:
        for tag, line in self._open:
            self._say(f"its <{tag}> of line {line} is not closed")
        if not html.rstrip().endswith("</html>"):
            self._say("its HTML is cut off")
        if not self.body.headlines:
            self._say("it has no headline")

    @property
    def _parent(self) -> str:
        return self._open[-1][0] if self._open else ""

    def _since(self, tag: str) -> list[str]:
        """The open tags inside the innermost one of a kind."""
        names = [name for name, _ in self._open]
        return names[len(names) - names[::-1].index(tag) :] if tag in names else names

    def _close(self, depth: int) -> None:
        if self._card and self._card[0] == depth:
            self.body.cards.append(flat(" ".join(self.body.words[self._card[1] :])))
            self._card = None
        if self._headline and self._headline[0] == depth:
            self.body.headlines.append(flat(" ".join(self.body.words[self._headline[1] :])))
            self._headline = None

    def _attribute(self, tag: str, name: str, value: str) -> None:
        address = re.sub(r"[\x00-\x20\x7f\xa0\u200b-\u200f\ufeff]", "", value).lower()  # as browsers read it
        if name.startswith("on"):
            self._say(f"a <{tag}> has {name}, which runs something")
        elif name == "style" and _STYLE_LOADS.search(value):
            self._say(f"the style of a <{tag}> loads something")
        elif name == "href":
            if not address.startswith(("https:", "http:", "mailto:")):
                self._say(f"a link leads to {value[:40]!r}, which is no address of a page or a person")
        elif name in LOADING and not (tag == "img" and name == "src" and address.startswith("cid:")):
            self._say(f"a <{tag}> loads {value[:40]!r} in its {name}")
        elif name not in WORDS and address.startswith(("javascript:", "data:", "vbscript:")):
            self._say(f"a <{tag}> has {value[:40]!r} in its {name}")

    def _picture(self, given: dict[str, str]) -> None:
        if given.get("src", "").lower().startswith("cid:"):
            self.body.cids.append(given["src"][4:])
        if "alt" not in given:
            self._say(f"its picture {given.get('src', '')[:40]!r} has no alt text")
        elif not given["alt"].strip():
            self._say(f"its picture {given.get('src', '')[:40]!r} has an empty alt text")
        if not {"width", "height"} <= {*given}:
            self._say(f"its picture {given.get('src', '')[:40]!r} has no width or height")
        self.body.words.append(f" {given.get('alt', '')} ")

    def _say(self, fault: str) -> None:
        self.body.faults.append(fault)


def figure_faults(html: str, text: str) -> list[str]:
    """Which figures the two parts of a message tell differently: the text says everything that the HTML does."""
    html, text = (re.sub(r"(?:https?|mailto):\S+", " ", one) for one in (html, text))  # links are no words of both
    found = sorted(figures_in(html) ^ figures_in(text))
    return [in_short(found, "its text and its HTML tell other figures")] if found else []
