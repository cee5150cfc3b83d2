"""Recovery: a log whose database was restored from an older copy is brought back from its archive, leaf by leaf.

Reading the feeds again instead would give the same events other times of receipt, and perhaps another order: another
tree than the one that was signed. So nothing new is appended before the log holds, leaf for leaf, what was archived and
what was signed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import structlog
from sqlalchemy import Connection, text

from services.audit.intake.sequencing import Entry, append_entries
from services.audit.log.agreement import agrees_with_archive
from services.audit.log.archive import Archive, ArchiveDamaged, archive_directory
from services.audit.log.own_events import give_back_own_events
from services.audit.log.queries import published_size
from services.audit.log.signer import GuardUnusable, guard_file, listed_keys
from services.audit.log.tiles import StoredTiles
from services.audit.tree import merkle
from services.audit.tree.leaves import Leaf, LeafInvalid
from services.audit.tree.merkle import leaf_hash
from services.audit.tree.notes import Checkpoint, NoteInvalid, Verifier, verify_checkpoint
from shared.bus.subscriptions import Halted

log = structlog.get_logger()

BATCH = 1_000


def recover_from_archive(directory: Path, keys: Sequence[Verifier], subscription: str) -> Callable[[Connection], None]:
    """What a projection does before it follows: replay what the archive holds beyond the database.

    `directory` is the log's folder, `keys` those that may have signed its guard where no list of keys lies beside it.
    The cursors of `subscription` move along, so that following goes on where the archive ends. Raises `Halted`, and
    leaves everything as it was, if database, archive and guard do not tell one story.
    """

    def recover(connection: Connection) -> None:
        archive = Archive(archive_directory(directory))
        # First the cursors and then the head, which is the order in which events are appended.
        connection.execute(
            text("SELECT FROM cursors WHERE subscription = :subscription ORDER BY publisher FOR UPDATE"),
            {"subscription": subscription},
        )
        size = int(connection.scalar(text("SELECT size FROM log_head FOR UPDATE")) or 0)
        try:
            archived = archive.size()
            signed = _last_signed(directory, keys, begun=max(archived, published_size(connection)))
            if not agrees_with_archive(connection, archive, min(size, archived)):
                raise Halted("log-differs-from-its-archive")
            if archived > size:
                log.warning("replaying_archive", size=size, archived=archived)
                _replay(connection, archive, size, subscription)
        except (ArchiveDamaged, LeafInvalid) as error:
            log.error("archive_unreadable", reason=str(error))
            raise Halted("archive-damaged") from None
        _require_what_was_signed(connection, max(size, archived), signed)

    return recover


def _replay(connection: Connection, archive: Archive, size: int, subscription: str) -> None:
    leaves = enumerate(archive.read(size), start=size)
    while batch := list(islice(leaves, BATCH)):
        entries = [Entry(index, Leaf.from_bytes(leaf), leaf, leaf_hash(leaf), {}) for index, leaf in batch]
        append_entries(connection, entries)
        give_back_own_events(connection, [entry.leaf for entry in entries])
        _move_cursors(connection, subscription, entries)


def _last_signed(directory: Path, keys: Sequence[Verifier], *, begun: int) -> Checkpoint | None:
    """The checkpoint in the guard; None in a log that has not begun."""
    try:
        return verify_checkpoint(guard_file(directory).read_text(), listed_keys(directory) or keys)
    except FileNotFoundError:
        if begun > 0:
            raise Halted("guard-is-missing") from None
        return None
    except (UnicodeDecodeError, NoteInvalid, GuardUnusable):
        raise Halted("guard-is-damaged") from None


def _require_what_was_signed(connection: Connection, size: int, signed: Checkpoint | None) -> None:
    if signed is None or signed.size == 0:
        return
    if size < signed.size:
        raise Halted("archive-lacks-what-was-signed")
    if merkle.root(StoredTiles(connection), signed.size) != signed.root:
        raise Halted("log-differs-from-what-was-signed")


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
