"""Answering for a feed: the page after a subscriber's cursor, as the very messages that were published.

And what is asked after a restore: which of these events are still here, and what they hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from shared.bus.envelope import to_wire
from shared.eventstore.store import (
    START,
    FeedCursor,
    bodies,
    count_events,
    entries_after,
    feed_state,
    locate,
    read_feed,
)
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
        "head_event": str(page.head_event) if page.head_event else None,
        "entries": [to_wire(entry).decode() for entry in page.entries],
    }


def answer_following(engine: Engine, after: str | None, limit: int) -> dict[str, Any]:
    """The next page of this service's feed for a reader whose cursor is a word; 0 entries ask only for the head.

    Raises `Problem("feed-cursor-unknown")` as `answer_feed_page` does.
    """
    cursor = cursor_of_word(after) if after else START
    with reading(engine) as connection:
        page = read_feed(connection, cursor, row_limit=limit)
    last = page.entries[-1].cursor if page.entries else cursor
    return {
        "head": page.head,
        "position": last.position,
        "next_cursor": None if last == START else word_of_cursor(last),
        "entries": [to_wire(entry).decode() for entry in page.entries],
    }


def answer_review(engine: Engine, after: int, limit: int, *, count: bool) -> dict[str, Any]:
    """The entries behind a position, for who compares them with what was told before: whatever is stored, is told.

    With `count` also how many events, feed rows and outbox rows there are.
    """
    with reading(engine) as connection:
        counts = asdict(count_events(connection)) if count else {}
        entries = entries_after(connection, FeedCursor(0, after, None), row_limit=limit)
    return {"entries": [to_wire(entry).decode(errors="replace") for entry in entries], **counts}


def word_of_cursor(cursor: FeedCursor) -> str:
    """The cursor as readers over HTTP hold it: three attributes of the last event that they have."""
    return f"{cursor.epoch}.{cursor.position}.{cursor.event_id}"


def cursor_of_word(word: str) -> FeedCursor:
    """The cursor that `word_of_cursor` wrote. Raises `ValueError` for anything else."""
    epoch, position, event_id = word.split(".")
    return FeedCursor(int(epoch), int(position), UUID(event_id))


def answer_places(engine: Engine, event_ids: Sequence[str]) -> dict[str, Any]:
    """The state of this service's feed, and where in it these events are; what is not here is not listed."""
    with reading(engine) as connection:
        state = feed_state(connection)
        places = locate(connection, list(map(UUID, event_ids)))
    return {
        **asdict(state),
        "places": {
            str(event_id): place and {"epoch": place.epoch, "position": place.position}
            for event_id, place in places.items()
        },
    }


def answer_events(engine: Engine, event_ids: Sequence[str]) -> dict[str, Any]:
    """The stored bytes of these events, whatever their places; what is not here is left out."""
    with reading(engine) as connection:
        return {"events": [body.decode() for body in bodies(connection, list(map(UUID, event_ids)))]}
