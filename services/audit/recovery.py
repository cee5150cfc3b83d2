"""Recovery: a log whose database was restored from an older copy is brought back from its archive, leaf by leaf.

Reading the feeds again instead would give the same events other times of receipt, and perhaps another order: another
tree than the one that was signed.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import structlog
from sqlalchemy import Connection, text

from services.audit.archive import Archive
from services.audit.leaves import Leaf
from services.audit.merkle import leaf_hash
from services.audit.projections import Entry, append_entries
from shared.bus.subscriptions import Halted

log = structlog.get_logger()

BATCH = 1_000


def recover_from_archive(directory: Path, subscription: str) -> Callable[[Connection], None]:
    """What a projection does before it follows: replay what the archive holds beyond the database.

    The cursors of `subscription` move along, so that following goes on where the archive ends. Raises `Halted` if the
    database and the archive do not tell the same story.
    """

    def recover(connection: Connection) -> None:
        archive = Archive(directory)
        size = int(connection.scalar(text("SELECT size FROM log_head FOR UPDATE")) or 0)
        archived = archive.size()
        if not agrees_with_archive(connection, archive, min(size, archived)):
            raise Halted("log-differs-from-its-archive")
        if archived <= size:
            return
        log.warning("replaying_archive", size=size, archived=archived)
        leaves = enumerate(archive.read(size), start=size)
        while batch := list(islice(leaves, BATCH)):
            entries = [Entry(index, Leaf.from_bytes(leaf), leaf, leaf_hash(leaf), {}) for index, leaf in batch]
            append_entries(connection, entries)
            _move_cursors(connection, subscription, entries)

    return recover


def agrees_with_archive(connection: Connection, archive: Archive, size: int) -> bool:
    """Whether the last of the first `size` leaves is the same in the database and in the archive.

    One leaf is enough to tell two histories apart: each holds the time at which it was received.
    """
    if size == 0:
        return True
    stored = connection.scalar(text("SELECT leaf FROM leaves WHERE leaf_index = :index"), {"index": size - 1})
    return stored is not None and bytes(stored) == next(archive.read(size - 1), None)


def _move_cursors(connection: Connection, subscription: str, entries: list[Entry]) -> None:
    latest = {entry.leaf.publisher: entry.leaf for entry in entries}
    connection.execute(
        text("""
            INSERT INTO cursors (subscription, publisher, epoch, position, event_id)
            VALUES (:subscription, :publisher, :epoch, :position, :event_id)
            ON CONFLICT (subscription, publisher)
            DO UPDATE SET epoch = excluded.epoch, position = excluded.position, event_id = excluded.event_id
        """),
        [
            {
                "subscription": subscription,
                "publisher": publisher,
                "epoch": leaf.epoch,
                "position": leaf.position,
                "event_id": leaf.event_id,
            }
            for publisher, leaf in latest.items()
        ],
    )
