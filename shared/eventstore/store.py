"""The event store of one service: append with an expected version, load a stream, read the feed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import Connection, text

from shared.contracts.problems import Problem
from shared.eventstore.recorded import Recorded
from shared.eventstore.transaction import driver_of


@dataclass(frozen=True)
class FeedCursor:
    """How far a subscriber has got in one publisher's feed; position 0 is before everything."""

    epoch: int
    position: int
    event_id: UUID | None


START = FeedCursor(epoch=0, position=0, event_id=None)


@dataclass(frozen=True)
class FeedEntry:
    """One committed event at its place in the feed, and the event before it, by which a reader sees what it follows."""

    epoch: int
    position: int
    previous: UUID | None
    body: bytes

    @cached_property
    def recorded(self) -> Recorded:
        """The event, whose envelope is then parsed once for all who look at it."""
        return Recorded(self.body)


@dataclass(frozen=True)
class FeedPage:
    """Consecutive entries after a cursor, and how far the publisher says its feed goes."""

    epoch: int
    head: int
    entries: tuple[FeedEntry, ...]


_APPEND_EVENTS = """
    WITH appended AS (
        INSERT INTO events (event_id, stream, version, type, schema_version, body)
        SELECT * FROM unnest(%s::uuid[], %s::text[], %s::integer[], %s::text[], %s::integer[], %s::bytea[])
    )
    INSERT INTO outbox (event_id) SELECT event_id FROM unnest(%s::uuid[]) WITH ORDINALITY AS t (event_id, n) ORDER BY n
"""
_APPEND_EVENT = """
    WITH appended AS (
        INSERT INTO events (event_id, stream, version, type, schema_version, body) VALUES (%s, %s, %s, %s, %s, %s)
    )
    INSERT INTO outbox (event_id) VALUES (%s)
"""
_RECORD_COMMAND = "INSERT INTO commands (command_id, fingerprint, outcome) VALUES (%s, %s, %s)"
_LOAD = "SELECT body FROM events WHERE stream = %s AND version <= %s ORDER BY version"


@dataclass(frozen=True)
class CommandRecord:
    """What is kept of a command: a keyed fingerprint of what was asked, and references to what came of it."""

    command_id: UUID
    fingerprint: bytes
    outcome: bytes


def append(driver: psycopg.Connection[Any], events: Sequence[Recorded], command: CommandRecord | None = None) -> None:
    """Appends events to the streams and versions they name, and to the outbox.

    Raises psycopg's `UniqueViolation` if any of these versions, or the command, is already there.
    """
    if command is not None:
        driver.execute(_RECORD_COMMAND, (command.command_id, command.fingerprint, command.outcome), binary=True)
    rows = [(e.event_id, e.stream, e.version, e.type, e.schema_version, e.body) for e in events]
    if len(rows) == 1:
        driver.execute(_APPEND_EVENT, (*rows[0], rows[0][0]), binary=True)
    elif rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        driver.execute(_APPEND_EVENTS, (*columns, columns[0]), binary=True)


def load(connection: Connection, stream: str, *, up_to: int | None = None) -> list[Recorded]:
    """The events of a stream in order, all of them or the first `up_to`."""
    last = 2**31 - 1 if up_to is None else up_to
    rows = driver_of(connection).execute(_LOAD, (stream, last), binary=True).fetchall()
    return [Recorded(body) for (body,) in rows]


def read_feed(
    connection: Connection, cursor: FeedCursor, *, byte_limit: int = 1_000_000, row_limit: int = 1_000
) -> FeedPage:
    """The next page after `cursor`: whole events, at least one if there is one, within `byte_limit` bytes.

    Raises `Problem("feed-cursor-unknown")` if this feed does not hold the cursor's event at the cursor's place: then
    one of both sides was restored from an older copy.
    """
    head = connection.execute(text("SELECT epoch, position FROM feed_head")).one()
    if cursor.position > 0 and not _knows(connection, cursor):
        raise Problem("feed-cursor-unknown", epoch=head.epoch, head=head.position)
    return FeedPage(
        head.epoch, head.position, entries_after(connection, cursor, byte_limit=byte_limit, row_limit=row_limit)
    )


def entries_after(
    connection: Connection, cursor: FeedCursor, *, byte_limit: int = 1_000_000, row_limit: int = 1_000
) -> tuple[FeedEntry, ...]:
    """The entries that `read_feed` answers with, for a reader whose cursor is known to be good."""
    rows = connection.execute(
        text("""
            SELECT position, epoch, event_id, body FROM (
                SELECT f.position, f.epoch, f.event_id, e.body,
                       sum(length(e.body)) OVER (ORDER BY f.position) - length(e.body) AS bytes_before
                FROM (
                    SELECT * FROM feed WHERE position > :position ORDER BY position LIMIT :row_limit
                ) AS f
                JOIN events AS e USING (event_id)
            ) AS page
            WHERE bytes_before = 0 OR bytes_before + length(body) <= :byte_limit
            ORDER BY position
        """),
        {"position": cursor.position, "row_limit": row_limit, "byte_limit": byte_limit},
    ).all()
    previous = [cursor.event_id, *(row.event_id for row in rows)][: len(rows)]
    entries = (
        FeedEntry(row.epoch, row.position, before, bytes(row.body)) for before, row in zip(previous, rows, strict=True)
    )
    return tuple(entries)


def _knows(connection: Connection, cursor: FeedCursor) -> bool:
    return (
        connection.execute(
            text("SELECT FROM feed WHERE position = :position AND epoch = :epoch AND event_id = :event_id"),
            {"position": cursor.position, "epoch": cursor.epoch, "event_id": cursor.event_id},
        ).first()
        is not None
    )
