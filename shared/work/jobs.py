"""Scheduled work: jobs that are kept until they are done, each by one worker at a time.

A job is a row with a kind, a key that is its own among those of its kind, and the time at which it is due. It is
scheduled in the transaction of what makes it necessary, and ends in the transaction of what it brings about:

    schedule(connection, "remind", key=str(token_id), due_at=expires_at - timedelta(days=14))

    def remind(held: Held) -> None:
        with writing(engine) as connection:
            ...
            held.finish(connection)

Whoever does a job holds a lease on it, which has a number and an end. A worker that stood still beyond the end of its
lease has lost the job to another one: its `finish` raises `LeaseLost`, and what it did in that transaction is undone.
What a job does outside of the database has to bear being done again, since a worker may die just before it says so.

Times are those of the database, asked once in each transaction: a machine whose clock is wrong does nothing too early.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, text

_SCHEDULE = text("""
    INSERT INTO jobs AS j (kind, key, due_at, priority, about)
    VALUES (:kind, :key, :due_at, :priority, CAST(:about AS jsonb))
    ON CONFLICT (kind, key) DO UPDATE SET
        due_at = :due_at, priority = :priority, about = CAST(:about AS jsonb), attempts = 0,
        parked_at = NULL, reason = NULL
""")
_SCHEDULE_IF_ABSENT = text("""
    INSERT INTO jobs (kind, key, due_at) VALUES (:kind, :key, :due_at) ON CONFLICT (kind, key) DO NOTHING
""")
_TAKE = text("""
    UPDATE jobs j SET lease = nextval('job_leases'), leased_until = :now + :lasting, attempts = attempts + 1
    FROM (
        SELECT kind, key FROM jobs
        WHERE kind = :kind AND parked_at IS NULL AND due_at <= :now AND (leased_until IS NULL OR leased_until <= :now)
        ORDER BY priority DESC, due_at LIMIT 1 FOR UPDATE SKIP LOCKED
    ) next
    WHERE (j.kind, j.key) = (next.kind, next.key)
    RETURNING j.kind, j.key, j.due_at, j.about, j.attempts, j.lease, j.leased_until
""")
_GIVE_UP = "lease = NULL, leased_until = NULL"
_OWN = "kind = :kind AND key = :key AND lease = :lease"
# A job that was scheduled anew while it was done is done again.
_END = text(f"DELETE FROM jobs WHERE {_OWN} AND due_at = :due_at")  # noqa: S608 - a condition from above
_LEAVE = text(f"UPDATE jobs SET {_GIVE_UP}, attempts = 0 WHERE {_OWN}")  # noqa: S608 - the same
_AGAIN = text(f"""
    UPDATE jobs SET {_GIVE_UP}, due_at = CASE WHEN due_at = :due_at THEN :next ELSE due_at END, attempts = :attempts
    WHERE {_OWN}
""")  # noqa: S608 - the same
_PARK = text(f"UPDATE jobs SET {_GIVE_UP}, parked_at = :now, reason = :reason WHERE {_OWN}")  # noqa: S608 - the same
_STILL_OWN = text(f"SELECT lease FROM jobs WHERE {_OWN} FOR UPDATE")  # noqa: S608 - the same
_EXTEND = text(f"UPDATE jobs SET leased_until = :until WHERE {_OWN} AND leased_until > :now")  # noqa: S608 - the same


class LeaseLost(Exception):
    """Somebody else holds the job by now, or it was cancelled: whatever was done for it is not to be kept."""


@dataclass(frozen=True)
class Held:
    """A job in the hands of a worker: what it is, and how it comes to its end."""

    kind: str
    key: str
    due_at: datetime
    about: Mapping[str, Any]
    attempt: int
    """Counts from 1, and anew once the job was done or was scheduled anew."""
    lease: int
    leased_until: datetime

    @classmethod
    def of(cls, row: Row[Any]) -> Held:
        return cls(row.kind, row.key, row.due_at, row.about, row.attempts, row.lease, row.leased_until)

    def finish(self, connection: Connection) -> None:
        """End the job with this transaction. Raise `LeaseLost` if it is another one's by now."""
        if not connection.execute(_END, self._own | {"due_at": self.due_at}).rowcount:
            self._must_change(connection.execute(_LEAVE, self._own).rowcount)

    def repeat(self, connection: Connection, next_due: datetime) -> None:
        """Let the job be done once more at another time. Raise `LeaseLost` if it is another one's by now."""
        self._come_again(connection, next_due, attempts=0)

    def retry(self, connection: Connection, next_due: datetime) -> None:
        """Let what failed be tried once more at another time. Raise `LeaseLost` if it is another one's by now."""
        self._come_again(connection, next_due, attempts=self.attempt)

    def park(self, connection: Connection, now: datetime, reason: str) -> None:
        """Leave the job alone until somebody revives it. Raise `LeaseLost` if it is another one's by now."""
        self._must_change(connection.execute(_PARK, self._own | {"now": now, "reason": reason}).rowcount)

    def extend(self, connection: Connection, now: datetime, until: datetime) -> None:
        """Hold the job longer than was thought. Raise `LeaseLost` if it is another one's, or could be."""
        self._must_change(connection.execute(_EXTEND, self._own | {"now": now, "until": until}).rowcount)

    def is_open(self, connection: Connection) -> bool:
        """Whether the job is still in the hands of this worker, and locked until the transaction ends."""
        return connection.scalar(_STILL_OWN, self._own) is not None

    def _come_again(self, connection: Connection, next_due: datetime, attempts: int) -> None:
        values = self._own | {"due_at": self.due_at, "next": next_due, "attempts": attempts}
        self._must_change(connection.execute(_AGAIN, values).rowcount)

    def _must_change(self, rows: int) -> None:
        if not rows:
            raise LeaseLost(f"{self.kind} {self.key}")

    @property
    def _own(self) -> dict[str, Any]:
        return {"kind": self.kind, "key": self.key, "lease": self.lease}


def schedule(
    connection: Connection,
    kind: str,
    *,
    key: str,
    due_at: datetime,
    about: Mapping[str, Any] | None = None,
    priority: int = 0,
) -> None:
    """Schedule a job in this transaction. One of the same kind and key is moved, and begins anew if it was parked.

    `about` holds ids and numbers, never personal data: it lies open in the table. Among jobs that are due, those of
    the highest priority are first.
    """
    values = {"kind": kind, "key": key, "due_at": due_at, "priority": priority, "about": json.dumps(dict(about or {}))}
    connection.execute(_SCHEDULE, values)


def schedule_if_absent(connection: Connection, kind: str, *, key: str, due_at: datetime) -> None:
    """Schedule a job in this transaction, unless one of the same kind and key is there."""
    connection.execute(_SCHEDULE_IF_ABSENT, {"kind": kind, "key": key, "due_at": due_at})


def cancel(connection: Connection, kind: str, key: str) -> bool:
    """Take a job back, and return whether there was one. Whoever is just doing it loses its lease."""
    statement = text("DELETE FROM jobs WHERE kind = :kind AND key = :key")
    return bool(connection.execute(statement, {"kind": kind, "key": key}).rowcount)


def take(connection: Connection, kind: str, now: datetime, lasting: timedelta) -> Held | None:
    """Take the next job of a kind that is due and in nobody's hands, for so long; None if there is none."""
    row = connection.execute(_TAKE, {"kind": kind, "now": now, "lasting": lasting}).one_or_none()
    return Held.of(row) if row else None


@dataclass(frozen=True)
class Parked:
    """A job that failed too often, and waits for somebody to look at it."""

    kind: str
    key: str
    attempts: int
    parked_at: datetime
    reason: str


def parked(connection: Connection) -> Sequence[Parked]:
    """Return the jobs that wait for somebody to look at them, oldest first."""
    rows = connection.execute(
        text("SELECT kind, key, attempts, parked_at, reason FROM jobs WHERE parked_at IS NOT NULL ORDER BY parked_at")
    )
    return [Parked(*row) for row in rows]


def revive(connection: Connection, kind: str, key: str, now: datetime) -> bool:
    """Let a parked job be tried anew, and return whether there was one."""
    statement = text("""
        UPDATE jobs SET due_at = :now, attempts = 0, parked_at = NULL, reason = NULL
        WHERE kind = :kind AND key = :key AND parked_at IS NOT NULL
    """)
    return bool(connection.execute(statement, {"kind": kind, "key": key, "now": now}).rowcount)


def database_time(connection: Connection) -> datetime:
    """Return the time of the database, which is one for all workers."""
    now: datetime = connection.scalar(text("SELECT clock_timestamp()"))
    return now
