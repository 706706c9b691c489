"""What crosses the network: rows and bytes that load and scorecard fetch, as `python benchmarks/network.py 0.1 1`.

For each size in millions of orders the embedded engine tells rows and bytes of every result, which are the same on any
engine; with `--engine postgres` a server of PostgreSQL's own is started and a proxy before it counts the very bytes,
both ways; with `--engine spark` it is a session on this machine. Seconds are those of the processor, of this process
and its children, so without the server's.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from environments import company

import retention_kit as rk
from retention_kit.data.dataset import Dataset
from retention_kit.data.engines.duckdb import DuckDB

LAST, MONTHS = "2025-12", 13
TABLES = ("orders", "subscriptions", "responses")
SETTINGS: dict[str, Any] = {"segments": ["country"], "currency": "EUR", "timezone": "UTC"}
SPARK = {
    "spark.driver.memory": "3g",
    "spark.sql.shuffle.partitions": "8",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
}
TYPES = {"BIGINT": "bigint", "DOUBLE": "double precision", "TIMESTAMP": "timestamp", "VARCHAR": "text"}


@dataclass
class Counts:
    """Results fetched and their rows and bytes; `largest` is that with most rows and the first words of its query."""

    results: int = 0
    rows: int = 0
    size: int = 0
    processor: float = 0  # seconds
    sent: int = 0  # through the proxy, to the server
    received: int = 0  # and from it
    largest: tuple[int, str] = (0, "")


class Meter:
    """Counts what an engine's class hands over, in the phase that is on."""

    def __init__(self, engine: type):
        self.counts, self._depth = Counts(), 0
        for name in ("frame", "rows"):
            setattr(engine, name, self._counted(getattr(engine, name)))

    def _counted(self, fetch: Any) -> Any:
        def counted(engine: Any, sql: str, **parts: str) -> Any:
            self._depth += 1
            try:
                rows = fetch(engine, sql, **parts)
            finally:
                self._depth -= 1
            if not self._depth:  # else it is part of another fetch
                self._add(sql, rows)
            return rows

        return counted

    def _add(self, sql: str, rows: Any) -> None:
        is_frame = hasattr(rows, "columns")
        self.counts.results += 1
        self.counts.rows += len(rows)
        self.counts.size += _size(rows) if is_frame else sum(len(str(value)) for row in rows for value in row)
        words = [line.removeprefix("--").strip() for line in sql.splitlines() if line.strip().startswith("--")]
        self.counts.largest = max(self.counts.largest, (len(rows), words[-1] if words else sql[:60]))

    @contextmanager
    def phase(self) -> Iterator[Counts]:
        self.counts = Counts()
        yield self.counts


def _size(frame: Any) -> int:
    """Bytes of a result as Arrow has it."""
    import pyarrow

    return pyarrow.Table.from_pandas(frame, preserve_index=False).nbytes


class Proxy:
    """Forwards a port of this machine to another one, and counts the bytes."""

    def __init__(self, port: int):
        self.sent = self.received = 0
        self._target, self._door = port, socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._door.accept()
            upstream = socket.create_connection(("127.0.0.1", self._target))
            for source, target, name in ((client, upstream, "sent"), (upstream, client, "received")):
                threading.Thread(target=self._forward, args=(source, target, name), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket, name: str) -> None:
        while data := source.recv(1 << 16):
            setattr(self, name, getattr(self, name) + len(data))
            target.sendall(data)
        target.close()


@contextmanager
def server() -> Iterator[int]:
    """The port of a PostgreSQL server of our own, which ends with the block."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parts[-2]))
    tools = installed[-1] if installed else Path(shutil.which("initdb") or "").parent
    folder = Path(tempfile.mkdtemp(prefix="retention-kit-network-"))
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []  # no server runs as root
    if as_user:
        shutil.chown(folder, "postgres")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def call(tool: str, *arguments: str) -> None:
        command = [*as_user, str(tools / tool), "-D", str(folder / "data"), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    call("initdb", "--auth=trust", "--username=bench", "--encoding=UTF8", "--no-sync")
    call("pg_ctl", "--wait", "--log", str(folder / "log"), "-o", f"-p {port} -k {folder} -c fsync=off", "start")
    try:
        yield port
    finally:
        call("pg_ctl", "--mode=immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def fill(port: int, folder: Path) -> None:
    """Copy a company's tables into the server."""
    import duckdb
    import psycopg

    with (
        psycopg.connect(f"host=127.0.0.1 port={port} user=bench dbname=postgres") as target,
        duckdb.connect() as source,
    ):
        for name in TABLES:
            table = source.sql(f"SELECT * FROM '{folder / name}.parquet'")
            columns = zip(table.columns, map(str, table.types), strict=True)
            texts = ", ".join(f'"{column}" {TYPES.get(kind, "double precision")}' for column, kind in columns)
            target.execute(f"DROP TABLE IF EXISTS {name}")
            target.execute(f"CREATE TABLE {name} ({texts})")
            with target.cursor().copy(f"COPY {name} FROM STDIN") as copy:
                cursor = source.execute(f"SELECT * FROM '{folder / name}.parquet'")
                while rows := cursor.fetchmany(10_000):
                    for row in rows:
                        copy.write_row(row)


def measure(load: Any, meter: Meter, proxy: Proxy | None = None) -> dict[str, Counts]:
    """What each phase fetched."""
    by_name: dict[str, Counts] = {}

    @contextmanager
    def phase(name: str) -> Iterator[None]:
        start, used = (proxy.sent, proxy.received) if proxy else (0, 0), _processor()
        with meter.phase() as counts:
            yield
        counts.processor = _processor() - used
        if proxy:
            counts.sent, counts.received = proxy.sent - start[0], proxy.received - start[1]
        by_name[name] = counts

    with phase("load"):
        data: Dataset = load()
    months = [rk.Period.parse(LAST).shift(-back) for back in range(MONTHS)]
    every = [name for name, metric in rk.METRICS.items() if metric.summary != "lives"]
    with phase("scorecard, 13 months, without forecasts"):
        rk.scorecard(data, periods=months, metrics=[name for name in every if name not in _missing(data)])
    with phase("the same by country"):
        rk.scorecard(
            data, segment="country", periods=months, metrics=[name for name in every if name not in _missing(data)]
        )
    with phase("with forecasts, one month"):
        rk.scorecard(data, LAST)
    return by_name


def _processor() -> float:
    """The processor's seconds so far, of this process and all that it has begun."""
    parents, ticks = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            cells = path.read_text().rpartition(")")[2].split()
            number = int(path.parent.name)
            parents[number], ticks[number] = int(cells[1]), sum(map(int, cells[11:15]))
    processes = [os.getpid()]
    for process in processes:  # grows while it is read
        processes += [number for number, parent in parents.items() if parent == process]
    return sum(ticks[process] for process in processes) / os.sysconf("SC_CLK_TCK")


def _missing(data: Dataset) -> set[str]:
    from retention_kit.metrics.scorecard import missing_metrics

    return set(missing_metrics(data))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("millions", type=float, nargs="+", help="sizes of the company, in millions of orders")
    parser.add_argument("--engine", default="duckdb", choices=("duckdb", "postgres", "spark"))
    parser.add_argument("--basis", default="orders", choices=("orders", "subscriptions"))
    chosen = parser.parse_args()
    sys.stdout.write(
        "| million orders | phase | seconds | results | rows | bytes as Arrow | sent | received | most rows |\n"
    )
    sys.stdout.write(f"|{' ---: | --- |' + ' ---: |' * 6} --- |\n")
    {"duckdb": embedded, "postgres": postgres, "spark": spark}[chosen.engine](chosen.millions, chosen.basis)


def print_counts(millions: float, by_name: dict[str, Counts]) -> None:
    for name, counts in by_name.items():
        numbers = [counts.results, counts.rows, counts.size, counts.sent, counts.received]
        cells = [f"{millions:g}", name, f"{counts.processor:.3g}", *(f"{number:,}" for number in numbers)]
        sys.stdout.write(f"| {' | '.join(cells)} | {counts.largest[0]:,}: {counts.largest[1][:70]} |\n")
    sys.stdout.flush()


def embedded(sizes: list[float], basis: str) -> None:
    meter = Meter(DuckDB)
    for millions in sizes:
        print_counts(millions, measure(partial(rk.load, company(millions) / "retention.toml", basis=basis), meter))


def postgres(sizes: list[float], basis: str) -> None:
    from sqlalchemy import create_engine

    from retention_kit.data.engines.postgres import Postgres

    meter = Meter(Postgres)
    with server() as port:
        for millions in sizes:
            fill(port, company(millions))
            proxy = Proxy(port)
            engine = create_engine(f"postgresql+psycopg://bench@127.0.0.1:{proxy.port}/postgres")
            tables = dict(zip(TABLES, TABLES, strict=True))
            print_counts(millions, measure(partial(rk.load, engine, **tables, basis=basis, **SETTINGS), meter, proxy))


def spark(sizes: list[float], basis: str) -> None:
    from pyspark.sql import SparkSession

    from retention_kit.data.engines.spark import Spark

    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    meter, builder = Meter(Spark), SparkSession.builder.master("local[2]")
    for name, setting in SPARK.items():
        builder = builder.config(name, setting)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    for millions in sizes:
        tables = {name: session.read.parquet(str(company(millions) / f"{name}.parquet")) for name in TABLES}
        print_counts(millions, measure(partial(rk.load, **tables, basis=basis, **SETTINGS), meter))
    session.stop()


if __name__ == "__main__":
    main()
