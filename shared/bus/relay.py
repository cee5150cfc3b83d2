"""The relay: numbers committed events into the gapless feed, and publishes them in that order.

One relay of a service is active at a time: it holds an advisory lock on the very connection over which it numbers, so
one that was stopped and woke up again cannot number anything. What it may still do is publish twice, which subscribers
drop.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import amqp
import structlog

from shared.bus.connection import BROKER_ERRORS, Stopping
from shared.bus.envelope import exchange_name, routing_key, to_wire
from shared.bus.outbox import Outbox
from shared.contracts.events import CONTENT_TYPE
from shared.eventstore.store import FeedEntry

log = structlog.get_logger()

BATCH = 500
SHORTEST_POLL, LONGEST_POLL, POLL_GROWTH = 0.04, 0.2, 1.05
"""Between two batches that are not full: what came meanwhile shares one numbering, one confirm and one transaction of
every subscriber. The longest is reached after some four seconds in which nothing came."""
STANDBY_SECONDS = 0.5
CONFIRM_SECONDS = 30.0
"""How long a slow broker may take to confirm a batch; sending it again would only add to its load."""


class Relay:
    """Carries the events of one service from its outbox to its exchange, until `stopping` is set."""

    def __init__(
        self,
        service: str,
        sessions: Callable[[], AbstractContextManager[Outbox]],
        connect: Callable[..., amqp.Connection],
        stopping: Stopping,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._sessions = sessions
        self._stopping = stopping
        self._publisher = ConfirmedPublisher(service, connect, monotonic)

    def run(self) -> None:
        """Relays until `stopping` is set. Raises whatever ends it before; the next one begins anew."""
        try:
            with self._sessions() as outbox:
                self._lead(outbox)
        finally:
            self._publisher.close()

    def _lead(self, outbox: Outbox) -> None:
        """Waits for the lead, then relays for as long as the session that has it lives."""
        while not outbox.lead():
            if self._stopping.wait(STANDBY_SECONDS):
                return
        log.info("relay_leads", service=self._service)
        published = outbox.published()
        pause = SHORTEST_POLL
        while not self._stopping.is_set():
            self._publisher.connect()
            if outbox.number(BATCH) > published:
                behind, published = published, self._publish(outbox, published)
                if published - behind >= BATCH:
                    continue
                pause = SHORTEST_POLL
            else:
                self._publisher.keep_alive()
                pause = min(pause * POLL_GROWTH, LONGEST_POLL)
            self._stopping.wait(pause)

    def _publish(self, outbox: Outbox, published: int) -> int:
        """Publishes the next entries behind `published`, and returns how far the confirmed feed now goes."""
        entries = outbox.entries_after(published, BATCH)
        self._publisher.publish(entries, while_waiting=outbox.keep_leading)
        outbox.note_published(entries[-1].position)
        return entries[-1].position


class ConfirmedPublisher:
    """Publishes batches of feed entries and waits until the broker has confirmed every one of them."""

    def __init__(
        self, service: str, connect: Callable[..., amqp.Connection], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._exchange = exchange_name(service)
        self._connect = connect
        self._monotonic = monotonic
        self._connection: amqp.Connection | None = None
        self._channel: Any = None
        self._published = 0
        self._unconfirmed: set[int] = set()
        self._refused = False

    def connect(self) -> None:
        """Opens the connection if there is none. Raises one of `BROKER_ERRORS`."""
        if self._connection is not None:
            return
        self._connection = self._connect(name=f"relay {self._exchange}", heartbeat=10)
        self._channel = self._connection.channel()
        self._channel.exchange_declare(self._exchange, "topic", durable=True, auto_delete=False)
        self._channel.confirm_select()
        self._channel.events["basic_ack"].add(self._on_ack)
        self._channel.events["basic_nack"].add(self._on_nack)
        self._published = 0
        self._unconfirmed.clear()
        self._refused = False

    def publish(self, entries: tuple[FeedEntry, ...], *, while_waiting: Callable[[], None]) -> None:
        """Returns once all are confirmed. Raises one of `BROKER_ERRORS` otherwise; some may then have arrived.

        `while_waiting` is called about once a second.
        """
        for entry in entries:
            message = amqp.Message(to_wire(entry), content_type=CONTENT_TYPE, content_encoding="utf-8", delivery_mode=2)
            self._channel.basic_publish(message, exchange=self._exchange, routing_key=routing_key(entry.recorded))
            self._published += 1
            self._unconfirmed.add(self._published)
        deadline = self._monotonic() + CONFIRM_SECONDS
        while self._unconfirmed:
            if self._refused or self._monotonic() >= deadline:
                raise ConnectionError("the broker did not confirm a batch of events")
            assert self._connection is not None
            try:
                self._connection.drain_events(timeout=1)
            except TimeoutError:
                while_waiting()

    def keep_alive(self) -> None:
        """Reads what the broker sent and sends the heartbeat that is due."""
        if self._connection is not None:
            with contextlib.suppress(TimeoutError):
                self._connection.drain_events(timeout=0.0001)
            self._connection.heartbeat_tick()

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*BROKER_ERRORS):
                connection.close()

    def _on_ack(self, delivery_tag: int, multiple: bool) -> None:
        if multiple:
            self._unconfirmed = {tag for tag in self._unconfirmed if tag > delivery_tag}
        else:
            self._unconfirmed.discard(delivery_tag)

    def _on_nack(self, delivery_tag: int, multiple: bool) -> None:
        self._refused = True
