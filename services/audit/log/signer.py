"""The signer of checkpoints, and the guard that keeps it from ever signing a fork.

The last checkpoint that was signed is kept in a file outside the database. A database restored from an older copy can
therefore not lead the signer to contradict what it once said: it signs only a tree that provably extends that one (C2SP
tlog-checkpoint, "Signatures").

Beside it lies the list of the log's keys, newest first, each retired one with the size of the last checkpoint that it
signed. The first of the list signs and no other, so that handing over to a new key is the replacing of one file.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from services.audit.log.archive import sync_directory
from services.audit.tree.merkle import EMPTY_ROOT, ProofInvalid, verify_consistency
from services.audit.tree.notes import (
    Checkpoint,
    NoteInvalid,
    NoteSigner,
    Verifier,
    format_keys,
    parse_keys,
    verify_checkpoint,
)


class ForkRefused(Exception):
    """The tree offered does not extend the one signed last; `reason` is short and stable. Nothing was signed."""

    def __init__(self, reason: str, last: Checkpoint, size: int) -> None:
        super().__init__(f"{reason}: the last signed tree has {last.size} leaves, the one offered has {size}")
        self.reason = reason


class GuardUnusable(Exception):
    """The guard is missing from a log that is not new, or is no checkpoint of it, or the key that signs was not given.

    The message says how to proceed.
    """


class KeyRetired(Exception):
    """Another key took over from the one of this signer, which signed nothing; open another signer with that key."""


def guard_file(log_directory: Path) -> Path:
    """Where the guard is kept in the log's folder."""
    return log_directory / "guard" / "checkpoint"


def keys_file(log_directory: Path) -> Path:
    """Where the keys of the log are listed in its folder."""
    return _keys_beside(guard_file(log_directory))


def listed_keys(log_directory: Path) -> list[Verifier]:
    """The keys of the log, newest first; none before its signer has listed any. Raises `GuardUnusable`."""
    return _read_keys(guard_file(log_directory))


def hand_over(log_directory: Path, successor: Verifier) -> None:
    """Makes `successor` the key that signs from now on, in one step, and retires the one that signed until now.

    A signer at work notices at its next checkpoint. Raises `GuardUnusable`.
    """
    guard = guard_file(log_directory)
    with _locked(guard):
        keys = _read_keys(guard)
        _, last = _read_guard(guard, keys)
        retiring, *retired = keys
        _list_keys(guard, [successor, retiring.retired(last.size), *retired])


class CheckpointSigner:
    """Signs checkpoints of one log, each of which extends all earlier ones.

    `guard` is the file that holds the last signed checkpoint; `keys` are named as the log's origin, and of them the one
    signs that the list beside the guard names first, until another takes over; `archived` is the number of leaves in
    the archive at this moment. A log begins when its archive is empty and it has no guard: the checkpoint of the empty
    tree is then signed at once, with the first key, so that from the first leaf on a missing guard means a lost one.
    Open the signer, then, before the first leaf is archived. Raises `GuardUnusable`.
    """

    def __init__(self, guard: Path, *keys: NoteSigner, archived: int) -> None:
        self._guard = guard
        self._given = keys
        guard.parent.mkdir(parents=True, exist_ok=True)
        sync_directory(guard.parent.parent)
        with _locked(guard):
            if not guard.exists():
                if archived > 0:
                    raise GuardUnusable(
                        f"{guard} is missing although {archived} leaves are archived. Put there, byte for byte, the "
                        "newest checkpoint that was ever published: from the backup of this directory, a witness, an "
                        "evidence bundle or anyone who fetched /v1/audit/log/checkpoint. An older one allows a fork."
                    )
                self._begin()
            elif not _keys_beside(guard).exists():
                _list_keys(guard, [self._signer_of_guard()])
            self._key = self._listed_first()
            _read_guard(guard, self.keys)

    @property
    def keys(self) -> list[Verifier]:
        """All keys of the log, newest first. Raises `GuardUnusable`."""
        return _read_keys(self._guard)

    @property
    def last(self) -> str:
        """The checkpoint signed last, as a note; of size 0 in a new log. Raises `GuardUnusable`."""
        note, _ = _read_guard(self._guard, self.keys)
        return note

    @property
    def last_checkpoint(self) -> Checkpoint:
        """What `last` commits to. Raises `GuardUnusable`."""
        _, checkpoint = _read_guard(self._guard, self.keys)
        return checkpoint

    @property
    def awaits_first_signature(self) -> bool:
        """Whether the newest key has signed nothing yet. Raises `GuardUnusable`."""
        newest, *earlier = self.keys
        return bool(earlier) and not _is_signed_by(self.last, newest)

    def sign(self, size: int, root: bytes, path: Sequence[bytes]) -> str:
        """The signed checkpoint of the tree with this `size` and `root`.

        `path` is the consistency proof from the size of `last` to `size` (`merkle.consistency_proof`). The guard is
        durable before the note is answered, so that a note the world has seen is never forgotten. The tree signed last
        answers the very same note again. Raises `ForkRefused`, `KeyRetired`, `GuardUnusable`, and `OSError` when the
        disk fails.
        """
        with _locked(self._guard):
            keys = self.keys
            if keys[0] != self._key.verifier:
                raise KeyRetired(f"the log is signed with the key {keys[0]} now")
            note, last = _read_guard(self._guard, keys)
            try:
                verify_consistency(last.size, last.root, size, root, path)
            except ProofInvalid as error:
                raise ForkRefused(str(error), last, size) from None
            if size == last.size:
                return note
            note = self._key.sign(Checkpoint(self._key.verifier.name, size, root).format())
            _replace(self._guard, note)
            return note

    def _listed_first(self) -> NoteSigner:
        listed = self.keys[0]
        for key in self._given:
            if key.verifier == listed:
                return key
        raise GuardUnusable(
            f"The log is signed with the key {listed}, and that private key was not given. Restore its file from its "
            "backup; where the key is lost for good, let another take over: okacrm audit rotate-key --lost."
        )

    def _begin(self) -> None:
        first = self._given[0]
        _list_keys(self._guard, [first.verifier])
        _replace(self._guard, first.sign(Checkpoint(first.verifier.name, 0, EMPTY_ROOT).format()))

    def _signer_of_guard(self) -> Verifier:
        """Which key signed the guard of a log that lists no keys yet."""
        note, _ = _read_guard(self._guard, [key.verifier for key in self._given])
        return next(key.verifier for key in self._given if _is_signed_by(note, key.verifier))


def _keys_beside(guard: Path) -> Path:
    return guard.with_name("keys")


def _read_keys(guard: Path) -> list[Verifier]:
    path = _keys_beside(guard)
    try:
        return parse_keys(path.read_text("utf-8"))
    except FileNotFoundError:
        return []
    except (UnicodeDecodeError, NoteInvalid) as error:
        reason = str(error) if isinstance(error, NoteInvalid) else type(error).__name__
        raise GuardUnusable(f"{path} is not a list of the log's keys ({reason}). Restore it from its backup.") from None


def _list_keys(guard: Path, keys: Sequence[Verifier]) -> None:
    _replace(_keys_beside(guard), format_keys(keys))


def _read_guard(guard: Path, keys: Sequence[Verifier]) -> tuple[str, Checkpoint]:
    """The guard, verified. Its name is made durable first, for a crash may have come right after its replacing."""
    sync_directory(guard.parent)
    try:
        note = guard.read_bytes().decode()
        return note, verify_checkpoint(note, keys)
    except (FileNotFoundError, UnicodeDecodeError, NoteInvalid) as error:
        reason = str(error) if isinstance(error, NoteInvalid) else type(error).__name__
        raise GuardUnusable(
            f"{guard} is not a checkpoint signed by this log ({reason}). Restore it, and the list of keys beside it, "
            "from their backup."
        ) from None


def _is_signed_by(note: str, key: Verifier) -> bool:
    try:
        verify_checkpoint(note, [key])
    except NoteInvalid:
        return False
    return True


def _replace(path: Path, content: str) -> None:
    """Replace a file: after a crash at any point it holds what it held or what it should, whole."""
    temporary = path.with_name(path.name + ".new")
    with temporary.open("wb") as file:
        file.write(content.encode())
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_directory(path.parent)


@contextmanager
def _locked(guard: Path) -> Iterator[None]:
    """One signer at a time, so that two processes cannot both extend the same checkpoint, nor a retired key sign."""
    with guard.with_name(guard.name + ".lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
