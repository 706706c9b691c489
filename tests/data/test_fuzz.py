"""Files of every kind that we read, spoiled byte by byte: what comes is a result or a sentence, soon and in little
memory.

`make fuzz` gives each kind a minute; the tests that want time try a few.
"""

from __future__ import annotations

import faulthandler
import json
import os
import random
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from time import monotonic

import duckdb
import nbformat
import pandas as pd
import pytest
from nbformat import v4

import retention_kit as rk
from mailroom import message, write_pack
from retention_kit.delivery import headers
from retention_kit.delivery.outbox import LEDGER, NAME, Key, reading, sending
from retention_kit.errors import RetentionKitError
from retention_kit.report.archive import manifest
from retention_kit.report.archive.index import write_index
from retention_kit.report.build.rerun import rerun
from retention_kit.report.checks import gate
from retention_kit.report.execution import templates as library
from retention_kit.report.message.mail import preview_files
from retention_kit.settings import read_settings
from test_workbooks import workbook

pytestmark = pytest.mark.long
SECONDS = float(os.environ.get("RETENTION_KIT_FUZZ", "3"))  # for each kind
SEED = int(os.environ.get("RETENTION_KIT_FUZZ_SEED", "17"))
LONGEST, MOST = 10, 2 * 2**20  # seconds for one file, and KiB of memory for all
FOUND = Path(__file__).parent / "fuzz_found"  # what breaks us is kept there
ROWS = pd.DataFrame(
    {
        "customer_id": ["A", "B", "Ä"],
        "ordered_at": ["2024-01-05", "2024-02-05 10:00", "2024-03-01"],
        "amount": [1.5, 20.0, 3.0],
    }
)
TOML = """[data]
orders = "orders.csv"
[report]
every = "month"
timezone = "UTC"
currency = "GBP"
languages = ["en"]
[goals.customer_retention_rate]
target = 0.45
by = "2024-12"
[mail]
from = "Reports <r@example.com>"
to = ["a@example.com"]
"""
TOKENS = [
    b"\0",
    b'"',
    b"'",
    b"\r",
    b"\n",
    b",",
    b";",
    b"\xff",
    b"\xef\xbb\xbf",
    b"[",
    b"]",
    b"{",
    b"}",
    b"=",
    b"%",
    b"\\",
    b"-1",
    b"99999999999999999999",
    b"1e999",
    b"NaN",
    b"null",
    b"\xf0\x9f\x98\x80",
    b"\xe2\x80\xae",
    b"../",
    b"<",
    b"&",
    b"true",
]


def bytes_of(write: Callable[[Path], object], name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / name)
        return (Path(folder) / name).read_bytes()


def table_of_duckdb(path: Path) -> None:
    with duckdb.connect(str(path)) as database:
        database.execute(
            "CREATE TABLE orders AS SELECT 'A' AS customer_id, DATE '2024-01-05' AS ordered_at, 1.5 AS amount"
        )


def table_of_sqlite(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            "CREATE TABLE orders (customer_id, ordered_at, amount); INSERT INTO orders VALUES ('A', '2024-01-05', 1)"
        )


def notebook_of(path: Path) -> None:
    cells = [v4.new_code_cell("period = ''", metadata={"tags": ["parameters"]}), v4.new_code_cell("1 + 1")]
    nbformat.write(v4.new_notebook(cells=cells), path)


def ledger_of(path: Path) -> None:
    with sending(path.parent) as outbox:
        outbox.queue(Key("a", "2024-01", "a@example.com"), 0, "d", "<a@x>", "<a@x>", b"To: a\r\n", b"\r\nb")
    (path.parent / NAME / LEDGER).rename(path)


def load(path: Path) -> None:
    rk.scorecard(rk.load(path, timezone="UTC"))


def read_notebook(path: Path) -> None:
    library.check(library.Section(path), {"period": "2024-01"})


def read_manifest(path: Path) -> None:
    pack = write_pack(path.parent / "2024-01")
    path.replace(pack / manifest.NAME)
    gate.judge(pack)
    write_index(pack.parent)
    with suppress(RetentionKitError):
        rk.send_report(pack, "a@example.com", dry_run=True)
    rerun(pack)


def read_message(path: Path) -> None:
    raw = path.read_bytes()
    pack = write_pack(path.parent / "2024-01", {"en": raw})
    gate.judge(pack)
    for reads in (preview_files, headers.sender_of):
        with suppress(RetentionKitError):
            reads(raw)


def read_ledger(path: Path) -> None:
    folder = path.parent / NAME
    folder.mkdir()
    path.rename(folder / LEDGER)
    for opened in (reading, sending):
        with opened(folder.parent) as outbox:
            for row in outbox.rows() if outbox else []:
                outbox.is_waiting(row)


# Kind → the file's name, a sound one, and who reads it.
KINDS: dict[str, tuple[str, Callable[[], bytes], Callable[[Path], None]]] = {
    "csv": ("orders.csv", lambda: ROWS.to_csv(index=False).encode(), load),
    "gz": ("orders.csv.gz", lambda: bytes_of(lambda path: ROWS.to_csv(path, index=False), "o.csv.gz"), load),
    "xlsx": ("orders.xlsx", lambda: bytes_of(workbook, "o.xlsx"), load),
    "parquet": ("orders.parquet", lambda: bytes_of(ROWS.to_parquet, "o.parquet"), load),
    "duckdb": ("orders.duckdb", lambda: bytes_of(table_of_duckdb, "o.duckdb"), load),
    "sqlite": ("orders.sqlite", lambda: bytes_of(table_of_sqlite, "o.sqlite"), load),
    "toml": ("retention.toml", TOML.encode, read_settings),
    "notebook": ("overview.ipynb", lambda: bytes_of(notebook_of, "o.ipynb"), read_notebook),
    "manifest": ("m.json", lambda: bytes_of(lambda path: write_pack(path.parent), manifest.NAME), read_manifest),
    "eml": ("message.en.eml", message, read_message),
    "ledger": (LEDGER, lambda: bytes_of(ledger_of, "l"), read_ledger),
}


def spoil(sound: bytes, chance: random.Random) -> bytes:
    """A file with a few bytes flipped, put in, taken out, repeated or cut off; sometimes none of it is left."""
    content = bytearray(sound)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        start = chance.randrange(len(content) + 1)
        end = min(len(content), start + chance.choice((1, 2, 8, 64, 512)))
        match chance.randrange(7):
            case 0:
                content[start:end] = bytes(byte ^ (1 << chance.randrange(8)) for byte in content[start:end])
            case 1:
                content[start:start] = chance.choice(TOKENS) * chance.choice((1, 1, 1, 3, 1000))
            case 2:
                del content[start:end]
            case 3:
                content[start:start] = content[start:end] * chance.choice((1, 2, 50))
            case 4:
                content[start:end] = chance.randbytes(end - start)
            case 5:
                content[start:end] = chance.choice(TOKENS)
            case 6 if chance.random() < 0.2:
                del content[start:]
    return bytes(content)


def reworded(sound: bytes, chance: random.Random) -> bytes:
    """JSON with one of its values replaced: what a spoiled byte seldom gives."""
    tree = json.loads(sound)
    path, node = [], tree
    while isinstance(node, dict | list) and node and (not path or chance.random() < 0.8):
        path.append((node, chance.choice([*node] if isinstance(node, dict) else range(len(node)))))
        node = path[-1][0][path[-1][1]]
    if path:
        path[-1][0][path[-1][1]] = chance.choice(
            [None, 0, -1, "", "x", [], {}, [1], {"a": 1}, 1e300, True, "../../x", "\0", "2024-13"]
        )
    return json.dumps(tree).encode()


@pytest.mark.parametrize("kind", KINDS)
def test_a_spoiled_file_is_read_or_refused_in_a_sentence(kind):
    name, sound, read = KINDS[kind]
    sound, chance, until, tried = sound(), random.Random(f"{SEED} {kind}"), monotonic() + SECONDS, 0
    while monotonic() < until or not tried:
        is_tree = kind in ("manifest", "notebook") and chance.random() < 0.7
        content = (reworded if is_tree else spoil)(sound, chance)
        FOUND.mkdir(exist_ok=True)
        saved = FOUND / f"{kind}-{tried}-{name}"
        saved.write_bytes(content)  # for whoever finds it there after an abort
        faulthandler.dump_traceback_later(LONGEST + 20, exit=True, file=sys.__stderr__)  # where nothing else ends it
        start = monotonic()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(content)
            message = ""
            try:
                read(path)
            except RetentionKitError as error:
                message = str(error)
            except Exception as error:
                raise AssertionError(f"{saved}: {type(error).__name__}: {error}") from error
        faulthandler.cancel_dump_traceback_later()
        assert "\n" not in message, f"{saved}: more than one line: {message}"
        assert monotonic() - start < LONGEST, f"{saved} takes {monotonic() - start:.0f} seconds"
        assert _memory() < MOST, f"{saved}: {_memory():,} KiB"
        saved.unlink()
        tried += 1
    with suppress(OSError):
        FOUND.rmdir()


def _memory() -> int:
    """The most that this process has held, in KiB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
