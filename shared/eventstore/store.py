"""The event store of one service: append with an expected version, load a stream, read the feed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text

from shared.contracts.problems import Problem
from shared.eventstore.recorded import Recorded


class ConcurrentAppend(Exception):
    """Another transaction appended to the same stream, or recorded the same command, first."""


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


@dataclass(frozen=True)
class FeedPage:
    """Consecutive entries after a cursor, and how far the publisher says its feed goes."""

    epoch: int
    head: int
    entries: tuple[FeedEntry, ...]


_APPEND = """
    WITH {command} appended AS (
        INSERT INTO events (event_id, stream, version, type, schema_version, body)
        SELECT * FROM unnest(
            CAST(:event_ids AS uuid[]), CAST(:streams AS text[]), CAST(:versions AS integer[]),
            CAST(:types AS text[]), CAST(:schema_versions AS integer[]), CAST(:bodies AS bytea[])
        )
        ON CONFLICT DO NOTHING RETURNING 1
    ), sent AS (
        INSERT INTO outbox (event_id)
        SELECT event_id FROM unnest(CAST(:event_ids AS uuid[])) WITH ORDINALITY AS t (event_id, n) ORDER BY n
    )
    SELECT (SELECT count(*) FROM appended) {count}
"""
_COMMAND = """
    recorded AS (
        INSERT INTO commands (command_id, fingerprint, outcome) VALUES (:command_id, :fingerprint, :outcome)
        ON CONFLICT DO NOTHING RETURNING 1
    ),
"""
_APPEND_ONLY = text(_APPEND.format(command="", count=""))
_APPEND_WITH_COMMAND = text(_APPEND.format(command=_COMMAND, count="+ (SELECT count(*) FROM recorded)"))


@dataclass(frozen=True)
class CommandRecord:
    """What is kept of a command: a keyed fingerprint of what was asked, and references to what came of it."""

    command_id: UUID
    fingerprint: bytes
    outcome: bytes


def append(connection: Connection, events: Sequence[Recorded], command: CommandRecord | None = None) -> None:
    """Appends events to the streams and versions they name, and to the outbox, in one statement.

    Raises `ConcurrentAppend` if any of these versions, or the command, is already there; the transaction is then good
    for nothing but a rollback.
    """
    parameters: dict[str, object] = {
        "event_ids": [event.event_id for event in events],
        "streams": [event.stream for event in events],
        "versions": [event.version for event in events],
        "types": [event.type for event in events],
        "schema_versions": [event.schema_version for event in events],
        "bodies": [event.body for event in events],
    }
    expected = len(events)
    statement = _APPEND_ONLY
    if command is not None:
        parameters |= {
            "command_id": command.command_id,
            "fingerprint": command.fingerprint,
            "outcome": command.outcome,
        }
        expected += 1
        statement = _APPEND_WITH_COMMAND
    if connection.scalar(statement, parameters) != expected:
        raise ConcurrentAppend


def load(connection: Connection, stream: str, *, up_to: int | None = None) -> list[Recorded]:
    """The events of a stream in order, all of them or the first `up_to`."""
    rows = connection.execute(
        text("SELECT body FROM events WHERE stream = :stream AND version <= :up_to ORDER BY version"),
        {"stream": stream, "up_to": 2**31 - 1 if up_to is None else up_to},
    )
    return [Recorded(bytes(row.body)) for row in rows]


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
    return FeedPage(head.epoch, head.position, tuple(entries))


def _knows(connection: Connection, cursor: FeedCursor) -> bool:
    return (
        connection.execute(
            text("SELECT FROM feed WHERE position = :position AND epoch = :epoch AND event_id = :event_id"),
            {"position": cursor.position, "epoch": cursor.epoch, "event_id": cursor.event_id},
        ).first()
        is not None
    )
