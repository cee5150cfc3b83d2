"""Checkpointing: archive the new leaves, sign the grown tree, publish the note. About once a second.

The order is the promise: leaves are durable in the archive before a checkpoint over them is signed, the signer's guard
is durable before the note leaves it, and the note is in the database last.
"""

from __future__ import annotations

import threading
from pathlib import Path

import structlog
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from services.audit import merkle
from services.audit.archive import ArchiveBusy, ArchiveDamaged, ArchiveWriter, archive_directory
from services.audit.notes import Checkpoint, NoteSigner, verify_checkpoint
from services.audit.queries import published_size
from services.audit.recovery import agrees_with_archive
from services.audit.signer import CheckpointSigner, ForkRefused, GuardUnusable, guard_file
from services.audit.tiles import StoredTiles
from shared.runtime.clock import now

log = structlog.get_logger()

PERIOD = 1.0
ARCHIVE_BATCH = 1_000
BEHIND = "log-behind-its-archive"


class Checkpointer:
    """Keeps the log's checkpoints up with its leaves, until `stopping` is set.

    Only one runs at a time: it holds the archive open for writing, and any other waits for it. A tree that does not
    extend what was signed is neither archived nor signed; the alarm is repeated until an operator has put it right.
    """

    def __init__(self, engine: Engine, directory: Path, key: NoteSigner, stopping: threading.Event) -> None:
        self._engine = engine
        self._directory = directory
        self._key = key
        self._stopping = stopping

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                with ArchiveWriter(archive_directory(self._directory)) as archive:
                    self._lead(archive)
            except ArchiveBusy:
                self._stopping.wait(PERIOD)
            except DBAPIError as error:
                log.warning("checkpointing_interrupted", error=type(error).__name__)
                self._stopping.wait(PERIOD)
            except (OSError, ArchiveDamaged, GuardUnusable) as error:
                # These messages were written for the operator, and hold no personal data.
                log.error("checkpointing_stopped", error=type(error).__name__, reason=str(error))
                self._stopping.wait(10 * PERIOD)

    def _lead(self, archive: ArchiveWriter) -> None:
        # What the database holds under a checkpoint was archived: without its files, this log is not a new one.
        with self._engine.connect() as connection:
            begun = max(archive.size(), published_size(connection))
        signer = CheckpointSigner(guard_file(self._directory), self._key, archived=begun)
        while not self._stopping.is_set():
            try:
                with self._engine.begin() as connection:
                    self._checkpoint(connection, archive, signer)
            except ForkRefused as fork:
                if fork.reason == BEHIND:
                    # Also while the archive is being replayed; where it cannot be, the subscription says why.
                    log.warning("log_behind_its_archive")
                else:
                    log.error("fork_refused", reason=fork.reason)
            except DBAPIError as error:
                log.warning("checkpointing_interrupted", error=type(error).__name__)
            self._stopping.wait(PERIOD)

    def _checkpoint(self, connection: Connection, archive: ArchiveWriter, signer: CheckpointSigner) -> None:
        size = int(connection.scalar(text("SELECT size FROM log_head")) or 0)
        last = verify_checkpoint(signer.last, [self._key.verifier])
        if size == last.size == archive.size() == published_size(connection):
            return
        tiles = StoredTiles(connection)
        _require_extension(connection, tiles, size, last, archive)
        self._archive(connection, archive, size)
        path = merkle.consistency_proof(tiles, last.size, size) if 0 < last.size < size else []
        note = signer.sign(size, merkle.root(tiles, size), path)
        connection.execute(
            text("INSERT INTO checkpoints (size, note, signed_at) VALUES (:size, :note, :now) ON CONFLICT DO NOTHING"),
            {"size": size, "note": note, "now": now()},
        )

    def _archive(self, connection: Connection, archive: ArchiveWriter, size: int) -> None:
        while archive.size() < size:
            leaves = connection.scalars(
                text("SELECT leaf FROM leaves WHERE leaf_index >= :first AND leaf_index < :last ORDER BY leaf_index"),
                {"first": archive.size(), "last": min(size, archive.size() + ARCHIVE_BATCH)},
            ).all()
            archive.append(archive.size(), [bytes(leaf) for leaf in leaves])


def _require_extension(
    connection: Connection, tiles: StoredTiles, size: int, last: Checkpoint, archive: ArchiveWriter
) -> None:
    """Refuses a log that does not begin with what was signed and archived, before anything of it can be archived."""
    if size < max(archive.size(), last.size):
        raise ForkRefused(BEHIND, last, size)
    if last.size > 0 and merkle.root(tiles, last.size) != last.root:
        raise ForkRefused("signed-root-differs", last, size)
    if not agrees_with_archive(connection, archive, archive.size()):
        raise ForkRefused("archived-leaf-differs", last, size)
