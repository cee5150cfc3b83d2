"""Green threads: the one place where a process is made to run on eventlet, and psycopg to get along with it."""

from __future__ import annotations

import os
import select
from collections.abc import Generator
from typing import Any, TypeVar

R = TypeVar("R")

_READ, _WRITE = 1, 2
"""psycopg's own flags for what a connection waits for, and for what it is ready."""


def patch() -> None:
    """Makes this process run on green threads; must come before anything else is imported.

    psycopg's own wait functions block the hub of green threads, and two of them fail under it, so the one that works is
    chosen before psycopg is imported, and checked.
    """
    os.environ["PSYCOPG_WAIT_FUNC"] = "wait_select"
    # Computations off the hub are password hashes, of 64 MiB each: this bounds how many run at once.
    os.environ["EVENTLET_THREADPOOL_SIZE"] = "4"
    # Names are resolved when a connection is opened, and seldom else; a resolver of its own costs each process 7 MB.
    os.environ["EVENTLET_NO_GREENDNS"] = "yes"
    unpatched_poll = select.poll
    import eventlet

    eventlet.monkey_patch()
    from psycopg import waiting

    if waiting.wait is not waiting.wait_select:
        raise RuntimeError("psycopg would block the hub: it was imported before the process was patched")

    def wait(gen: Any, fileno: int, *options: Any, **named: Any) -> Any:
        return waiting.wait_select(_passing_the_hub_by(gen, fileno, unpatched_poll), fileno, *options, **named)

    waiting.wait = wait


def _passing_the_hub_by(gen: Generator[Any, Any, R], fileno: int, new_poll: Any) -> Generator[Any, Any, R]:
    """The same waits, less those that would end at once.

    A socket can nearly always be written to. Asking the operating system costs a microsecond, going to sleep in the hub
    and being woken a hundred; a pipelined command would do so for each of its statements.
    """
    poll = new_poll()
    poll.register(fileno, 0)
    try:
        wanted = next(gen)
        while True:
            poll.modify(fileno, (select.POLLIN if wanted & _READ else 0) | (select.POLLOUT if wanted & _WRITE else 0))
            events = poll.poll(0)
            flags = events[0][1] if events else 0
            ready = (_READ if flags & select.POLLIN else 0) | (_WRITE if flags & select.POLLOUT else 0)
            wanted = gen.send(ready or (yield wanted))
    except StopIteration as finished:
        result: R = finished.value
        return result
