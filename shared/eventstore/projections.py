"""A service's own projections: read models kept in the transaction that appends the events they are made from.

Whatever a handler does is done again when its read model is rebuilt (`shared.eventstore.rebuilding`). So it writes the
tables of its projection and no other, and what does not follow from events is no table of a projection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from shared.contracts.events import contract_of
from shared.eventstore.recorded import Recorded

Handler = Callable[[Connection, Any, Recorded], None]


class OwnProjection:
    """One read model: its name, the tables that are its own, and the handlers by the type of event they handle.

    A handler gets the typed event, in which every personal value is `ERASED` when it is replayed, and the recorded one,
    from which it takes sealed values to store. It asks the database for nothing, since what it writes travels in one
    flight with the commit.
    """

    def __init__(self, name: str, *tables: str) -> None:
        self.name = name
        self.tables = tables
        self._handlers: dict[str, list[Handler]] = {}

    @property
    def types(self) -> frozenset[str]:
        """The types of event that change it."""
        return frozenset(self._handlers)

    def on(self, event_class: type[Any]) -> Callable[[Handler], Handler]:
        """Register a handler for one type of event."""

        def register(handler: Handler) -> Handler:
            self._handlers.setdefault(contract_of(event_class).type, []).append(handler)
            return handler

        return register

    def project(self, connection: Connection, event: Any, recorded: Recorded) -> None:
        """Bring the read model up to date with one event."""
        for handler in self._handlers.get(recorded.type, ()):
            handler(connection, event, recorded)


class OwnProjections:
    """All read models of one service. Raises `ValueError` if two have one name, or if two have one table."""

    def __init__(self, *parts: OwnProjection) -> None:
        self.parts = parts
        _must_differ([part.name for part in parts])
        _must_differ([table for part in parts for table in part.tables])

    def project(self, connection: Connection, event: Any, recorded: Recorded) -> None:
        """Bring every read model up to date with one event."""
        for part in self.parts:
            part.project(connection, event, recorded)


def _must_differ(words: list[str]) -> None:
    twice = sorted({word for word in words if words.count(word) > 1})
    if twice:
        raise ValueError(f"belongs to two projections: {', '.join(twice)}")
