"""Parked streams: what a reaction could not do, kept in order until an operator wants it tried again.

Events are kept as the messages that carried them, so their personal values stay sealed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, text

from shared.bus.envelope import from_wire, to_wire
from shared.bus.subscriptions import Delivery

_PARKED = text("""
    SELECT stream FROM parked_streams
    WHERE subscription = :subscription AND publisher = :publisher AND stream = ANY(:streams)
""")
_PARK = text("""
    INSERT INTO parked_streams (subscription, publisher, stream, reason)
    VALUES (:subscription, :publisher, :stream, :reason)
    ON CONFLICT (subscription, publisher, stream) DO UPDATE SET reason = :reason, parked_at = now(), wanted = false
""")
_ADD = text("""
    INSERT INTO parked_events (subscription, publisher, stream, epoch, position, message)
    VALUES (:subscription, :publisher, :stream, :epoch, :position, :message)
""")
_WANTED = text("""
    SELECT publisher, stream FROM parked_streams WHERE subscription = :subscription AND wanted
    ORDER BY parked_at LIMIT 1
""")
_FIRST = text("""
    SELECT message FROM parked_events
    WHERE subscription = :subscription AND publisher = :publisher AND stream = :stream
    ORDER BY epoch, position LIMIT 1
""")
_REMOVE = text("""
    DELETE FROM parked_events
    WHERE subscription = :subscription AND publisher = :publisher AND epoch = :epoch AND position = :position
""")
_RELEASE = text("""
    DELETE FROM parked_streams
    WHERE subscription = :subscription AND publisher = :publisher AND stream = :stream
""")
_WANT = text("""
    UPDATE parked_streams SET wanted = true
    WHERE subscription = :subscription AND (CAST(:stream AS text) IS NULL OR stream = :stream)
""")


@dataclass(frozen=True)
class ParkedStream:
    """A stream that stands still for one subscription."""

    publisher: str
    stream: str


class ParkingLot:
    """The parked streams of one subscription, within one transaction that holds the publisher's cursor."""

    def __init__(self, connection: Connection, subscription: str) -> None:
        self._connection = connection
        self._subscription = subscription

    def parked(self, publisher: str, streams: Iterable[str]) -> set[str]:
        """Those of these streams that are parked."""
        rows = self._connection.scalars(
            _PARKED, {"subscription": self._subscription, "publisher": publisher, "streams": list(set(streams))}
        )
        return set(rows)

    def park(self, stream: ParkedStream, reason: str) -> None:
        """Parks a stream, or keeps one parked that was tried again; the reason holds no value of an event."""
        self._connection.execute(_PARK, {"subscription": self._subscription, **vars(stream), "reason": reason})

    def add(self, delivery: Delivery) -> None:
        """Keeps an event behind those of its stream that are here already."""
        self._connection.execute(_ADD, {**self._place(delivery), "message": to_wire(delivery.entry)})

    def wanted(self) -> ParkedStream | None:
        """A stream that an operator wants tried again; the one that was parked first."""
        row = self._connection.execute(_WANTED, {"subscription": self._subscription}).first()
        return ParkedStream(row.publisher, row.stream) if row else None

    def first(self, stream: ParkedStream) -> Delivery | None:
        """The event that the stream stands at; None if no event of it is left."""
        names = {"subscription": self._subscription, **vars(stream)}
        message = self._connection.scalar(_FIRST, names)
        return None if message is None else Delivery(stream.publisher, from_wire(stream.publisher, bytes(message)))

    def remove(self, delivery: Delivery) -> None:
        """Forgets an event that has had its effect."""
        self._connection.execute(_REMOVE, self._place(delivery))

    def release(self, stream: ParkedStream) -> None:
        """Lets a stream of which no event is left go on."""
        self._connection.execute(_RELEASE, {"subscription": self._subscription, **vars(stream)})

    def _place(self, delivery: Delivery) -> dict[str, object]:
        return {
            "subscription": self._subscription,
            "publisher": delivery.publisher,
            "stream": delivery.recorded.stream,
            "epoch": delivery.entry.epoch,
            "position": delivery.entry.position,
        }


def want_again(connection: Connection, subscription: str, stream: str | None) -> int:
    """Asks for one parked stream of a subscription, or all, to be tried again; says how many were found."""
    return connection.execute(_WANT, {"subscription": subscription, "stream": stream}).rowcount
