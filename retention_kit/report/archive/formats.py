"""The formats of a report, and the files that each is written to."""

from __future__ import annotations

FILES = {  # of a report, by format
    "html": ("report.{}.html",),
    "pdf": ("report.{}.pdf",),
    "brief": ("brief.{}.html", "brief.{}.pdf"),
}


def files_of(kind: str, name: str) -> list[str]:
    """The files of a format, a key of FILES; `name` is the middle part: en, or en.country-France."""
    return [file.format(name) for file in FILES[kind]]
