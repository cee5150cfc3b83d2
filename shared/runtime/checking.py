"""Checking what is stored: what is found is told in ids, numbers, times and hashes, never in values.

A check streams: it holds as much of a million records in memory as of a thousand.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, Row, text

from shared.contracts.times import rfc3339

PAGE = 1_000
"""Rows held in memory at a time."""

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_TELLABLE = re.compile(
    rf"{_UUID}|[a-z_]{{1,40}}(?:[:-]{_UUID})?|okacrm(?:\.[a-z_]{{1,60}}){{2}}|[0-9]{{1,19}}|[0-9a-f]{{64}}"
    r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z",
    re.ASCII,
)


def told(value: Any) -> str:
    """A value as a finding may tell it: what is no id, number, time, hash or name of a schema is told by its hash."""
    if value is None or isinstance(value, bool | int | UUID):
        return str(value).lower()
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, bytes | memoryview):
        data = bytes(value)
        return data.hex() if len(data) == 32 else f"sha256:{sha256(data).hexdigest()}"
    written = str(value)
    return written if _TELLABLE.fullmatch(written) else f"sha256:{sha256(written.encode()).hexdigest()}"


@dataclass(frozen=True)
class Finding:
    """One thing that does not hold: a stable code, the place, and what was expected and found, as `told` tells it."""

    what: str
    where: str
    expected: str = ""
    found: str = ""

    def __str__(self) -> str:
        line = f"{self.what}  {self.where}"
        if self.expected or self.found:
            line += f"  expected {self.expected or 'nothing'}, found {self.found or 'nothing'}"
        return line


@dataclass
class Report:
    """What a check has found and looked at. Of each kind of finding the first `limit` are told, and all counted."""

    tell: Callable[[Finding], None] = lambda finding: None
    progress: Callable[[str], None] = lambda line: None
    limit: int = 100
    findings: Counter[str] = field(default_factory=Counter)
    looked_at: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    _spoke: float = field(default_factory=time.monotonic)

    def add(self, what: str, where: str, expected: Any = "", found: Any = "") -> None:
        self.findings[what] += 1
        if self.findings[what] <= self.limit:
            self.tell(Finding(what, where, _side(expected), _side(found)))

    def unless_equal(self, what: str, where: str, expected: Any, found: Any) -> None:
        if expected != found:
            self.add(what, where, told(expected), told(found))

    def count(self, name: str) -> None:
        """One more was looked at."""
        self.looked_at[name] += 1

    def count_of(self, name: str, whole: int) -> None:
        """One more of about so many was looked at; says so now and then."""
        self.count(name)
        if self.looked_at[name] % PAGE == 0 and time.monotonic() - self._spoke >= 1:
            self._spoke = time.monotonic()
            found = sum(self.findings.values())
            self.progress(f"{self.looked_at[name]:,} of {whole:,} {name}, {found:,} findings")

    @property
    def clean(self) -> bool:
        return not self.findings

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started


def _side(value: Any) -> str:
    return value if isinstance(value, str) else told(value)


def as_document(finding: Finding) -> dict[str, str]:
    """A finding as JSON."""
    return {name: value for name, value in asdict(finding).items() if value}


@contextmanager
def at_one_moment(engine: Engine) -> Iterator[Connection]:
    """A connection that sees the database as it is now, cannot change it, and may take its time."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True) as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '10min'"))
        # The first rows matter as much as the last: prefer reading along an index to sorting everything first.
        connection.execute(text("SET LOCAL cursor_tuple_fraction = 0.001"))
        yield connection


def stream(connection: Connection, query: str, **parameters: Any) -> Iterator[Row[Any]]:
    """The rows of a query through a cursor of the server, a page at a time."""
    with connection.execute(text(query), parameters, execution_options={"yield_per": PAGE}) as result:
        yield from result


class Following:
    """Rows in the order of a number, handed out by it, while another sequence is walked in the same order."""

    def __init__(self, rows: Iterator[Row[Any]], number: str) -> None:
        self._rows = rows
        self._number = number
        self._next = next(rows, None)

    def up_to(self, number: int) -> Iterator[Row[Any]]:
        """All rows not handed out yet whose number is at most this."""
        while self._next is not None and getattr(self._next, self._number) <= number:
            row, self._next = self._next, next(self._rows, None)
            yield row

    def rest(self) -> Iterator[Row[Any]]:
        while self._next is not None:
            row, self._next = self._next, next(self._rows, None)
            yield row


class Tally:
    """The last number of each of any number of keys, beyond a small cache in a file that is gone with the process."""

    def __init__(self) -> None:
        self._file = sqlite3.connect("", isolation_level=None)
        self._file.execute("PRAGMA cache_size = -8000")
        self._file.execute("PRAGMA journal_mode = OFF")
        self._file.execute("CREATE TABLE tally (key TEXT PRIMARY KEY, number INTEGER) WITHOUT ROWID")

    def put(self, key: str, number: int) -> int:
        """Notes a number and answers the one before; 0 if there was none."""
        before = self.get(key)
        self._file.execute("INSERT OR REPLACE INTO tally VALUES (?, ?)", (key, number))
        return before

    def get(self, key: str) -> int:
        row = self._file.execute("SELECT number FROM tally WHERE key = ?", (key,)).fetchone()
        return int(row[0]) if row else 0

    def take(self, key: str) -> int:
        """The last number of a key, which is then forgotten."""
        number = self.get(key)
        self._file.execute("DELETE FROM tally WHERE key = ?", (key,))
        return number

    def items(self) -> Iterable[tuple[str, int]]:
        return self._file.execute("SELECT key, number FROM tally ORDER BY key")
