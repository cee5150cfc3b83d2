"""Rebuilding what a projection keeps of another service's feed: it is read again from the first event on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from shared.bus.envelope import from_wire
from shared.bus.subscriptions import Delivery, Projection
from shared.eventstore.rebuilding import NotYet, ReadModel, Step
from shared.eventstore.store import START, FeedCursor, FeedEntry

ReadFeed = Callable[[str, FeedCursor], dict[str, Any]]
"""Gives the next page of a publisher's feed after a cursor, as `shared.bus.feeds.answer_feed_page` answers."""
MOST_BEHIND = 500


@dataclass(frozen=True)
class Followed:
    """The feed of another service, as far as the subscription has followed it: what is beyond comes to it later."""

    subscription: str
    publisher: str
    read_feed: ReadFeed

    @property
    def start(self) -> str:
        return _word(START)

    def end(self, connection: Connection) -> int:
        return self._followed(connection)

    def read(self, connection: Connection, place: str) -> Step:
        cursor = _cursor(place)
        entries = self._entries(cursor, self._followed(connection))
        last = entries[-1].cursor if entries else cursor
        return Step([Delivery(self.publisher, entry) for entry in entries], _word(last), last.position)

    def hold(self, connection: Connection, place: str) -> Step:
        """Lock the subscription's cursor, which moves in the transaction in which it writes anything."""
        cursor, followed = _cursor(place), self._followed(connection, lock=True)
        if followed - cursor.position > MOST_BEHIND:
            raise NotYet("the subscription has gone on")
        deliveries = []
        while cursor.position < followed:
            entries = self._entries(cursor, followed)
            if not entries:
                raise NotYet(f"{self.publisher} does not give what the subscription has followed")
            deliveries += [Delivery(self.publisher, entry) for entry in entries]
            cursor = entries[-1].cursor
        return Step(deliveries, _word(cursor), cursor.position)

    def _entries(self, cursor: FeedCursor, until: int) -> list[FeedEntry]:
        page = self.read_feed(self.publisher, cursor) if cursor.position < until else {"entries": []}
        entries = [from_wire(self.publisher, body.encode()) for body in page["entries"]]
        return [entry for entry in entries if entry.position <= until]

    def _followed(self, connection: Connection, *, lock: bool = False) -> int:
        """How far the subscription has come."""
        position = connection.scalar(
            text(f"""
                SELECT position FROM cursors WHERE subscription = :subscription AND publisher = :publisher
                {"FOR UPDATE" if lock else ""}
            """),  # noqa: S608 - words from the line above
            {"subscription": self.subscription, "publisher": self.publisher},
        )
        return int(position or 0)


def followed_read_model(
    projection: Projection, *tables: str, read_feed: ReadFeed, begin: Callable[[Connection], None]
) -> ReadModel:
    """Return the read model that a projection of one publisher's feed keeps in these tables."""
    (publisher,) = projection.follows
    source = Followed(projection.name, publisher, read_feed)
    return ReadModel(tables[0], tables, source, projection.apply, begin)


def _word(cursor: FeedCursor) -> str:
    return f"{cursor.epoch}.{cursor.position}.{cursor.event_id or ''}"


def _cursor(word: str) -> FeedCursor:
    epoch, position, event_id = word.split(".")
    return FeedCursor(int(epoch), int(position), UUID(event_id) if event_id else None)
