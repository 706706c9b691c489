"""The command that imports exports: `retention-kit import FILE…`."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from retention_kit.cli.options import SETTINGS
from retention_kit.cli.output import DONE, print_table
from retention_kit.errors import SettingsError
from retention_kit.settings import read_settings

if TYPE_CHECKING:
    from retention_kit.cli.options import Commands
    from retention_kit.data.importing.importer import Imported


def add(commands: Commands) -> None:
    """Add the command to the parser's."""
    command = commands.add_parser("import", help="recognise an export by its header and map it in retention.toml")
    command.add_argument("files", metavar="FILE", nargs="*", type=Path, help="exports: CSV, Parquet or Excel files")
    command.add_argument("--layout", metavar="NAME", help="what the files are (default: recognised by their header)")
    command.add_argument("--list", action="store_true", help="print the layouts that are known")
    command.set_defaults(run=_import)


def _import(arguments: argparse.Namespace) -> int:
    from retention_kit.data.layouts.layout import layout_of, layouts

    if arguments.list:
        rows = [
            (one.name, one.label, one.table, f"uncertain: {one.uncertain}" if one.uncertain else "")
            for one in layouts().values()
        ]
        print_table(("layout", "export", "table", "what is not certain"), rows)
        return DONE
    if not arguments.files:
        raise SettingsError("import needs a file, such as orders_export_1.csv; --list tells what is known.")
    if arguments.layout:
        layout_of(arguments.layout)
    from retention_kit.data.importing.importer import import_files

    imported = import_files(list(dict.fromkeys(arguments.files)), arguments.layout, SETTINGS)
    for one in imported:
        _print_import(one)
    if any(one.sources for one in imported):
        if not read_settings(SETTINGS).report.timezone:
            print('Days and months are those of UTC until [report] says where you are: timezone = "Europe/London".')
        print(f"Written to {SETTINGS}, to be seen and edited. Next:\n  retention-kit check\n  retention-kit report")
    return DONE


def _print_import(one: Imported) -> None:
    if one.recognised is None:
        print(f"{one.path}: mapped in {SETTINGS} already, left as it stands there.")
        return
    layout = one.recognised.layout
    if layout is None:
        print(f"{one.path}: no export that is known; its columns are guessed, each marked so in {SETTINGS}.")
    else:
        print(f"{one.path}: {layout.label} ({layout.name}), by its header.")
    for source in one.sources:
        mapping, survey = source.mapping, source.mapping.source.survey
        rows = source.kept + sum(count for _, count in source.left)
        what = f"{survey} from {_question(mapping.source.columns['score'])!r}" if survey else mapping.table
        print(f"  {what}: {source.kept:,} of {rows:,} rows" + (" (unsure, commented out)" if mapping.doubt else ""))
        for why, count in source.left:
            print(f"    left out: {count:,} {why}")
        for ours, comment in mapping.comments.items():
            print(f"    {ours} = {mapping.source.columns[ours]}  ({comment})")
        if mapping.doubt:
            print(f"    unsure: {mapping.doubt}")
    if one.beside:
        print(f"  stacked with {', '.join(one.beside)}: take that out of {SETTINGS} if this file replaces it")
    if layout is not None and layout.uncertain:
        print(f"  uncertain: {layout.uncertain}")
    for note in layout.notes if layout else ():
        print(f"  note: {note}")


def _question(score: str) -> str:
    """The column of a score, also where words of it are read as numbers."""
    match = re.match(r'CASE lower\(trim\("(.+?)"\)\)\n', score)
    return match[1] if match else score
