"""Answering in the same time, whatever is the case: a difference would tell what the answer does not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVEN_SECONDS = 0.25
"""Longer than the work that is hidden in it takes on a machine that is not overloaded."""


@contextmanager
def evenly(
    *, monotonic: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> Iterator[None]:
    """Lets what happens inside, also a refusal, come out only after `EVEN_SECONDS`."""
    until = monotonic() + EVEN_SECONDS
    try:
        yield
    finally:
        sleep(max(0.0, until - monotonic()))
