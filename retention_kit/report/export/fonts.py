"""The fonts of PDF and pictures: the bundled family, and those of `[report] fonts` for other characters.

Characters missing from all fonts are found with Typst, which refuses to write them in PDF/UA.
"""

from __future__ import annotations

import atexit
import html
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from textwrap import shorten
from threading import Lock
from typing import TYPE_CHECKING, Any
from unicodedata import category, normalize

from retention_kit import bidi
from retention_kit.errors import Phrase, ReportError
from retention_kit.report.blocks import templates_dir
from retention_kit.report.export.drawing import FONT

if TYPE_CHECKING:
    import typst

MAX_EXAMPLE = 60  # characters of a quoted text
MAX_NAMED = 12  # characters named in a sentence
UNCERTIFIED = Phrase("a mark in a chart is no letter of its own, so the PDF is no PDF/UA; nothing is missing in it.")

# Invisible characters: joiners, marks of direction, soft hyphens, variation selectors.
_UNPRINTED = re.compile(
    "[\\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
_LABEL = re.compile(r"<text\b[^>]*>(.*?)</text>", re.DOTALL)
# Keys of a document whose values are not printed, or not as written.
_SKIPPED = {"spec", "alt", "id", "url", "keys", "metric", "shorter", "fonts", "families", "language", "svg", "content"}


def folder(files: Sequence[str] = ()) -> str:
    """The folder with the fonts of a report; `files` are those of its settings.

    Typst and vl-convert read folders: if there are `files`, all fonts are copied to a temporary one for this process.
    """
    if not files:
        return str(templates_dir() / "fonts")
    try:
        return _folder_of(tuple((file, Path(file).stat().st_mtime_ns) for file in files))
    except OSError as error:  # checked when the settings were read
        raise ReportError("The fonts cannot be read: {error}.", error=error) from None


@cache
def _folder_of(files: tuple[tuple[str, int], ...]) -> str:
    """A new folder with copies of the fonts, by paths and times of the last change."""
    copies = Path(tempfile.mkdtemp(prefix="retention-kit-fonts-"))
    atexit.register(_remove, copies, os.getpid())
    for file in (templates_dir() / "fonts").glob("*.ttf"):
        shutil.copyfile(file, copies / file.name)
    for number, (name, _) in enumerate(files):
        shutil.copyfile(name, copies / _copy(number, name))
    return str(copies)


def _copy(number: int, file: str) -> str:
    return f"{number}-{Path(file).name}"


def _remove(copies: Path, owner: int) -> None:
    if os.getpid() == owner:  # not in a fork
        shutil.rmtree(copies, ignore_errors=True)


@cache
def book(folder: str) -> typst.Fonts:
    """The fonts of a folder and those of Typst; without system fonts, so that pages are the same on every machine."""
    import typst

    return typst.Fonts(include_system_fonts=False, font_paths=[folder])


def families(files: Sequence[str] = ()) -> list[str]:
    """The font families in order of fallback: ours, then those of the settings."""
    by_file = {Path(font.path).name: font.family for font in book(folder(files)).fonts() if font.path}
    own = [by_file[name] for number, file in enumerate(files) if (name := _copy(number, file)) in by_file]
    return list(dict.fromkeys([FONT, *own]))


def unprintable(texts: Iterable[str], files: Sequence[str] = ()) -> dict[str, str]:
    """The characters missing from all fonts of a PDF → the first text with each."""
    examples = _examples(texts)
    return {cluster: examples[cluster] for cluster in _printer(folder(files)).lacking(examples)}


def unprintable_in_pictures(svgs: Iterable[str], files: Sequence[str] = ()) -> dict[str, str]:
    """The same for pictures of a message, which also use system fonts."""
    examples = _examples(text for svg in svgs for text in labels(svg))
    if lacking := _printer(folder(files), embedded=False).lacking(examples):
        lacking = _printer(folder(files), embedded=False, system=True).lacking(lacking)
    return {cluster: examples[cluster] for cluster in lacking}


def named(message: str) -> dict[str, str]:
    """The same from an error of Typst, for a character that cannot be printed in its context only; else empty."""
    if "could not be displayed" not in message:
        return {}
    match = re.search(r'the text `"(.+?)"`', message)
    character = match[1] if match else "\N{REPLACEMENT CHARACTER}"
    return {character: character}


def note(boxes: dict[str, str], is_message: bool = False) -> Phrase:
    """A message on characters missing from all fonts of a PDF or of a message's pictures, and what can be done."""
    characters, text = list(boxes), next(iter(boxes.values()))
    named = " ".join(characters[:MAX_NAMED]) + (" …" if len(characters) > MAX_NAMED else "")
    if is_message:
        template = (
            "no font of the report has the letters of {text!r}: boxes stand for them in its pictures. Name a font that "
            "has {characters} in [report] fonts."
        )
        return Phrase(template, text=text, characters=named)
    template = (
        "no font of the report has the letters of {text!r}: boxes stand for them, and the PDF is no PDF/UA. Name a "
        "font that has {characters} in [report] fonts."
    )
    return Phrase(template, text=text, characters=named)


def texts(value: Any) -> Iterator[str]:
    """All printed texts of a document, including labels of charts."""
    if isinstance(value, str):
        yield from labels(value) if value.startswith("<svg") else [value]
    elif isinstance(value, list):
        for part in value:
            yield from texts(part)
    elif isinstance(value, dict):
        if value.get("mime") == "image/svg+xml":
            yield from labels("".join(value["content"]))
        for name, part in value.items():
            if name not in _SKIPPED:
                yield from texts(part)


def labels(svg: str) -> Iterator[str]:
    """The texts in an SVG."""
    return (html.unescape(re.sub("<[^>]*>", "", label)) for label in _LABEL.findall(svg))


def _examples(texts: Iterable[str]) -> dict[str, str]:
    examples: dict[str, str] = {}
    for text in texts:
        if not text.isascii():
            for cluster in dict.fromkeys(_clusters(text)):
                if cluster not in examples:
                    examples[cluster] = _shorten(cluster, text)
    return examples


def _shorten(cluster: str, text: str) -> str:
    """A text shortened to the surroundings of a character, without invisible characters."""
    text = bidi.plain(text)
    start = max(0, text.find(cluster[0]) - MAX_EXAMPLE // 2)
    return shorten(text if len(text) <= MAX_EXAMPLE else text[start : start + MAX_EXAMPLE], MAX_EXAMPLE)


def _clusters(text: str) -> Iterator[str]:
    """The non-ASCII characters of a text with their combining marks, composed if possible."""
    cluster = ""
    for character in _UNPRINTED.sub("", normalize("NFC", text)):
        if cluster and category(character)[0] == "M":
            cluster += character
            continue
        if not cluster.isascii():
            yield cluster
        cluster = character
    if not cluster.isascii():
        yield cluster


class _Printer:
    """Typst with some fonts; remembers which characters it can print."""

    def __init__(self, fonts: typst.Fonts):
        import typst

        self._compiler = typst.Compiler(font_paths=fonts)
        self._known: dict[str, bool] = {}
        self._lock = Lock()

    def lacking(self, units: Iterable[str]) -> list[str]:
        """The characters that cannot be printed, in order."""
        units = list(units)
        with self._lock:
            new = [unit for unit in units if unit not in self._known]
            boxes = set(self._boxes(new))
            self._known |= {unit: unit not in boxes for unit in new}
        return [unit for unit in units if not self._known[unit]]

    def _boxes(self, units: list[str]) -> list[str]:
        if not units or self._prints(units):
            return []
        half = len(units) // 2
        return units if not half else self._boxes(units[:half]) + self._boxes(units[half:])

    def _prints(self, units: list[str]) -> bool:
        """Whether all characters can be printed; for PDF/UA, Typst raises an error otherwise."""
        import typst

        try:
            self._compiler.compile(
                f'#set document(title: "x")\n#set text(font: "{FONT}")\n#sys.inputs.units'.encode(),
                format="pdf",
                # A missing letter under a mark may raise no error, so it is tried alone, too.
                sys_inputs={"units": " ".join(f"{unit[0]} {unit}" for unit in units)},
                pdf_standards=["ua-1"],
            )
        except typst.TypstError:
            return False
        return True


@cache
def _printer(folder: str, embedded: bool = True, system: bool = False) -> _Printer:
    import typst

    return _Printer(typst.Fonts(system, embedded, [folder]))
