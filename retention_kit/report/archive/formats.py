"""The formats of a report, and the files that each is written to."""

from __future__ import annotations

FILES = {  # of a report, by format
    "html": ("report.{}.html",),
    "pdf": ("report.{}.pdf",),
    "brief": ("brief.{}.html", "brief.{}.pdf"),
}


def files_of(made: str, name: str) -> list[str]:
    """The files of one format; `name` is en, or en.country-France."""
    return [file.format(name) for file in FILES[made]]
