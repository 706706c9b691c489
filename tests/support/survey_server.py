"""The survey's server as a process of its own, customers who answer all at once, and a killer."""

from __future__ import annotations

import http.client
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode

from retention_kit.survey.store import Store

HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}


class SurveyServer:
    """`retention-kit survey serve` on a free port of this machine; after a kill it can be begun again on the same."""

    def __init__(self, path: Path, *options: str):
        self.path, self.port, self._options = path, 0, options
        self.log: list[str] = []

    def __enter__(self) -> SurveyServer:
        command = [sys.executable, "-m", "retention_kit.cli", "survey", "serve", "--store", str(self.path)]
        self._process = subprocess.Popen(
            [*command, "--port", str(self.port), *self._options],
            cwd=self.path.parent,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        line = self._process.stderr.readline()
        self.log.append(line)
        self.port = int(re.search(r"http://[\d.]+:(\d+)", line)[1])
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.end(signal.SIGTERM)

    def end(self, number: int) -> int:
        """The exit code after a signal."""
        self._process.send_signal(number)
        self.log.append(self._process.communicate(timeout=30)[1])
        return self._process.returncode

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """End it as nothing can be caught, and begin it again."""
        self.end(signal.SIGKILL)
        self.__enter__()

    def ask(
        self, method: str, path: str, fields: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, str]:
        """Status and body of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, urlencode(fields) if fields else None, {**HEADERS, **(headers or {})})
            reply = connection.getresponse()
            return reply.status, reply.read().decode()
        finally:
            connection.close()


def storm(path: Path, customers: int, kills: int, seed: int, at_once: int = 500) -> Counter[str]:
    """All customers answer at once, again and again until they are thanked, while the server is killed some times.

    Gives how many answers were acknowledged, stored, lost, doubled or altered, and what the server said of those that
    were sent again.
    """
    chance, counts = random.Random(seed), Counter[str]()
    store = Store(path, make=True)
    names = [f"c{number}" for number in range(customers)]
    with store.invite(names, ["nps"], 0) as invited:
        tokens = invited.tokens
    scores = {name: str(chance.randrange(11)) for name in names}
    thanked: set[str] = set()

    def send_answer(name: str) -> None:
        target, fields = f"/s/{tokens[name]}", {"nps": scores[name], "comment": name}
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                status, _ = server.ask("POST", target, fields)
            except (OSError, http.client.HTTPException):  # killed just now
                counts["cut off"] += 1
                time.sleep(chance.uniform(0.1, 0.5))
                continue
            if status == 303:
                thanked.add(name)
                break
            counts[f"status {status}"] += 1
        if len(thanked) % 7 == 0:  # some send once more, and some think again
            for fields_again, expected in ((fields, 303), ({"nps": str((int(scores[name]) + 1) % 11)}, 409)):
                with suppress(OSError, http.client.HTTPException):
                    counts[f"again: {server.ask('POST', target, fields_again)[0] == expected}"] += 1

    began = time.monotonic()
    with SurveyServer(path) as server, ThreadPoolExecutor(at_once) as pool:
        waiting = [pool.submit(send_answer, name) for name in names]
        for _ in range(kills):
            time.sleep(chance.uniform(0.02, 0.6))
            server.kill()
        for future in waiting:
            future.result()
        counts["milliseconds"] = int(1000 * (time.monotonic() - began))
    rows = [(row[4], str(row[2]), row[6]) for row in store.responses()]
    store.close()
    stored = Counter(name for name, *_ in rows)
    counts["acknowledged"], counts["stored"] = len(thanked), len(rows)
    counts["lost"] = len(thanked - stored.keys())
    counts["doubled"] = sum(times - 1 for times in stored.values())
    counts["altered"] = sum((score, comment) != (scores[name], name) for name, score, comment in rows)
    counts["tracebacks"] = sum("Traceback" in line for line in server.log)
    counts["tokens told"] = sum(token in line for line in server.log for token in tokens.values())
    if os.name == "posix":
        counts["open to others"] = sum(bool(file.stat().st_mode & 0o077) for file in path.parent.glob(f"{path.name}*"))
    return counts
