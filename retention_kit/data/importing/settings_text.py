"""Adds sources to the text of a `retention.toml` without changing its other lines and comments."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from retention_kit.data.importing.mapping import Mapping, Recognised
from retention_kit.errors import SettingsError
from retention_kit.settings import TABLES, make_settings, parse_toml

_SCALARS = ("path", "layout", "survey", "scale", "rows", "timezone")


def source_block(mapping: Mapping, heading: list[str]) -> str:
    """One `[[data.TABLE]]` with its heading as comments; commented out if it is doubtful."""
    source, lines = mapping.source, []
    lines.append(f"[[data.{mapping.table}]]")
    for name in _SCALARS:
        value = getattr(source, name)
        if value and not (name == "rows" and value == "orders"):
            lines.append(f"{name} = {toml_text(value)}{_comment(mapping, name)}")
    if source.keep is not None:
        listed = ", ".join(map(toml_text, source.keep))
        lines.append(f"keep = [{listed}]  # further columns that split the figures: add or take away")
    if source.leave_out:
        lines.append(f"[data.{mapping.table}.leave_out]  # such rows count nowhere; `check` counts them by these names")
        lines += [f"{toml_key(reason)} = {toml_text(condition)}" for reason, condition in source.leave_out.items()]
    lines.append(
        f"[data.{mapping.table}.columns]  # ours = a column of theirs, or SQL on them; further columns here can "
        "split the figures"
    )
    for column, text in source.columns.items():
        lines.append(f"{toml_key(column)} = {toml_text(text)}{_comment(mapping, column)}")
    if mapping.doubt:
        heading = [*heading, f"Unsure: {mapping.doubt}. Take away the # where it is right."]
        lines = [f"# {part}" for line in lines for part in line.split("\n")]
    return "\n".join([*(f"# {_one_line(line)}" for line in heading), *lines]) + "\n"


def _comment(mapping: Mapping, name: str) -> str:
    """The comment behind a key or column, if it has one."""
    comment = mapping.comments.get(name)
    return f"  # {_one_line(comment)}" if comment else ""


def add_sources(text: str, blocks: list[tuple[Mapping, str]], report: dict[str, str]) -> str:
    """The text of a `retention.toml` with further sources, and keys of [report] that it lacks.

    Raises SettingsError if its form does not allow additions.
    """
    before = _parse_checked(text)
    newline = "\r\n" if "\r\n" in text else "\n"
    result = text.replace("\r\n", "\n")
    for table in dict.fromkeys(mapping.table for mapping, _ in blocks if not mapping.doubt):
        result, added = _as_list(result, table, before.get("data", {}).get(table))
        result += added
    result = result.rstrip("\n") + "\n\n" if result.strip() else result
    for key, value in report.items():
        if key not in before.get("report", {}):
            result = _with_report_key(result, key, value)
    result = result.rstrip("\n") + "\n\n" if result.strip() else ""
    result += "\n".join(text for _, text in blocks)
    _check(before, _parse_checked(result), blocks)
    return result.replace("\n", newline)


def write_safely(path: Path, text: str) -> None:
    """Replace the text of a file atomically."""
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        staged.write_text(text, "utf-8", newline="")
        if path.exists():
            staged.chmod(path.stat().st_mode & 0o777)
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)


def report_keys(recognised: list[Recognised]) -> dict[str, Any]:
    """Keys of [report] for the exports: their currency if they have one in common."""
    currencies = {export.currency for export in recognised if export.currency}
    return {"currency": currencies.pop()} if len(currencies) == 1 else {}


def toml_key(name: str) -> str:
    """A TOML key, quoted if necessary."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)


def toml_text(text: str) -> str:
    """A text as the most readable form of TOML string."""
    is_plain = text.isprintable() or (text.replace("\n", "").isprintable() and "\n" in text)
    if is_plain and not re.search(r'["\\\n]', text):
        return f'"{text}"'
    if is_plain and not re.search(r"['\n]", text):
        return f"'{text}'"
    if is_plain and "'''" not in text and not text.endswith("'") and text[0] != "\n":
        return f"'''{text}'''"
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _as_list(text: str, table: str, value: object) -> tuple[str, str]:
    """The text with a table's single source rewritten as a list, and the lines to append for it."""
    if value is None or isinstance(value, list):
        return text, ""
    if isinstance(value, dict):
        header = re.compile(rf"^([ \t]*)\[[ \t]*data[ \t]*\.[ \t]*{table}[ \t]*\]", re.M)
        return header.sub(rf"\1[[data.{table}]]", text, count=1), ""
    short = re.compile(rf"^[ \t]*{table}[ \t]*=[^\n]*\n?", re.M)
    return short.sub("", text, count=1), f"\n[[data.{table}]]\npath = {toml_text(str(value))}\n"


def _with_report_key(text: str, key: str, value: str) -> str:
    line = f"{key} = {toml_text(value)}"
    header = re.compile(r"^([ \t]*\[[ \t]*report[ \t]*\][^\n]*)$", re.M)
    if header.search(text):
        return header.sub(lambda match: f"{match[1]}\n{line}", text, count=1)
    return f"{text}[report]\n{line}\n"


def _parse_checked(text: str) -> dict:
    raw = parse_toml(text.encode(), "retention.toml")
    make_settings(raw)
    return raw


def _check(before: dict, after: dict, blocks: list[tuple[Mapping, str]]) -> None:
    """Raise SettingsError unless the new text has all old settings and the new sources."""
    old, new = (make_settings(raw) for raw in (before, after))
    for table in TABLES:
        added = [mapping.source for mapping, _ in blocks if mapping.table == table and not mapping.doubt]
        if new.data.sources(table) != old.data.sources(table) + added:
            raise SettingsError(
                "retention.toml is written so that no source of {table} can be added: write its {table} as "
                "[[data.{table}]].",
                table=table,
            )
    for part in ("definitions", "goals", "mail"):
        if getattr(old, part) != getattr(new, part):
            raise SettingsError("retention.toml is written so that nothing can be added to it: add the source by hand.")


def _one_line(text: str) -> str:
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
