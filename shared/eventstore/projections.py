"""A service's own projections: read models kept in the transaction that appends the events they are made from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from shared.contracts.events import contract_of
from shared.eventstore.recorded import Recorded

Handler = Callable[[Connection, Any, Recorded], None]


class OwnProjections:
    """The handlers of one service, by the type of event they handle.

    A handler gets the typed event, in which personal values may be `ERASED` when it is replayed, and the recorded one,
    from which it takes sealed values to store.
    """

    def __init__(self, *parts: OwnProjections) -> None:
        """Begins with the handlers of `parts`, into which a service with many read models is divided."""
        self._handlers: dict[str, list[Handler]] = {}
        for part in parts:
            for event_type, handlers in part._handlers.items():
                self._handlers.setdefault(event_type, []).extend(handlers)

    def on(self, event_class: type[Any]) -> Callable[[Handler], Handler]:
        """Registers a handler for one type of event."""

        def register(handler: Handler) -> Handler:
            self._handlers.setdefault(contract_of(event_class).type, []).append(handler)
            return handler

        return register

    def project(self, connection: Connection, event: Any, recorded: Recorded) -> None:
        """Brings every read model up to date with one event."""
        for handler in self._handlers.get(recorded.type, []):
            handler(connection, event, recorded)
