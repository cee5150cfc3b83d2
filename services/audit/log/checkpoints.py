"""Checkpointing: archive the new leaves, sign the grown tree, publish the note. About once a second.

The order is the promise: leaves are durable in the archive before a checkpoint over them is signed, the signer's guard
is durable before the note leaves it, the note is kept in a file, and in the database it is last. A key that has taken
over signs first a tree that holds the record of its taking over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import structlog
from sqlalchemy import Connection, Engine, text

from services.audit.log.aggregate import KeyRotation
from services.audit.log.agreement import agrees_with_archive
from services.audit.log.archive import ArchiveBusy, ArchiveDamaged, ArchiveWriter, archive_directory
from services.audit.log.kept_checkpoints import CheckpointKeeper
from services.audit.log.queries import log_keys, published_size
from services.audit.log.signer import CheckpointSigner, ForkRefused, GuardUnusable, KeyRetired, guard_file
from services.audit.log.tiles import StoredTiles
from services.audit.tree import merkle
from services.audit.tree.notes import Checkpoint, NoteSigner, Verifier
from shared.eventstore.work import EventStore, Outcome, UnitOfWork
from shared.runtime.clock import now
from shared.service.wiring import service_command

log = structlog.get_logger()

PERIOD = 1.0
ARCHIVE_BATCH = 1_000
BEHIND = "log-behind-its-archive"


class Checkpointer:
    """Keeps the log's checkpoints up with its leaves, until `stopping` is set.

    Only one runs at a time: it holds the archive open for writing, and any other waits for it. A tree that does not
    extend what was signed is neither archived nor signed; the alarm is repeated until an operator has put it right.
    `read_keys` answers the private keys, and is asked again when another key has taken over; that it has is recorded in
    `store`. `first_key` is the key that the log began with, to which its readers hold.
    """

    def __init__(
        self,
        engine: Engine,
        store: EventStore,
        directory: Path,
        read_keys: Callable[[], Sequence[NoteSigner]],
        first_key: Verifier,
        stopping: threading.Event,
    ) -> None:
        self._engine = engine
        self._store = store
        self._directory = directory
        self._read_keys = read_keys
        self._first_key = first_key
        self._stopping = stopping

    def run(self) -> None:
        """Signs until `stopping` is set, another one holds the archive, or another key has taken over.

        Raises whatever else ends it; the next one begins anew.
        """
        try:
            with (
                ArchiveWriter(archive_directory(self._directory)) as archive,
                CheckpointKeeper(self._directory) as kept,
            ):
                self._lead(archive, kept)
        except ArchiveBusy:
            return
        except KeyRetired:
            log.info("checkpoint_key_changed")
        except (OSError, ArchiveDamaged, GuardUnusable) as error:
            # These messages were written for the operator, and hold no personal data.
            log.error("checkpointing_stopped", error=type(error).__name__, reason=str(error))
            raise

    def _lead(self, archive: ArchiveWriter, kept: CheckpointKeeper) -> None:
        # What the database holds under a checkpoint was archived: without its files, this log is not a new one.
        with self._engine.connect() as connection:
            begun = max(archive.size(), published_size(connection))
            kept.begin_with(connection)
        signer = CheckpointSigner(guard_file(self._directory), *self._read_keys(), archived=begun)
        if signer.keys[-1] != self._first_key:
            raise GuardUnusable(
                f"The log began with the key {signer.keys[-1]}, and the public key that was given is "
                f"{self._first_key}. Restore its file from its backup."
            )
        while not self._stopping.is_set():
            try:
                with self._engine.begin() as connection:
                    self._checkpoint(connection, archive, kept, signer)
            except ForkRefused as fork:
                if fork.reason == BEHIND:
                    # Also while the archive is being replayed; where it cannot be, the subscription says why.
                    log.warning("log_behind_its_archive")
                else:
                    log.error("fork_refused", reason=fork.reason)
            self._stopping.wait(PERIOD)

    def _checkpoint(
        self, connection: Connection, archive: ArchiveWriter, kept: CheckpointKeeper, signer: CheckpointSigner
    ) -> None:
        # Asked before the size is read, so that the tree of that size holds what was found.
        is_told = not signer.awaits_first_signature or _tells_of(connection, signer.keys)
        size = int(connection.scalar(text("SELECT size FROM log_head")) or 0)
        last = signer.last_checkpoint
        kept.keep(signer.last)
        if is_told and size == last.size == archive.size() == published_size(connection):
            return
        tiles = StoredTiles(connection)
        _require_extension(connection, tiles, size, last, archive)
        if not is_told:
            self._record_rotations(signer.keys)
            return
        self._archive(connection, archive, size)
        path = merkle.consistency_proof(tiles, last.size, size) if 0 < last.size < size else []
        kept.keep(signer.sign(size, merkle.root(tiles, size), path))
        kept.publish(connection, now())

    def _record_rotations(self, keys: Sequence[Verifier]) -> None:
        """Puts on record whatever is not yet; the log, which is whole here, gave back what was before a restore."""
        for new, old in reversed(list(pairwise(keys))):
            _record_rotation(self._store, old, new)

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
    if size < archive.size():
        raise ForkRefused(BEHIND, last, size)
    if size < last.size:
        raise ForkRefused("log-lacks-what-was-signed", last, size)
    if last.size > 0 and merkle.root(tiles, last.size) != last.root:
        raise ForkRefused("signed-root-differs", last, size)
    if not agrees_with_archive(connection, archive, archive.size()):
        raise ForkRefused("archived-leaf-differs", last, size)


def _tells_of(connection: Connection, keys: Sequence[Verifier]) -> bool:
    """Whether the log tells that the newest of these keys, of which the last is the one it began with, took over."""
    return log_keys(connection, keys[-1])[0] == keys[0]


def _record_rotation(store: EventStore, old: Verifier, new: Verifier) -> None:
    """Puts on record, once, that a key took over from another, which signed up to where it says."""
    signed_up_to = old.signed_up_to
    assert signed_up_to is not None, "a key that another took over from is retired"
    rotation_id = KeyRotation.id_of(str(new))

    def record(work: UnitOfWork) -> Outcome:
        rotation = work.load(KeyRotation, rotation_id)
        work.record(rotation, rotation.record(str(old), str(new), signed_up_to=signed_up_to, now=work.now))
        return {"rotation_id": str(rotation_id)}

    store.perform(service_command("audit", "record_key_rotation", rotation_id, str(rotation_id)), record)
