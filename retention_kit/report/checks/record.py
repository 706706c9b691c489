"""Digests of the parts of a report: recorded when it is built, and compared before it is sent.

So changes of charts and their specifications, titles, sentences, links and styles are found, too.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

from retention_kit.report.archive.formats import FILES, files_of
from retention_kit.report.checks import message as message_checks
from retention_kit.report.checks.figures import text_of_html

_TITLE = re.compile(r"(?s)<title>.*?</title>")
_PICTURE = re.compile(r"(?s)<svg\b.*?</svg>")
_SPECIFICATION = re.compile(r'(?s)<script type="application/json"[^>]*>.*?</script>')
_SCRIPT = re.compile(r"(?s)<script\b.*?</script>")
_STYLE = re.compile(r"(?s)<style\b.*?</style>")
_ADDRESS = re.compile(r"""\b(?:href|src)\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>]+)""")


def record(folder: Path, name: str, suffix: str) -> dict[str, dict[str, str]]:
    """The digests of one report, by file and part; `name` is like `en.country-France`, `suffix` its end."""
    files = [file for output in FILES for file in files_of(output, name)]
    files += [f"message.{name}.eml", f"scorecard{suffix}.csv"]
    files += [
        path.relative_to(folder).as_posix()
        for pattern in (f"lists/*{suffix}.csv", f"notebooks/*.{name}.ipynb")
        for path in sorted(folder.glob(pattern))
    ]
    return {
        file: {part: _digest(content) for part, content in parts(folder / file)}
        for file in files
        if (folder / file).is_file()
    }


def changed(folder: Path, recorded: dict[str, dict[str, str]]) -> Iterator[str]:
    """The parts that differ from the record or are new, each as `part of file`."""
    for file, before in recorded.items():
        if not (folder / file).is_file():
            continue
        now = {part: _digest(content) for part, content in parts(folder / file)}
        yield from (f"{part} of {file}" for part in {**before, **now} if before.get(part) != now.get(part))


def parts(path: Path) -> Iterator[tuple[str, str | bytes]]:
    """The parts of a file with their names; a file that is no page or message is one part."""
    content = path.read_bytes()
    if path.suffix == ".html":
        yield from _of_page(content.decode("utf-8", "replace"))
    elif path.suffix == ".eml":
        yield from _of_message(content)
    else:
        yield "content", content


def _of_page(page: str) -> Iterator[tuple[str, str]]:
    yield "title", "".join(_TITLE.findall(page))
    for kind, pattern in (("picture", _PICTURE), ("specification", _SPECIFICATION)):
        for number, match in enumerate(pattern.findall(page), 1):
            yield f"{kind} {number}", match
    yield "styles", "".join(_STYLE.findall(page))
    page = _SPECIFICATION.sub("", page)
    yield "scripts", "".join(_SCRIPT.findall(page))
    rest = _SCRIPT.sub("", _STYLE.sub("", _PICTURE.sub("", page)))
    yield "links", "\n".join(_ADDRESS.findall(rest))
    yield "words", text_of_html(rest)
    yield "markup", rest


def _of_message(raw: bytes) -> Iterator[tuple[str, str | bytes]]:
    message = message_checks.parse(raw)
    yield "subject", str(message["Subject"])
    yield "sender", str(message["From"])
    yield "header", re.split(rb"\r\n\r\n|\Z", raw, maxsplit=1)[0]
    yield (
        "structure",
        str([(part.get_content_type(), part.get_filename(), part["Content-ID"]) for part in message.walk()]),
    )
    numbers: dict[str, int] = {}
    for part in message.walk():
        kind = part.get_content_type()
        if part.is_multipart():
            continue
        numbers[kind] = numbers.get(kind, 0) + 1
        if part.get_content_maintype() == "text" and isinstance(part, EmailMessage):
            yield f"{kind} {numbers[kind]}", part.get_content().replace("\r\n", "\n")
        else:
            yield f"{kind} {numbers[kind]}", message_checks.payload_of(part)


def _digest(content: str | bytes) -> str:
    return hashlib.sha256(
        content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    ).hexdigest()[:32]
