"""Whether the log that the database holds is the one that was archived."""

from __future__ import annotations

from sqlalchemy import Connection, text

from services.audit.log.archive import Archive


def agrees_with_archive(connection: Connection, archive: Archive, size: int) -> bool:
    """Whether the last of the first `size` leaves is the same in the database and in the archive.

    One leaf is enough to tell two histories apart: each holds the time at which it was received.
    """
    if size == 0:
        return True
    stored = connection.scalar(text("SELECT leaf FROM leaves WHERE leaf_index = :index"), {"index": size - 1})
    return stored is not None and bytes(stored) == next(archive.read(size - 1), None)
