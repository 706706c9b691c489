"""Files that hold one table: CSV, Parquet, workbooks; one by name or many by a pattern."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from retention_kit.data.engine import Engine, literal
from retention_kit.data.frames import register_cells
from retention_kit.data.workbooks import check_workbook
from retention_kit.errors import DataError, did_you_mean

FORMATS = (".csv", ".parquet", ".xlsx")


def files_of(text: str, folder: Path) -> list[Path]:
    """The file of that name, or in order of name all files that a pattern such as `exports/orders-*.csv` fits."""
    path = folder / text
    if path.is_file():
        return [path]
    if not re.search(r"[*?\[]", text):
        near = [found.name for found in path.parent.glob("*")] if path.parent.is_dir() else []
        raise DataError(f"There is no file {text!r} in {str(folder)!r}: {did_you_mean(path.name, near)}")
    root, pattern = (Path(path.anchor), path.relative_to(path.anchor)) if Path(text).is_absolute() else (folder, text)
    # Spreadsheet programs leave `~$` files beside what they have open.
    found = sorted(file for file in root.glob(str(pattern)) if file.is_file() and not file.name.startswith("~$"))
    if not found:
        raise DataError(f"No file in {str(folder)!r} fits {text!r}.")
    endings = sorted({file.suffix.lower() for file in found})
    if len(endings) > 1:
        raise DataError(f"The files that fit {text!r} are of several kinds, {', '.join(endings)}: name one of them.")
    return found


def fingerprint(files: list[Path]) -> str:
    """SHA-256 of a file's bytes, or of the names and bytes of several."""
    digests = []
    for path in files:
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    if len(files) == 1:
        return digests[0]
    named = "".join(f"{path.name}\0{digest}\n" for path, digest in zip(files, digests, strict=True))
    return hashlib.sha256(named.encode()).hexdigest()


def read_file(engine: Engine, path: Path, sheet: str | None, table: str, name: str, computed: Computed) -> str:
    """SQL that reads one file, or one sheet of a workbook; `name` is what values read now are called on the engine."""
    ending = path.suffix.lower()
    if ending == ".parquet":
        return f"read_parquet({_exactly(path)})"
    if ending == ".csv":
        return _csv(engine, path, computed)
    if ending == ".xlsx":
        return register_cells(engine, name, *_sheet(path, sheet, table))
    raise DataError(f"{path.name} cannot be read: use one of {', '.join(FORMATS)}.")


def sheets(path: Path) -> list[str]:
    """The names of a workbook's sheets."""
    from python_calamine import CalamineError, CalamineWorkbook

    check_workbook(path)
    try:
        with CalamineWorkbook.from_path(path) as book:
            return list(book.sheet_names)
    except (CalamineError, OSError) as error:
        raise DataError(f"{path.name} cannot be read: {str(error).rstrip('.')}.") from None


class Computed:
    """The columns that expressions compute with; in CSV only these become numbers, so that `007` stays a text."""

    def __init__(self, expressions: list[str], ids: Iterable[str]):
        self._expressions = expressions
        self._ids = {name.lower() for name in ids}

    def of(self, theirs: Iterable[str]) -> set[str]:
        """Those of a file's columns."""
        return {column for column in used(theirs, self._expressions) if column.lower() not in self._ids}


def used(theirs: Iterable[str], expressions: list[str]) -> list[str]:
    """The columns of theirs that SQL expressions name; plain column names are no expressions."""
    plain = {column.lower() for column in theirs}
    code = " ".join(re.sub(r"'[^']*'", "", text) for text in expressions if text.lower() not in plain)
    return [column for column in theirs if re.search(rf"(?<!\w){re.escape(column)}(?!\w)", code, re.IGNORECASE)]


def _exactly(path: Path) -> str:
    """A path as an SQL string that the engine takes for that file alone, not for a pattern."""
    return literal(re.sub(r"[*?\[]", r"[\g<0>]", str(path)))


def _csv(engine: Engine, path: Path, computed: Computed) -> str:
    """No column becomes a date, so that strptime works on every way of writing one."""
    name = _exactly(path)
    texts = f"read_csv({name}, header = true, all_varchar = true)"
    theirs = engine.types(texts)
    numbers = computed.of(theirs)
    if not numbers:
        return texts
    types = ", ".join(f"{literal(column)}: 'VARCHAR'" for column in theirs if column not in numbers)
    candidates = "auto_type_candidates = ['BIGINT', 'DOUBLE', 'BOOLEAN', 'VARCHAR']"
    return f"read_csv({name}, header = true, sample_size = -1, {candidates}, types = {{{types}}})"


def _sheet(path: Path, chosen: str | None, table: str) -> tuple[list[str], list[list[object]]]:
    """Header and rows of the chosen sheet, the one named like the table or the only one; cells typed as they are there."""
    import pandas as pd
    from python_calamine import CalamineError

    found = sheets(path)
    named = [sheet for sheet in found if sheet.strip().lower() == (chosen or table).strip().lower()]
    if chosen and not named:
        raise DataError(f"{path.name} has no sheet {chosen!r}: {did_you_mean(chosen, found)}")
    if not named and len(found) > 1:
        raise DataError(
            f"{path.name} has the sheets {', '.join(found)}, none called {table}: name one, sheet = {found[0]!r}."
        )
    try:
        # Nothing but an empty cell is missing: NA is also a country.
        frame = pd.read_excel(
            path,
            sheet_name=named[0] if named else 0,
            engine="calamine",
            dtype=object,
            keep_default_na=False,
            na_values=[""],
        )
    except (CalamineError, ValueError, OSError) as error:
        raise DataError(f"{path.name} cannot be read: {str(error).rstrip('.')}.") from None
    frame = frame.dropna(how="all")
    empty = [name for name in frame.columns if str(name).startswith("Unnamed:") and frame[name].isna().all()]
    frame = frame.drop(columns=empty).astype(object)
    return [str(name).strip() for name in frame.columns], frame.where(frame.notna(), None).to_numpy().tolist()
