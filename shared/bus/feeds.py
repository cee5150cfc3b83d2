"""Answering for a feed: the page after a subscriber's cursor, as the very messages that were published."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from shared.bus.envelope import to_wire
from shared.eventstore.store import FeedCursor, read_feed
from shared.eventstore.transaction import reading


def answer_feed_page(engine: Engine, epoch: int, position: int, event_id: str | None, limit: int) -> dict[str, Any]:
    """The next page of this service's feed, of at most `limit` entries; 0 asks only whether the cursor is known.

    Raises `Problem("feed-cursor-unknown")` for a cursor that this feed does not hold.
    """
    cursor = FeedCursor(epoch, position, UUID(event_id) if event_id else None)
    with reading(engine) as connection:
        page = read_feed(connection, cursor, row_limit=limit)
    return {
        "epoch": page.epoch,
        "head": page.head,
        "entries": [to_wire(entry).decode() for entry in page.entries],
    }
