"""Who is connected: bounded in all and per address."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from socket import SHUT_RDWR
from typing import Any

from eventlet import wsgi

from gateway.perimeter import Perimeter

MOST = 2000
MOST_OF_ONE_ADDRESS = 100


class Connections:
    """The connections of one process. When all room is taken, the oldest that is idle has to go."""

    def __init__(self, perimeter: Perimeter) -> None:
        self._perimeter = perimeter
        self._states: dict[int, list[Any]] = {}
        """Address, socket and state of each, in the form that eventlet's server works on; oldest first."""
        self._of_address: Counter[str] = Counter()

    def __bool__(self) -> bool:
        return bool(self._states)

    def take(self, connection: Any, address: tuple[Any, ...]) -> list[Any] | None:
        """The state of a connection that was accepted, which takes its room from now on; None if there is no room.

        A trusted proxy stands for many people, and is not bounded by itself.
        """
        if self._of_address[address[0]] >= MOST_OF_ONE_ADDRESS and not self._perimeter.trusts(address[0]):
            return None
        if len(self._states) >= MOST and not self._close_one_that_is_idle():
            return None
        state = self._states[id(connection)] = [address, connection, wsgi.STATE_IDLE]
        self._of_address[address[0]] += 1
        return state

    def remove(self, state: list[Any]) -> None:
        (address, *_), connection, _ = state
        del self._states[id(connection)]
        self._of_address[address] -= 1
        if not self._of_address[address]:
            del self._of_address[address]

    def close_idle(self) -> None:
        for state in list(self._states.values()):
            if state[2] == wsgi.STATE_IDLE:
                _shut(state[1])

    def _close_one_that_is_idle(self) -> bool:
        for state in self._states.values():
            if state[2] == wsgi.STATE_IDLE:
                state[2] = wsgi.STATE_CLOSE
                _shut(state[1])
                return True
        return False


def _shut(connection: Any) -> None:
    with suppress(OSError):
        connection.shutdown(SHUT_RDWR)
