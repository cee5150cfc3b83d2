"""What the relay needs of an event store: the events that wait for a number, and the feed that gives them one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from sqlalchemy import Connection, Engine, text

from shared.eventstore.store import START, FeedCursor, FeedEntry, entries_after
from shared.runtime.database import take_lead

_PEEK = text("SELECT EXISTS (SELECT FROM outbox), position, published FROM feed_head")
_PLACE = text("SELECT epoch, position, event_id FROM feed WHERE position = :position")
_NOTE_PUBLISHED = text("UPDATE feed_head SET published = :published")
_NUMBER = text("""
    WITH batch AS (
        SELECT event_id, row_number() OVER (ORDER BY id) AS n FROM outbox ORDER BY id LIMIT :batch
    ), taken AS (
        DELETE FROM outbox USING batch WHERE outbox.event_id = batch.event_id
    ), head AS (
        UPDATE feed_head SET position = position + (SELECT count(*) FROM batch),
            published = greatest(published, :published)
        RETURNING epoch, position, position - (SELECT count(*) FROM batch) AS before
    ), numbered AS (
        INSERT INTO feed (position, epoch, event_id) SELECT before + n, epoch, event_id FROM batch, head
    )
    SELECT position FROM head
""")


class Outbox(Protocol):
    """One session with the event store. Each method is one statement, and raises `DBAPIError` if that is lost."""

    def lead(self) -> bool:
        """Whether this session leads from now on: one at a time does, and only the end of the session ends it."""

    def number(self, limit: int) -> int:
        """Gives the next positions to the first `limit` events that are visible; returns the head of the feed."""

    def published(self) -> int:
        """How far the feed is known to be published."""

    def entries_after(self, position: int, limit: int) -> tuple[FeedEntry, ...]:
        """The next entries of the feed, at least one if there is one."""

    def note_published(self, position: int) -> None:
        """Remembers that the feed is published up to here."""

    def keep_leading(self) -> None:
        """Says something, before the server thinks that we have stopped."""


class PostgresOutbox:
    """The outbox of a PostgreSQL event store."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._published = 0
        self._read = START

    def lead(self) -> bool:
        return take_lead(self._connection, "okacrm.relay")

    def number(self, limit: int) -> int:
        waiting, head, published = self._connection.execute(_PEEK).one()
        if waiting:
            head = self._connection.scalar(_NUMBER, {"batch": limit, "published": self._published})
        elif published < self._published:
            self._connection.execute(_NOTE_PUBLISHED, {"published": self._published})
        return int(head)

    def published(self) -> int:
        published = self._connection.scalar(text("SELECT published FROM feed_head"))
        return int(published or 0)

    def entries_after(self, position: int, limit: int) -> tuple[FeedEntry, ...]:
        if self._read.position != position:
            row = self._connection.execute(_PLACE, {"position": position}).first()
            self._read = FeedCursor(row.epoch, row.position, row.event_id) if row else START
        entries = entries_after(self._connection, self._read, row_limit=limit)
        if entries:
            self._read = entries[-1].cursor
        return entries

    def note_published(self, position: int) -> None:
        # Goes with the next numbering of this session. If it never comes, some events are published twice.
        self._published = position

    def keep_leading(self) -> None:
        self._connection.execute(text("SELECT 1"))


@contextmanager
def outbox_session(engine: Engine) -> Iterator[Outbox]:
    """A session of the relay, over an engine of `connect_for_leading`."""
    with engine.connect() as connection:
        yield PostgresOutbox(connection)
