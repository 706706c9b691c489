"""The fonts of PDF and pictures: the bundled family, and those of `[report] fonts`, which print what it lacks.

What none of them has is found by the one who prints: Typst is asked which characters of a text would be boxes.
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

EXAMPLE = 60  # letters of a text that is quoted
SHOWN = 12  # characters that a sentence names

# They take no room and leave no mark: joiners, marks of direction, soft hyphens, selectors of a variant.
_UNPRINTED = re.compile(
    "[\\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
_LABEL = re.compile(r"<text\b[^>]*>(.*?)</text>", re.DOTALL)
# What of a document stands on no page, or as something else than it is written there.
_UNSEEN = {"spec", "alt", "id", "url", "keys", "metric", "shorter", "fonts", "families", "language", "svg", "content"}


def folder(files: Sequence[str] = ()) -> str:
    """The folder that holds the fonts of a report, `files` being those of its settings.

    Those who print read whole folders alone: fonts of one's own lie in a copy beside ours until this process ends.
    """
    if not files:
        return str(templates_dir() / "fonts")
    try:
        return _folder_of(tuple((file, Path(file).stat().st_mtime_ns) for file in files))
    except OSError as error:  # it was there when the settings were read
        raise ReportError("The fonts cannot be read: {error}.", error=error) from None


@cache
def _folder_of(files: tuple[tuple[str, int], ...]) -> str:
    """The same by the files and the instants of their last change."""
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
    if os.getpid() == owner:  # and no fork of it
        shutil.rmtree(copies, ignore_errors=True)


@cache
def book(folder: str) -> typst.Fonts:
    """The same for Typst, with those that it brings itself: none of the system, so pages are alike on every machine."""
    import typst

    return typst.Fonts(include_system_fonts=False, font_paths=[folder])


def families(files: Sequence[str] = ()) -> list[str]:
    """The families in the order in which they are asked for a character: ours, then those of the settings."""
    found = {Path(font.path).name: font.family for font in book(folder(files)).fonts() if font.path}
    own = [found[name] for number, file in enumerate(files) if (name := _copy(number, file)) in found]
    return list(dict.fromkeys([FONT, *own]))


def unprintable(texts: Iterable[str], files: Sequence[str] = ()) -> dict[str, str]:
    """The characters that no font of a PDF has, each with the first text that it stands in."""
    found = _first_texts(texts)
    return {unit: found[unit] for unit in _printer(folder(files)).lacking(found)}


def unprintable_in_pictures(svgs: Iterable[str], files: Sequence[str] = ()) -> dict[str, str]:
    """The same for pictures of a message, for which this machine's fonts have what ours lack."""
    found = _first_texts(text for svg in svgs for text in labels(svg))
    lacking = _printer(folder(files), embedded=False).lacking(found)
    if lacking:
        lacking = _printer(folder(files), embedded=False, system=True).lacking(lacking)
    return {unit: found[unit] for unit in lacking}


def named(message: str) -> dict[str, str]:
    """The same from Typst's own words, of a character that is a box only where it stands."""
    found = re.search(r'the text `"(.+?)"`', message)
    character = found[1] if found else "\N{REPLACEMENT CHARACTER}"
    return {character: character}


def note(boxes: dict[str, str], is_message: bool = False) -> Phrase:
    """A sentence on characters that no font of a PDF or of a message's pictures has, and one on what can be done."""
    characters, text = list(boxes), next(iter(boxes.values()))
    named = " ".join(characters[:SHOWN]) + (" …" if len(characters) > SHOWN else "")
    if is_message:
        return Phrase(
            "no font of the report has the letters of {text!r}: boxes stand for them in its pictures. Name a font that "
            "has {characters} in [report] fonts.",
            text=text,
            characters=named,
        )
    return Phrase(
        "no font of the report has the letters of {text!r}: boxes stand for them, and the PDF is no PDF/UA. Name a "
        "font that has {characters} in [report] fonts.",
        text=text,
        characters=named,
    )


def texts(value: Any) -> Iterator[str]:
    """Every text of a document that stands on its pages, the labels of its charts among them."""
    if isinstance(value, str):
        yield from labels(value) if value.startswith("<svg") else [value]
    elif isinstance(value, list):
        for part in value:
            yield from texts(part)
    elif isinstance(value, dict):
        if value.get("mime") == "image/svg+xml":
            yield from labels("".join(value["content"]))
        for name, part in value.items():
            if name not in _UNSEEN:
                yield from texts(part)


def labels(svg: str) -> Iterator[str]:
    """The texts of a picture."""
    return (html.unescape(re.sub("<[^>]*>", "", label)) for label in _LABEL.findall(svg))


def _first_texts(texts: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        if not text.isascii():
            for unit in dict.fromkeys(_units(text)):
                if unit not in found:
                    found[unit] = _around(unit, text)
    return found


def _around(unit: str, text: str) -> str:
    """A text shortened to what stands around a character, without what nobody sees of it."""
    text = bidi.plain(text)
    place = max(0, text.find(unit[0]) - EXAMPLE // 2)
    return shorten(text if len(text) <= EXAMPLE else text[place : place + EXAMPLE], EXAMPLE)


def _units(text: str) -> Iterator[str]:
    """What is printed as one: a character with the marks on it, composed where there is such a character."""
    unit = ""
    for character in _UNPRINTED.sub("", normalize("NFC", text)):
        if unit and category(character)[0] == "M":
            unit += character
            continue
        if not unit.isascii():
            yield unit
        unit = character
    if not unit.isascii():
        yield unit


class _Printer:
    """Typst with some fonts, asked about each character once."""

    def __init__(self, fonts: typst.Fonts):
        import typst

        self._compiler = typst.Compiler(font_paths=fonts)
        self._known: dict[str, bool] = {}
        self._asking = Lock()

    def lacking(self, units: Iterable[str]) -> list[str]:
        """Those of the characters that would be boxes, in their order."""
        units = list(units)
        with self._asking:
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
        """Whether all of them can be printed; PDF/UA is what Typst refuses boxes in."""
        import typst

        try:
            self._compiler.compile(
                f'#set document(title: "x")\n#set text(font: "{FONT}")\n#sys.inputs.units'.encode(),
                format="pdf",
                # A letter that lacks may vanish under its mark, and no box stands for it: it is asked for alone, too.
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
