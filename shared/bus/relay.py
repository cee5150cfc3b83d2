"""The relay: numbers committed events into the gapless feed, and publishes them in that order.

One relay of a service is active at a time: it holds an advisory lock on the very connection over which it numbers, so
one that was stopped and woke up again cannot number anything. What it may still do is publish twice, which subscribers
drop.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

import amqp
import structlog
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from shared.bus.connection import BROKER_ERRORS, open_connection
from shared.bus.envelope import exchange_name, routing_key, to_wire
from shared.eventstore.recorded import CONTENT_TYPE, Recorded
from shared.eventstore.store import START, FeedCursor, FeedEntry, read_feed

log = structlog.get_logger()

BATCH = 500
SHORTEST_POLL, LONGEST_POLL = 0.005, 0.05
STANDBY_SECONDS = 0.5
CONFIRM_SECONDS = 30.0
"""How long a slow broker may take to confirm a batch; sending it again would only add to its load."""

_PEEK = text("SELECT EXISTS (SELECT FROM outbox), position FROM feed_head")
_NUMBER = text("""
    WITH batch AS (
        SELECT event_id, row_number() OVER (ORDER BY id) AS n FROM outbox ORDER BY id LIMIT :batch
    ), taken AS (
        DELETE FROM outbox USING batch WHERE outbox.event_id = batch.event_id
    ), head AS (
        UPDATE feed_head SET position = position + (SELECT count(*) FROM batch)
        RETURNING epoch, position, position - (SELECT count(*) FROM batch) AS before
    ), numbered AS (
        INSERT INTO feed (position, epoch, event_id) SELECT before + n, epoch, event_id FROM batch, head
    )
    SELECT position FROM head
""")


class Relay:
    """Carries the events of one service from its outbox to its exchange, until `stopping` is set."""

    def __init__(self, service: str, engine: Engine, amqp_url: str, stopping: threading.Event) -> None:
        self._service = service
        self._engine = engine
        self._amqp_url = amqp_url
        self._stopping = stopping
        self._publisher = ConfirmedPublisher(amqp_url, service)

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._engine.connect() as connection:
                    self._lead(connection)
            except (DBAPIError, *BROKER_ERRORS) as error:
                log.warning("relay_interrupted", service=self._service, error=type(error).__name__)
                self._publisher.close()
                self._stopping.wait(STANDBY_SECONDS)
        self._publisher.close()

    def _lead(self, connection: Connection) -> None:
        """Waits for the lock, then relays for as long as the connection that holds it lives."""
        while not self._locked(connection):
            if self._stopping.wait(STANDBY_SECONDS):
                return
        log.info("relay_leads", service=self._service)
        published = int(connection.scalar(text("SELECT published FROM feed_head")) or 0)
        pause = SHORTEST_POLL
        while not self._stopping.is_set():
            self._publisher.connect()
            waiting, head = connection.execute(_PEEK).one()
            if waiting:
                head = connection.scalar(_NUMBER, {"batch": BATCH})
            connection.commit()
            if head > published:
                published = self._publish(connection, published)
                pause = SHORTEST_POLL
            else:
                self._publisher.keep_alive()
                self._stopping.wait(pause)
                pause = min(pause * 2, LONGEST_POLL)

    def _locked(self, connection: Connection) -> bool:
        locked = connection.scalar(text("SELECT pg_try_advisory_lock(hashtextextended('okacrm.relay', 0))"))
        connection.commit()
        return bool(locked)

    def _publish(self, connection: Connection, published: int) -> int:
        """Publishes the next entries behind `published`, and returns how far the confirmed feed now goes."""
        row = connection.execute(
            text("SELECT epoch, position, event_id FROM feed WHERE position = :position"), {"position": published}
        ).first()
        cursor = FeedCursor(row.epoch, row.position, row.event_id) if row else START
        entries = read_feed(connection, cursor, row_limit=BATCH).entries
        connection.commit()
        self._publisher.publish(entries, while_waiting=lambda: _keep_leading(connection))
        last = entries[-1].position
        connection.execute(text("UPDATE feed_head SET published = :last"), {"last": last})
        connection.commit()
        return last


def _keep_leading(connection: Connection) -> None:
    """Says something over the connection that holds the lock, before the server thinks that we have stopped."""
    connection.execute(text("SELECT 1"))
    connection.commit()


class ConfirmedPublisher:
    """Publishes batches of feed entries and waits until the broker has confirmed every one of them."""

    def __init__(self, amqp_url: str, service: str) -> None:
        self._amqp_url = amqp_url
        self._exchange = exchange_name(service)
        self._connection: amqp.Connection | None = None
        self._channel: Any = None
        self._published = 0
        self._unconfirmed: set[int] = set()
        self._refused = False

    def connect(self) -> None:
        """Opens the connection if there is none. Raises one of `BROKER_ERRORS`."""
        if self._connection is not None:
            return
        self._connection = open_connection(self._amqp_url, name=f"relay {self._exchange}", heartbeat=10)
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
            self._channel.basic_publish(message, exchange=self._exchange, routing_key=routing_key(Recorded(entry.body)))
            self._published += 1
            self._unconfirmed.add(self._published)
        deadline = time.monotonic() + CONFIRM_SECONDS
        while self._unconfirmed:
            if self._refused or time.monotonic() >= deadline:
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
