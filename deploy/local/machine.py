"""What the platforms of one machine share: its packages and its users."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.local.interruption import Interruption


@contextmanager
def changing_the_machine(interruption: Interruption) -> Iterator[None]:
    """Waits for other platforms that change the machine, and keeps them waiting while the block runs.

    Two that start at once on a bare machine miss the same things. The lock lies on the root of the file system, so that
    it needs no file, and ends with the process.
    """
    root = os.open("/", os.O_RDONLY)
    try:
        interruption.wait_until(lambda: _is_locked(root))
        yield
    finally:
        os.close(root)


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
