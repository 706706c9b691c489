"""`retention-kit import FILE…`: writes the settings for exports of other products."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from retention_kit.cli.language import translated, translated_each
from retention_kit.cli.options import SETTINGS
from retention_kit.cli.output import DONE, print_table, show
from retention_kit.errors import Listed, Phrase, SettingsError

if TYPE_CHECKING:
    from retention_kit.cli.options import Commands
    from retention_kit.data.importing.importer import CountedSource, Imported


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
            (
                layout.name,
                layout.label,
                layout.table,
                Phrase("uncertain: {what}", what=Phrase(layout.uncertain)) if layout.uncertain else "",
            )
            for layout in layouts().values()
        ]
        print_table(translated_each("layout", "export", "table", "what is not certain"), rows)
        return DONE
    if not arguments.files:
        raise SettingsError("import needs a file, such as orders_export_1.csv; --list tells what is known.")
    if arguments.layout:
        layout_of(arguments.layout)
    from retention_kit.data.importing.importer import import_files

    imported = import_files(list(dict.fromkeys(arguments.files)), arguments.layout, SETTINGS)
    for imported_file in imported:
        _print_import(imported_file)
    if any(imported_file.sources for imported_file in imported):
        from retention_kit.settings import read_settings

        if not read_settings(SETTINGS).report.timezone:
            show('Days and months are those of UTC until [report] says where you are: timezone = "Europe/London".')
        show("Written to {settings}, to be seen and edited. Next:", settings=SETTINGS)
        print("  retention-kit check\n  retention-kit report")
    return DONE


def _print_import(imported: Imported) -> None:
    if imported.recognised is None:
        show("{file}: mapped in {settings} already, left as it stands there.", file=imported.path, settings=SETTINGS)
        return
    if (layout := imported.recognised.layout) is None:
        template = "{file}: no export that is known; its columns are guessed, each marked so in {settings}."
        show(template, file=imported.path, settings=SETTINGS)
    else:
        show("{file}: {label} ({name}), by its header.", file=imported.path, label=layout.label, name=layout.name)
    for source in imported.sources:
        _print_source(source)
    if imported.existing:
        template = "  stacked with {files}: take that out of {settings} if this file replaces it"
        show(template, files=Listed(imported.existing), settings=SETTINGS)
    if layout is not None and layout.uncertain:
        show("  uncertain: {what}", what=Phrase(layout.uncertain))
    for note in layout.notes if layout else ():
        show("  note: {note}", note=Phrase(note))


def _print_source(source: CountedSource) -> None:
    mapping, survey = source.mapping, source.mapping.source.survey
    title = Phrase(mapping.table)
    if survey:
        title = Phrase("{survey} from {column!r}", survey=survey, column=_question(mapping.source.columns["score"]))
    template = "  {what}: {kept:,} of {rows:,} rows"
    if mapping.doubt:
        template = "  {what}: {kept:,} of {rows:,} rows (unsure, commented out)"
    show(template, what=title, kept=source.kept, rows=source.kept + sum(count for _, count in source.left_out))
    for reason, count in source.left_out:
        show("    left out: {count:,} {why}", count=count, why=Phrase(reason))
    for column, comment in mapping.comments.items():
        value = mapping.source.columns.get(column) or getattr(mapping.source, column)
        print(f"    {column} = {value}  ({translated(comment)})")
    if mapping.doubt:
        show("    unsure: {doubt}", doubt=Phrase(mapping.doubt))


def _question(score: str) -> str:
    """The column with a score, also if its words are converted to numbers."""
    match = re.match(r'CASE lower\(trim\("(.+?)"\)\)\n', score)
    return match[1] if match else score
