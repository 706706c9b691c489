"""Invitations and answers in one SQLite file: `survey.sqlite`.

Only the hash of a token is stored, with the customer of the invitation. An answer is durable once `answer` has returned
(write-ahead log, every commit flushed to the disk), and each question of an invitation has at most one.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from time import monotonic, sleep
from typing import NamedTuple

from retention_kit.errors import Phrase, ReportError, SettingsError, did_you_mean
from retention_kit.survey.questions import SCALES

_APPLICATION_ID, _VERSION = 0x524B5356, 1  # application_id and user_version of the file
_TOKEN_BYTES = 20
_WAIT = 30  # seconds for other writers
COLUMNS = ("responded_at", "survey", "score", "scale", "customer_id", "response_id", "comment")
_SCALES_SQL = " ".join(f"WHEN '{name}' THEN '{low}-{high}'" for name, (low, high) in SCALES.items())
_BOUNDS_SQL = " OR ".join(
    f"(survey = '{name}' AND score BETWEEN {low} AND {high})" for name, (low, high) in SCALES.items()
)
_SCHEMA = f"""
CREATE TABLE tokens (
    hash TEXT NOT NULL,             -- SHA-256 of the token, hexadecimal
    survey TEXT NOT NULL,
    customer_id TEXT,
    invited_at TEXT NOT NULL,       -- UTC
    PRIMARY KEY (hash, survey)
) WITHOUT ROWID;
CREATE INDEX tokens_by_customer ON tokens (customer_id, invited_at);
CREATE TABLE answers (
    response_id INTEGER PRIMARY KEY,
    hash TEXT NOT NULL,
    survey TEXT NOT NULL,
    score INTEGER NOT NULL CHECK (typeof(score) = 'integer' AND ({_BOUNDS_SQL})),
    comment TEXT,
    responded_at TEXT NOT NULL,     -- UTC
    UNIQUE (hash, survey),
    FOREIGN KEY (hash, survey) REFERENCES tokens (hash, survey)
);
CREATE VIEW responses AS
    SELECT responded_at, survey, score, CASE survey {_SCALES_SQL} END AS scale, customer_id, response_id, comment
    FROM answers JOIN tokens USING (hash, survey);
CREATE VIEW invitations AS
    SELECT invited_at, survey, customer_id, responded_at FROM tokens LEFT JOIN answers USING (hash, survey);
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_VERSION};
"""


class Invitation(NamedTuple):
    """The surveys of an invitation, and whether it is answered."""

    surveys: tuple[str, ...]
    is_answered: bool


class Invited(NamedTuple):
    """The token of each invited customer, and how many were left out because of a recent invitation."""

    tokens: dict[str, str]
    recent: int


def hash_token(token: str) -> str:
    """The hash of a token that is stored; upper and lower case are equal, as some programs change it."""
    return hashlib.sha256(token.lower().encode()).hexdigest()


def is_token(text: str) -> bool:
    """Whether a text has the form of a token."""
    return bool(re.fullmatch(r"[a-z2-7]{32}", text.lower()))


def _new_token() -> str:
    """160 random bits in letters and digits, which mail programs neither wrap nor split."""
    return base64.b32encode(secrets.token_bytes(_TOKEN_BYTES)).decode().lower()


class Store:
    """An open survey file, safe to use from any thread; `make` creates it if it does not exist.

    Raises SettingsError if it is another kind of file, ReportError if it cannot be written to.
    """

    def __init__(self, path: Path, *, make: bool = False):
        self.path, self._lock, self._reading_lock = path, Lock(), Lock()
        is_new = not path.exists()
        if is_new and not make:
            nearby = [file.name for file in path.parent.glob("*.sqlite")] if path.parent.is_dir() else []
            hint = did_you_mean(path.name, nearby) if nearby else Phrase("retention-kit survey invite makes it.")
            raise SettingsError("There is no file {path!r}: {hint}", path=str(path), hint=hint)
        if is_new:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # its log files get the same permissions
        try:
            self._connection = sqlite3.connect(path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
            self._open()
            # Readers do not wait for writers.
            self._reading = sqlite3.connect(path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
            self._reading.execute("PRAGMA query_only = ON")
        except sqlite3.Error as error:
            template = "{path} cannot be used as a file of answers: {error}."
            raise SettingsError(template, path=path, error=error) from None

    def _open(self) -> None:
        run = self._connection.execute
        run("PRAGMA trusted_schema = OFF")
        if self.path.stat().st_size == 0:
            with self._transaction():
                if not run("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    for statement in _statements(_SCHEMA):
                        run(statement)
        header = [run(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
        if header != [_APPLICATION_ID, _VERSION]:
            self._connection.close()
            template = "{path} is a database, but holds no invitations and answers of this program."
            raise SettingsError(template, path=self.path)
        self._use_write_ahead_log()
        run("PRAGMA synchronous = FULL")
        run("PRAGMA fullfsync = ON")
        run("PRAGMA foreign_keys = ON")

    def _use_write_ahead_log(self) -> None:
        """Where another process does the same at this moment SQLite refuses at once, whatever the timeout."""
        until = monotonic() + _WAIT
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError:
                if monotonic() > until:
                    raise
                sleep(0.01)
            else:
                return

    def close(self) -> None:
        self._reading.close()
        self._connection.close()

    def invitation(self, token: str) -> Invitation | None:
        """The invitation of a token, or None. Writes nothing."""
        with self._reading_lock:
            rows = self._reading.execute(
                "SELECT survey, response_id FROM tokens LEFT JOIN answers USING (hash, survey) WHERE hash = ?",
                [hash_token(token)],
            ).fetchall()
        surveys = {survey for survey, _ in rows}
        if not rows:
            return None
        return Invitation(tuple(name for name in SCALES if name in surveys), any(answer for _, answer in rows))

    def answer(self, token: str, scores: Mapping[str, int], comment: str | None) -> str:
        """Store an answer, once: `stored`, `same` if it is there already, `answered` if a different one is.

        The comment is stored with the first score. `unknown` if there is no such invitation.
        """
        answers = {name: (scores[name], comment if name == next(iter(scores)) else None) for name in scores}
        hashed = hash_token(token)
        with self._lock, self._transaction():
            run = self._connection.execute
            surveys = {name for (name,) in run("SELECT survey FROM tokens WHERE hash = ?", [hashed])}
            if not answers or not answers.keys() <= surveys:
                return "unknown"
            stored = {
                name: (score, comment)
                for name, score, comment in run("SELECT survey, score, comment FROM answers WHERE hash = ?", [hashed])
            }
            if stored:
                return "same" if stored == answers else "answered"
            rows = [(hashed, name, score, comment, _text(_now())) for name, (score, comment) in answers.items()]
            self._connection.executemany(
                "INSERT INTO answers (hash, survey, score, comment, responded_at) VALUES (?, ?, ?, ?, ?)", rows
            )
        return "stored"

    @contextmanager
    def invite(self, customers: Iterable[str], surveys: Sequence[str], days: int) -> Iterator[Invited]:
        """Invite the customers who were not invited in the last `days`; committed when the block ends without an error,
        so that every written link works.
        """
        now = _now()
        since = _text(now - timedelta(days=days))
        with self._lock, self._transaction():
            query = "SELECT DISTINCT customer_id FROM tokens WHERE invited_at > ?"
            recent = {customer for (customer,) in self._connection.execute(query, [since])}
            unique = [*dict.fromkeys(customers)]
            tokens = {customer: _new_token() for customer in unique if customer not in recent}
            rows = [
                (hash_token(token), survey, customer, _text(now))
                for customer, token in tokens.items()
                for survey in surveys
            ]
            self._connection.executemany(
                "INSERT INTO tokens (hash, survey, customer_id, invited_at) VALUES (?, ?, ?, ?)", rows
            )
            yield Invited(tokens, len(unique) - len(tokens))

    def responses(self) -> list[tuple]:
        """All answers with the columns `COLUMNS`, in the order in which they were stored."""
        with self._reading_lock:
            return self._reading.execute(f"SELECT {', '.join(COLUMNS)} FROM responses ORDER BY response_id").fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One transaction; raises ReportError if it cannot be written."""
        run = self._connection.execute
        try:
            run("BEGIN IMMEDIATE")
            yield
            run("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:  # SQLite itself rolls back if the disk is full
                run("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):  # the disk is full or the file locked
                raise ReportError("{path} cannot be written to: {error}.", path=self.path, error=error) from None
            raise


def _statements(script: str) -> Iterator[str]:
    part = ""
    for line in script.splitlines(keepends=True):
        part += line
        if sqlite3.complete_statement(part):
            yield part
            part = ""


def _now() -> datetime:
    return datetime.now(UTC)


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
