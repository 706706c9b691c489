"""Fonts of one's own: files that a `retention.toml` names under [report] fonts, for characters that ours lacks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from retention_kit.errors import SettingsError, which_file

SUFFIXES = (".ttf", ".otf", ".ttc", ".otc")
_BEGINNINGS = (b"\0\1\0\0", b"OTTO", b"ttcf", b"true")  # a web font begins otherwise, and no page can be set in it


def check_fonts(files: Iterable[str | Path]) -> None:
    """Raise SettingsError, naming the file, where one is missing or is no TrueType or OpenType font."""
    for file in map(Path, files):
        if not file.is_file():
            template = "report.fonts: there is no file {file!r}: {hint}"
            raise SettingsError(template, file=str(file), hint=which_file(file, SUFFIXES))
        if file.suffix.lower() not in SUFFIXES or not _is_font(file):
            template = "report.fonts: {file} is no font: name a file of TrueType or OpenType, .ttf or .otf."
            raise SettingsError(template, file=file.name)


def _is_font(file: Path) -> bool:
    with file.open("rb") as content:
        if content.read(4) not in _BEGINNINGS:
            return False
    from PIL import ImageFont

    try:
        return bool(ImageFont.truetype(file).getname()[0])
    except OSError:
        return False
