"""What a subscription needs of its own database: cursors that move in the same transaction as its effects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy import Connection, Engine, text

from shared.eventstore.store import FeedCursor, FeedEntry

_LOCK = text(
    "SELECT epoch, position, event_id FROM cursors "
    "WHERE subscription = :subscription AND publisher = :publisher FOR UPDATE"
)
_CREATE = text(
    "INSERT INTO cursors (subscription, publisher) VALUES (:subscription, :publisher) ON CONFLICT DO NOTHING"
)
_MOVE = text("""
    UPDATE cursors SET epoch = :epoch, position = :position, event_id = :event_id,
        head = greatest(head, :head), head_stated_at = :now, halted = NULL
    WHERE subscription = :subscription AND publisher = :publisher
""")
_NOTE_HEAD = text("""
    UPDATE cursors SET head = greatest(:head, position), head_stated_at = :now, halted = NULL
    WHERE subscription = :subscription AND publisher = :publisher
""")
_HALT = text("UPDATE cursors SET halted = :reason WHERE subscription = :subscription")


class Cursors(Protocol):
    """The cursors of one subscription within one transaction. Each method raises `DBAPIError` if that is lost."""

    @property
    def connection(self) -> Connection:
        """For the effects that commit together with the cursors."""

    def lock(self, publisher: str) -> FeedCursor:
        """The cursor, which nobody else moves until the transaction ends."""

    def begin(self, publisher: str, head: FeedCursor) -> None:
        """Places a new cursor at the head of the publisher's feed."""

    def move(self, publisher: str, last: FeedEntry, head: int) -> None:
        """Moves the cursor to `last`; the publisher's feed goes as far as `head`, or at least as far as `last`."""

    def note_head(self, publisher: str, head: int) -> None:
        """Keeps how far the publisher says its feed goes, unless the cursor has gone further since it said so."""

    def halt(self, reason: str) -> None:
        """Keeps why the subscription stands still, until a cursor moves or a publisher confirms it."""


class PostgresCursors:
    """Cursors in PostgreSQL, in the table of `shared.bus.ddl`."""

    def __init__(self, connection: Connection, subscription: str) -> None:
        self.connection = connection
        self._subscription = subscription

    def lock(self, publisher: str) -> FeedCursor:
        names = {"subscription": self._subscription, "publisher": publisher}
        row = self.connection.execute(_LOCK, names).first()
        if row is None:
            self.connection.execute(_CREATE, names)
            row = self.connection.execute(_LOCK, names).one()
        return FeedCursor(row.epoch, row.position, row.event_id)

    def begin(self, publisher: str, head: FeedCursor) -> None:
        self._place(publisher, head, head.position)

    def move(self, publisher: str, last: FeedEntry, head: int) -> None:
        self._place(publisher, last.cursor, max(head, last.position))

    def _place(self, publisher: str, cursor: FeedCursor, head: int) -> None:
        self.connection.execute(
            _MOVE,
            {
                "subscription": self._subscription,
                "publisher": publisher,
                **vars(cursor),
                "head": head,
                "now": datetime.now(UTC),
            },
        )

    def note_head(self, publisher: str, head: int) -> None:
        self.connection.execute(
            _NOTE_HEAD,
            {"subscription": self._subscription, "publisher": publisher, "head": head, "now": datetime.now(UTC)},
        )

    def halt(self, reason: str) -> None:
        self.connection.execute(_HALT, {"subscription": self._subscription, "reason": reason})


@contextmanager
def cursor_transaction(engine: Engine, subscription: str) -> Iterator[Cursors]:
    """A transaction that commits at the end of the block, unless the block raises."""
    with engine.begin() as connection:
        yield PostgresCursors(connection, subscription)
