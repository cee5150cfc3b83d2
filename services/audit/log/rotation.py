"""Rotating the key that signs checkpoints, as whoever runs the platform does it, beside a log that is running.

Three steps, each the replacing of one file, and each is where a process may die:

1. the file of the private key gets the new key beside the old one;
2. the list beside the guard names the new key first, and up to where the old one signed: now the new one signs;
3. the file of the private key keeps the new key alone.

Between them the log goes on, since its signer takes from the file the key that the list names first.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

from services.audit.log.archive import sync_directory
from services.audit.log.signer import hand_over, listed_keys
from services.audit.tree.notes import NoteSigner, Verifier


class RotationRefused(Exception):
    """The key cannot be rotated; the message says why and what to do about it."""


def rotate(key_file: Path, origin: str, log_directory: Path, *, is_lost: bool = False) -> Verifier:
    """Makes a new key the one that signs, and answers it; finishes a rotation that was interrupted.

    `key_file` holds the private key of the log with this `origin`, unless that `is_lost`: then whatever is in the file
    is replaced. Raises `RotationRefused`, `GuardUnusable`, and `OSError` when the disk fails.
    """
    with key_file.with_name(f".{key_file.name}.lock").open("ab") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        listed = listed_keys(log_directory)
        if not listed:
            raise RotationRefused("The log has signed nothing yet: start the courier of audit first.")
        held = [] if is_lost else NoteSigner.all_from_pem(origin, key_file.read_bytes())
        signing = [key for key in held if key.verifier == listed[0]]
        if not signing and not is_lost:
            raise RotationRefused(f"{key_file} does not hold the key that signs now, {listed[0]}: restore it first.")
        if any(key.verifier in listed[1:] for key in held):
            (successor,) = signing
        else:
            successor = next((key for key in held if key.verifier not in listed), None) or NoteSigner.generate(origin)
            _keep(key_file, [*signing, successor])
            hand_over(log_directory, successor.verifier)
        _keep(key_file, [successor])
        return successor.verifier


def _keep(key_file: Path, keys: Sequence[NoteSigner]) -> None:
    """Replace the file of the private key as a whole, for its owner's eyes only."""
    draft = key_file.with_name(f".{key_file.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(b"".join(key.pem() for key in keys))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(key_file)
    sync_directory(key_file.parent)
