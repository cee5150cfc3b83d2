"""What an error of a database means for whoever runs into it, by its SQLSTATE.

https://www.postgresql.org/docs/current/errcodes-appendix.html. The one place in which that is decided
(docs/decisions/0045-loops-run-by-one-thing.md).
"""

from __future__ import annotations

from enum import Enum

import psycopg
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, TimeoutError


class Fault(Enum):
    """What to do about an error of the database."""

    LOST = "lost"
    """The connection is gone, or there was none to be had: wait, and come again over another one."""
    FULL = "full"
    """The server is there and has no room: no disk, memory or connection is left. Wait, and tell an operator."""
    CONFLICT = "conflict"
    """Two transactions were in each other's way and this one gave way: done again at once, it has another chance."""
    BUSY = "busy"
    """Somebody else held a lock for longer than one may wait: done again later, it has another chance."""
    SLOW = "slow"
    """The statement took longer than it may. Coming again will not make it faster."""
    OURS = "ours"
    """Something is wrong with what was asked."""


_STATES = {
    Fault.LOST: ("08", "57P", "25P03", "25P04"),  # of the connection, of a server that stops, of a session that idled
    Fault.FULL: ("53", "58"),  # insufficient resources, as 53100 disk full and 53300 too many connections; its system
    Fault.CONFLICT: ("40001", "40P01"),  # serialization failure, deadlock
    Fault.BUSY: ("55P03",),  # lock not available
    Fault.SLOW: ("57014",),  # query cancelled
}
"""The beginnings of SQLSTATEs that mean each."""


def fault_of(error: BaseException) -> Fault | None:
    """Return what an error of the database or of its pool means; None for an error of anything else."""
    if isinstance(error, TimeoutError):
        return Fault.FULL
    if not isinstance(error, DBAPIError | psycopg.Error):
        return None
    state = getattr(error.orig if isinstance(error, DBAPIError) else error, "sqlstate", None)
    dropped = isinstance(error, DBAPIError) and error.connection_invalidated
    if state is None:
        # Nothing was heard of the server: it is not reached, or did not get as far as to say something.
        away = isinstance(error, OperationalError | InterfaceError | psycopg.OperationalError | psycopg.InterfaceError)
        return Fault.LOST if away or dropped else Fault.OURS
    for fault, states in _STATES.items():
        if state.startswith(states):
            return fault
    return Fault.LOST if dropped else Fault.OURS


def is_outage(error: BaseException) -> bool:
    """Return whether the database is away or has no room: nobody's work is to blame, and all of it waits."""
    return fault_of(error) in (Fault.LOST, Fault.FULL)
