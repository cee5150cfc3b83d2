"""The signer of checkpoints, and the guard that keeps it from ever signing a fork.

The last checkpoint that was signed is kept in a file outside the database. A database restored from an older copy can
therefore not lead the signer to contradict what it once said: it signs only a tree that provably extends that one (C2SP
tlog-checkpoint, "Signatures").
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from services.audit.archive import sync_directory
from services.audit.merkle import EMPTY_ROOT, ProofInvalid, verify_consistency
from services.audit.notes import Checkpoint, NoteInvalid, NoteSigner, Verifier, verify_checkpoint


class ForkRefused(Exception):
    """The tree offered does not extend the one signed last; `reason` is short and stable. Nothing was signed."""

    def __init__(self, reason: str, last: Checkpoint, size: int) -> None:
        super().__init__(f"{reason}: the last signed tree has {last.size} leaves, the one offered has {size}")
        self.reason = reason


class GuardUnusable(Exception):
    """The guard is missing from a log that is not new, or is no checkpoint of it; the message says how to proceed."""


def guard_file(log_directory: Path) -> Path:
    """Where the guard is kept in the log's folder."""
    return log_directory / "guard" / "checkpoint"


class CheckpointSigner:
    """Signs checkpoints of one log, each of which extends all earlier ones.

    `guard` is the file that holds the last signed checkpoint; `key` is named as the log's origin; `retired` are earlier
    keys of the log, one of which may have signed the guard; `archived` is the number of leaves in the archive at this
    moment. A log begins when its archive is empty and it has no guard: the checkpoint of the empty tree is then signed
    at once, so that from the first leaf on a missing guard means a lost one. Open the signer, then, before the first
    leaf is archived. Raises `GuardUnusable`.
    """

    def __init__(self, guard: Path, key: NoteSigner, *, archived: int, retired: Sequence[Verifier] = ()) -> None:
        self._guard = guard
        self._key = key
        self._keys = [key.verifier, *retired]
        guard.parent.mkdir(parents=True, exist_ok=True)
        sync_directory(guard.parent.parent)
        with self._locked():
            if not guard.exists():
                if archived > 0:
                    raise GuardUnusable(
                        f"{guard} is missing although {archived} leaves are archived. Put there, byte for byte, the "
                        "newest checkpoint that was ever published: from the backup of this directory, a witness, an "
                        "evidence bundle or anyone who fetched /v1/audit/log/checkpoint. An older one allows a fork."
                    )
                self._keep(key.sign(Checkpoint(self._origin, 0, EMPTY_ROOT).format()))
            self._last()

    @property
    def last(self) -> str:
        """The checkpoint signed last, as a note; of size 0 in a new log. Raises `GuardUnusable`."""
        note, _ = self._last()
        return note

    def sign(self, size: int, root: bytes, path: Sequence[bytes]) -> str:
        """The signed checkpoint of the tree with this `size` and `root`.

        `path` is the consistency proof from the size of `last` to `size` (`merkle.consistency_proof`). The guard is
        durable before the note is answered, so that a note the world has seen is never forgotten. The tree signed last
        answers the very same note again. Raises `ForkRefused`, `GuardUnusable`, and `OSError` when the disk fails.
        """
        with self._locked():
            note, last = self._last()
            try:
                verify_consistency(last.size, last.root, size, root, path)
            except ProofInvalid as error:
                raise ForkRefused(str(error), last, size) from None
            if size == last.size:
                return note
            note = self._key.sign(Checkpoint(self._origin, size, root).format())
            self._keep(note)
            return note

    @property
    def _origin(self) -> str:
        return self._key.verifier.name

    def _last(self) -> tuple[str, Checkpoint]:
        """The guard, verified. Its name is made durable first, for a crash may have come right after its replacing."""
        sync_directory(self._guard.parent)
        try:
            note = self._guard.read_bytes().decode()
            return note, verify_checkpoint(note, self._keys)
        except (FileNotFoundError, UnicodeDecodeError, NoteInvalid) as error:
            reason = str(error) if isinstance(error, NoteInvalid) else type(error).__name__
            raise GuardUnusable(
                f"{self._guard} is not a checkpoint signed by this log ({reason}). Restore it from its backup, or name "
                "the retired key that signed it."
            ) from None

    def _keep(self, note: str) -> None:
        """Replace the guard: after a crash at any point the file holds the old note or the new one, whole."""
        temporary = self._guard.with_name(self._guard.name + ".new")
        with temporary.open("wb") as file:
            file.write(note.encode())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._guard)
        sync_directory(self._guard.parent)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One signer at a time, so that two processes cannot both extend the same checkpoint."""
        with self._guard.with_name(self._guard.name + ".lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
