"""The event store of one service: append with an expected version, load a stream, read the feed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
    recorded: Recorded

    @property
    def body(self) -> bytes:
        return self.recorded.body

    @property
    def cursor(self) -> FeedCursor:
        """Where a reader stands who has got as far as this."""
        return FeedCursor(self.epoch, self.position, self.recorded.event_id)


@dataclass(frozen=True)
class FeedPage:
    """Consecutive entries after a cursor, and how far the publisher says its feed goes.

    `head_event` is the event at the head; None if the feed is empty.
    """

    epoch: int
    head: int
    head_event: UUID | None
    entries: tuple[FeedEntry, ...]


_APPEND_EVENTS = """
    WITH appended AS (
        INSERT INTO events (event_id, stream, version, type, schema_version, body)
        SELECT * FROM unnest(%s::uuid[], %s::text[], %s::integer[], %s::text[], %s::integer[], %s::bytea[])
    )
    INSERT INTO outbox (event_id) SELECT event_id FROM unnest(%s::uuid[]) WITH ORDINALITY AS t (event_id, n) ORDER BY n
"""
_APPEND_EVENT_OF_COMMAND = """
    WITH recorded AS (
        INSERT INTO commands (command_id, fingerprint, outcome) VALUES (%s, %s, %s)
    ), appended AS (
        INSERT INTO events (event_id, stream, version, type, schema_version, body) VALUES (%s, %s, %s, %s, %s, %s)
    )
    INSERT INTO outbox (event_id) VALUES (%s)
"""
_RECORD_COMMAND = "INSERT INTO commands (command_id, fingerprint, outcome) VALUES (%s, %s, %s)"
_LOAD = "SELECT body FROM events WHERE stream = %s AND version > %s AND version <= %s ORDER BY version"


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
    rows = [(e.event_id, e.stream, e.version, e.type, e.schema_version, e.body) for e in events]
    recording = (command.command_id, command.fingerprint, command.outcome) if command else ()
    if command and len(rows) == 1:
        # What nearly every command comes to, in one statement.
        driver.execute(_APPEND_EVENT_OF_COMMAND, (*recording, *rows[0], rows[0][0]), binary=True)
        return
    if command:
        driver.execute(_RECORD_COMMAND, recording, binary=True)
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        driver.execute(_APPEND_EVENTS, (*columns, columns[0]), binary=True)


def load(connection: Connection, stream: str, *, after: int = 0, up_to: int | None = None) -> list[Recorded]:
    """The events of a stream in order, beyond version `after` and up to version `up_to` if there is such a bound."""
    last = 2**31 - 1 if up_to is None else up_to
    rows = driver_of(connection).execute(_LOAD, (stream, after, last), binary=True).fetchall()
    return [Recorded(body) for (body,) in rows]


def read_feed(
    connection: Connection, cursor: FeedCursor, *, byte_limit: int = 1_000_000, row_limit: int = 1_000
) -> FeedPage:
    """The next page after `cursor`: whole events, at least one if there is one, within `byte_limit` bytes.

    Raises `Problem("feed-cursor-unknown")` if this feed does not hold the cursor's event at the cursor's place: then
    one of both sides was restored from an older copy.
    """
    head = connection.execute(
        text("SELECT h.epoch, position, event_id FROM feed_head h LEFT JOIN feed USING (position)")
    ).one()
    if cursor.position > 0 and not _knows(connection, cursor):
        raise Problem("feed-cursor-unknown", epoch=head.epoch, head=head.position)
    entries = entries_after(connection, cursor, byte_limit=byte_limit, row_limit=row_limit)
    return FeedPage(head.epoch, head.position, head.event_id, entries)


def entries_after(
    connection: Connection, cursor: FeedCursor, *, byte_limit: int = 1_000_000, row_limit: int = 1_000
) -> tuple[FeedEntry, ...]:
    """The entries that `read_feed` answers with, for a reader whose cursor is known to be good."""
    rows = connection.execute(
        text("""
            SELECT position, epoch, event_id, body FROM (
                SELECT f.position, f.event_id, e.body,
                       (SELECT max(epoch) FROM feed_epochs WHERE after_position < f.position) AS epoch,
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
        FeedEntry(row.epoch, row.position, before, Recorded(bytes(row.body)))
        for before, row in zip(previous, rows, strict=True)
    )
    return tuple(entries)


def cursor_before(connection: Connection, position: int) -> FeedCursor:
    """Where a reader stands who has everything before `position`; at the head, if the feed does not go so far."""
    row = connection.execute(
        text("""
            SELECT position, event_id, (SELECT max(epoch) FROM feed_epochs WHERE after_position < f.position) AS epoch
            FROM feed f WHERE position < :position ORDER BY position DESC LIMIT 1
        """),
        {"position": position},
    ).first()
    return FeedCursor(row.epoch, row.position, row.event_id) if row else START


def locate(connection: Connection, event_ids: Sequence[UUID]) -> dict[UUID, FeedCursor | None]:
    """Where in the feed these events are; None for one that waits to be numbered. One that is not here is left out."""
    rows = connection.execute(
        text("""
            SELECT e.event_id, f.position,
                   (SELECT max(epoch) FROM feed_epochs WHERE after_position < f.position) AS epoch
            FROM events e LEFT JOIN feed f USING (event_id)
            WHERE e.event_id = ANY(:event_ids)
        """),
        {"event_ids": list(event_ids)},
    )
    return {row.event_id: row.position and FeedCursor(row.epoch, row.position, row.event_id) for row in rows}


def bodies(connection: Connection, event_ids: Sequence[UUID]) -> list[bytes]:
    """The stored bytes of those of these events that are here, in no order."""
    rows = connection.scalars(
        text("SELECT body FROM events WHERE event_id = ANY(:event_ids)"), {"event_ids": list(event_ids)}
    )
    return [bytes(body) for body in rows]


@dataclass(frozen=True)
class FeedState:
    """How far a feed goes, and behind which position its newest epoch begins."""

    epoch: int
    after_position: int
    head: int
    waiting: int


def feed_state(connection: Connection) -> FeedState:
    """The state of this feed; `waiting` is how many committed events are not numbered yet."""
    row = connection.execute(
        text("""
            SELECT h.epoch, after_position, position AS head, (SELECT count(*) FROM outbox) AS waiting
            FROM feed_head h JOIN feed_epochs USING (epoch)
        """)
    ).one()
    return FeedState(row.epoch, row.after_position, row.head, row.waiting)


@dataclass(frozen=True)
class EventCounts:
    """How many events there are, how many of them are in the feed and how many wait, and how far the feed goes."""

    events: int
    numbered: int
    waiting: int
    head: int


def count_events(connection: Connection) -> EventCounts:
    """Count what is stored, at one moment; costs a look at every key."""
    row = connection.execute(
        text("""
            SELECT (SELECT count(*) FROM events) AS events, (SELECT count(*) FROM feed) AS numbered,
                   (SELECT count(*) FROM outbox) AS waiting, (SELECT position FROM feed_head) AS head
        """)
    ).one()
    return EventCounts(row.events, row.numbered, row.waiting, row.head or 0)


def begin_epoch(connection: Connection, epoch: int, after_position: int, after_event: UUID | None) -> None:
    """Lets every place behind a position, numbered already or not, count in a new epoch.

    Raises `Problem("conflict")` if the epoch is not newer than all before it, or if the feed has another event there.
    """
    head = connection.execute(text("SELECT epoch FROM feed_head FOR UPDATE")).one()
    there = connection.scalar(text("SELECT event_id FROM feed WHERE position = :after"), {"after": after_position})
    if epoch <= head.epoch or there != after_event:
        raise Problem("conflict")
    connection.execute(
        text("INSERT INTO feed_epochs (epoch, after_position) VALUES (:epoch, :after)"),
        {"epoch": epoch, "after": after_position},
    )
    connection.execute(text("UPDATE feed_head SET epoch = :epoch"), {"epoch": epoch})


def _knows(connection: Connection, cursor: FeedCursor) -> bool:
    """Whether the cursor's event is at its place, under an epoch that it ever counted in or that begins behind it."""
    return (
        connection.execute(
            text("""
                SELECT FROM feed f WHERE position = :position AND event_id = :event_id AND (
                    epoch = :epoch
                    OR EXISTS (SELECT FROM feed_epochs e WHERE e.epoch = :epoch AND e.after_position <= f.position)
                )
            """),
            {"position": cursor.position, "epoch": cursor.epoch, "event_id": cursor.event_id},
        ).first()
        is not None
    )
