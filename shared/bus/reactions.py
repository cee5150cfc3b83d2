"""Reactions: subscriptions that do something in the world because of an event, such as sending a mail.

Unlike a projection, a reaction begins with what happens after it came to be, and one event that it cannot cope with
does not stop it: after some attempts the *stream* of that event is parked, so that nothing of it is done out of order,
and the other streams go on. What an operator wants tried again is taken up where its stream stood.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import ClassVar
from uuid import UUID

import structlog
from sqlalchemy import Connection

from shared.bus.cursors import Cursors
from shared.bus.parking import ParkedStream, ParkingLot
from shared.bus.subscriptions import Delivery, TryAgain
from shared.contracts.problems import Problem
from shared.eventstore.store import FeedEntry
from shared.runtime.faults import is_outage

log = structlog.get_logger()

ATTEMPTS = 5
"""How often an event is tried before its stream is parked; between attempts the pauses of its loop grow."""
RETRY_POLL = 5.0
"""How often the table is looked at for what an operator wants tried again."""

Handler = Callable[[Connection, Delivery], None]


class OutsideAway(Exception):
    """What a handler needs outside its database is away. No event is to blame, so the whole reaction waits for it."""


class Reaction:
    """Handles events of some types, each in a transaction with the cursor's move.

    A handler must not commit. Whatever it raises undoes what it did and counts as a failed attempt, except for an
    outage: `OutsideAway`, a database that is lost or full, or a `Problem` that says that a service is away. Attempts
    are counted in this process.
    """

    begins_at_head: ClassVar[bool] = True
    idle_seconds: ClassVar[float] = 5.0

    def __init__(self, name: str, follows: tuple[str, ...], handlers: Mapping[str, Handler]) -> None:
        """`handlers` are by the CloudEvents type of the events that they handle."""
        self.name = name
        self.follows = follows
        self._handlers = handlers
        self._failures: Counter[UUID] = Counter()

    def wants(self, event_type: str) -> bool:
        return event_type in self._handlers

    def recover(self, connection: Connection) -> None:
        """Nothing: what a reaction has done cannot be made out again from anything else."""

    def steps(self, entries: Sequence[FeedEntry]) -> Iterator[Sequence[FeedEntry]]:
        """One event to be handled at a time; what is of no interest only moves the cursor, and goes with the next."""
        step: list[FeedEntry] = []
        for entry in entries:
            step.append(entry)
            if self.wants(entry.recorded.type):
                yield step
                step = []
        if step:
            yield step

    def apply(self, connection: Connection, deliveries: Sequence[Delivery]) -> None:
        """Handles events, or parks those of streams that are parked. Raises `TryAgain` after an attempt that failed."""
        lot = ParkingLot(connection, self.name)
        streams = [each.recorded.stream for each in deliveries]
        parked = lot.parked(deliveries[0].publisher, streams)
        for delivery in deliveries:
            if delivery.recorded.stream in parked:
                lot.add(delivery)
            elif (error := self.attempt(connection, delivery)) is None:
                self._failures.pop(delivery.recorded.event_id, None)
            else:
                self._count_failure(delivery, error)
                lot.park(ParkedStream(delivery.publisher, delivery.recorded.stream), type(error).__name__)
                lot.add(delivery)

    def attempt(self, connection: Connection, delivery: Delivery) -> Exception | None:
        """Handles one event, if it is of interest; returns the error if that failed and was undone.

        Raises `TryAgain` in an outage.
        """
        handler = self._handlers.get(delivery.recorded.type)
        if handler is None:
            return None
        try:
            with connection.begin_nested():
                handler(connection, delivery)
        except Exception as error:
            if _is_outage(error):
                raise TryAgain(f"outage: {type(error).__name__}") from error
            return error
        return None

    def _count_failure(self, delivery: Delivery, error: Exception) -> None:
        """Returns when there have been enough attempts. Raises `TryAgain` before."""
        event_id = delivery.recorded.event_id
        self._failures[event_id] += 1
        if self._failures[event_id] < ATTEMPTS:
            raise TryAgain(f"attempt {self._failures[event_id]} of {ATTEMPTS}: {type(error).__name__}") from error
        del self._failures[event_id]
        log.error("stream_parked", subscription=self.name, stream=delivery.recorded.stream, exc_info=error)


class Retrier:
    """Tries parked streams of a reaction again that an operator wants tried.

    Each event is tried once. The cursor is locked meanwhile, so nothing joins a stream unseen while it is released.
    """

    def __init__(
        self,
        reaction: Reaction,
        transaction: Callable[[str], AbstractContextManager[Cursors]],
    ) -> None:
        self._reaction = reaction
        self._transaction = partial(transaction, reaction.name)

    def retry_one(self) -> bool:
        """Tries the event at which a wanted stream stands; False if none is wanted. Raises `TryAgain` in an outage."""
        with self._transaction() as cursors:
            stream = ParkingLot(cursors.connection, self._reaction.name).wanted()
        if stream is None:
            return False
        with self._transaction() as cursors:
            cursors.lock(stream.publisher)
            self._retry(cursors.connection, stream)
        return True

    def _retry(self, connection: Connection, stream: ParkedStream) -> None:
        lot = ParkingLot(connection, self._reaction.name)
        delivery = lot.first(stream)
        if delivery is None:
            lot.release(stream)
            log.info("stream_released", subscription=self._reaction.name, stream=stream.stream)
        elif (error := self._reaction.attempt(connection, delivery)) is not None:
            lot.park(stream, type(error).__name__)
            log.error("stream_parked", subscription=self._reaction.name, stream=stream.stream, exc_info=error)
        else:
            lot.remove(delivery)


def _is_outage(error: Exception) -> bool:
    away = isinstance(error, Problem) and error.code in ("service-unavailable", "outcome-unknown")
    return away or isinstance(error, OutsideAway) or is_outage(error)
