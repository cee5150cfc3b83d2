"""Subscriptions: following the feeds of publishers, each event once and in order, whatever the broker does.

A subscription keeps, for each publisher, a cursor that moves in the same transaction as its effects. The queue makes
it fast; the feed makes it right. Whatever is missing, dropped or doubted is read from the publisher's feed, and a
publisher that does not recognise the cursor halts the subscription, because skipping would be a silent hole.

There are two kinds: a *projection*, here, and a *reaction* (`shared.bus.reactions`).
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Protocol
from uuid import UUID

import amqp
import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from shared.bus.actors import Actor
from shared.bus.connection import BROKER_ERRORS, Stopping
from shared.bus.cursors import Cursors
from shared.bus.envelope import NotAnEvent, exchange_name, from_wire
from shared.bus.loops import Interrupted
from shared.bus.rpc import RpcClient
from shared.contracts.problems import Problem
from shared.eventstore.recorded import Recorded
from shared.eventstore.store import START, FeedCursor, FeedEntry
from shared.runtime.faults import Fault, fault_of, is_outage

log = structlog.get_logger()

BATCH = 500
PAGE = 500
LONGEST_IDLE_SECONDS = 5.0
"""While a silence goes on, the publisher is asked seldomer and seldomer, but as often as this."""
HOLD_SECONDS = 1.0
"""So long may messages wait of which none is wanted, so that many share one move of the cursor."""
PRESENT_SECONDS = 5.0
"""So often the cursor is presented even under load, since a publisher that was restored will not say so by itself."""
QUEUE_LENGTH = 50_000
QUEUE_BYTES = 64 * 1024 * 1024
CONFLICTS = 5
"""So often in a row a step may be in the way of other transactions before somebody is told."""


@dataclass(frozen=True)
class Delivery:
    """One event on its way into a subscription."""

    publisher: str
    entry: FeedEntry

    @property
    def recorded(self) -> Recorded:
        return self.entry.recorded


class Subscription(Protocol):
    """What is declared of a subscription."""

    @property
    def name(self) -> str: ...

    @property
    def follows(self) -> tuple[str, ...]:
        """The publishers."""

    @property
    def begins_at_head(self) -> bool:
        """Whether a new subscription begins behind everything there is, rather than before it."""

    def wants(self, event_type: str, /) -> bool:
        """Whether something is done about events of this CloudEvents type, beside moving the cursor."""

    @property
    def idle_seconds(self) -> float:
        """After so long a silence a publisher is asked whether there is really nothing."""

    def recover(self, connection: Connection, /) -> None:
        """Called before following begins and whenever the connection was lost. Raises `Halted` if it must not."""

    def steps(self, entries: Sequence[FeedEntry], /) -> Iterable[Sequence[FeedEntry]]:
        """The same entries, divided into what is applied in one transaction."""

    def apply(self, connection: Connection, deliveries: Sequence[Delivery], /) -> None:
        """Takes consecutive events of one publisher, in feed order; must not commit. Raises `TryAgain`, or `Halted`."""


@dataclass(frozen=True)
class Projection:
    """A subscription that can be replayed from the first event and has no effect outside its own database.

    `recover` may bring the projection's own database back to where it was.
    """

    name: str
    follows: tuple[str, ...]
    apply: Callable[[Connection, Sequence[Delivery]], None]
    recover: Callable[[Connection], None] = lambda connection: None
    begins_at_head: ClassVar[bool] = False
    idle_seconds: ClassVar[float] = 1.0

    def wants(self, event_type: str) -> bool:
        return True

    def steps(self, entries: Sequence[FeedEntry]) -> Iterable[Sequence[FeedEntry]]:
        return [entries]


class Halted(Interrupted):
    """The subscription must not go on: the reason is a stable code for the alarm."""


class TryAgain(Interrupted):
    """The subscription goes on by itself after a pause, from where it is; the reason holds no value of an event."""


class Subscriber:
    """Runs one subscription of one service, until `stopping` is set."""

    def __init__(
        self,
        service: str,
        subscription: Subscription,
        transaction: Callable[[str], AbstractContextManager[Cursors]],
        connect: Callable[..., amqp.Connection],
        rpc: RpcClient,
        stopping: Stopping,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._subscription = subscription
        self._transaction = partial(transaction, subscription.name)
        self._connect = connect
        self._rpc = rpc
        self._stopping = stopping
        self._monotonic = monotonic
        self._received: list[tuple[str, amqp.Message]] = []
        self._held_since: float | None = None
        self._conflicts = 0

    def run(self) -> None:
        """Follows until `stopping` is set. Raises whatever ends it before: it never skips, so it stands where it is.

        The next one goes on from there. What does not pass by itself is kept as the reason why the subscription halted.
        """
        try:
            self._follow()
        except Exception as error:
            reason = self._reason_to_halt(error)
            if reason is not None:
                self._halt(reason)
            raise

    def _reason_to_halt(self, error: Exception) -> str | None:
        """Why this needs somebody; None if it goes on by itself when what was away is back."""
        if isinstance(error, Halted):
            return str(error)
        if isinstance(error, (TryAgain, Problem, *BROKER_ERRORS)) or is_outage(error):
            return None
        if fault_of(error) in (Fault.CONFLICT, Fault.BUSY):
            self._conflicts += 1
            return "handler-conflicts" if self._conflicts >= CONFLICTS else None
        return "handler-failed"

    def _follow(self) -> None:
        """Applies what arrives, catches up with every publisher, and presents its cursors again and again.

        The queue comes first: a publisher that was restored from an older copy has lost what it published last, and
        then nobody else may have it any more.
        """
        self._received.clear()
        self._held_since = None
        with self._transaction() as cursors:
            self._subscription.recover(cursors.connection)
        connection = self._connect(name=f"{self._service} {self._subscription.name}", heartbeat=10)
        try:
            self._consume(connection.channel())
            if self._subscription.begins_at_head:
                for publisher in self._subscription.follows:
                    self._begin_at_head(publisher)
            patience = self._subscription.idle_seconds
            presented = quiet_since = self._monotonic() - patience
            while not self._stopping.is_set():
                if self._gather(connection):
                    self._apply_received(connection)
                    quiet_since, patience = self._monotonic(), self._subscription.idle_seconds
                now = self._monotonic()
                if now - quiet_since >= patience:
                    for publisher in self._subscription.follows:
                        self._catch_up(publisher, connection)
                    presented = quiet_since = self._monotonic()
                    patience = min(2 * patience, LONGEST_IDLE_SECONDS)
                elif now - presented >= PRESENT_SECONDS:
                    for publisher in self._subscription.follows:
                        self._present(publisher)
                    presented = self._monotonic()
                connection.heartbeat_tick()
        finally:
            with contextlib.suppress(*BROKER_ERRORS):
                connection.close()

    def _consume(self, channel: Any) -> None:
        channel.basic_qos(prefetch_size=0, prefetch_count=2 * BATCH, a_global=False)
        for publisher in self._subscription.follows:
            queue = f"{self._service}.{self._subscription.name}.{publisher}"
            exchange = exchange_name(publisher)
            channel.exchange_declare(exchange, "topic", durable=True, auto_delete=False)
            channel.queue_declare(
                queue,
                durable=True,
                auto_delete=False,
                arguments={
                    "x-single-active-consumer": True,
                    "x-max-length": QUEUE_LENGTH,
                    "x-max-length-bytes": QUEUE_BYTES,
                    "x-overflow": "drop-head",
                },
            )
            channel.queue_bind(queue, exchange, routing_key="#")
            channel.basic_consume(queue, callback=partial(self._on_message, publisher))

    def _on_message(self, publisher: str, message: amqp.Message) -> None:
        self._received.append((publisher, message))

    def _begin_at_head(self, publisher: str) -> None:
        """Places a new cursor at the end of the feed. The queue is bound already, so what comes next is in it."""
        with self._transaction() as cursors:
            if cursors.lock(publisher) != START:
                return
        page = self._ask(publisher, START, limit=0)
        last_event = page["head_event"]
        with self._transaction() as cursors:
            if cursors.lock(publisher) == START:
                cursors.begin(publisher, FeedCursor(page["epoch"], page["head"], last_event and UUID(last_event)))

    def _gather(self, connection: amqp.Connection) -> bool:
        """Collects what has arrived, up to a batch; waits briefly only for the first message.

        Answers whether it is to be applied now.
        """
        timeout, known = 0.25, len(self._received)
        while len(self._received) < BATCH:
            try:
                connection.drain_events(timeout=timeout)
            except TimeoutError:
                break
            timeout = 0.0005
        if not self._received:
            return False
        now = self._monotonic()
        self._held_since = self._held_since or now
        return (
            len(self._received) >= BATCH
            or now - self._held_since >= HOLD_SECONDS
            or any(self._is_wanted(publisher, message) for publisher, message in self._received[known:])
        )

    def _is_wanted(self, publisher: str, message: amqp.Message) -> bool:
        return self._subscription.wants(f"okacrm.{publisher}.{message.delivery_info['routing_key']}")

    def _apply_received(self, connection: amqp.Connection) -> None:
        by_publisher: dict[str, list[FeedEntry]] = {}
        for publisher, message in self._received:
            try:
                by_publisher.setdefault(publisher, []).append(from_wire(publisher, _body(message)))
            except NotAnEvent:
                log.warning("foreign_message_dropped", subscription=self._subscription.name, publisher=publisher)
        for publisher, entries in by_publisher.items():
            if not self._advance(publisher, entries) and not self._catch_up(publisher, connection):
                return
        last = self._received[-1][1]
        last.channel.basic_ack(last.delivery_tag, multiple=True)
        self._received.clear()
        self._held_since = None

    def _advance(self, publisher: str, entries: Sequence[FeedEntry], head: int = 0) -> bool:
        """Applies what follows the cursor, step by step; what lies behind it is dropped.

        Answers False, having applied nothing of that step or behind it, if a step does not continue the cursor:
        something is missing, or the publisher tells another story than it did. Only its feed can say which.
        """
        return all(self._take(publisher, step, head) for step in self._subscription.steps(entries))

    def _take(self, publisher: str, entries: Sequence[FeedEntry], head: int) -> bool:
        """Applies one step, in one transaction with the cursor's move."""
        with self._transaction() as cursors:
            cursor = cursors.lock(publisher)
            following = _ahead(cursor, entries)
            if not _continue(cursor, following):
                return False
            if following:
                self._subscription.apply(cursors.connection, [Delivery(publisher, entry) for entry in following])
                cursors.move(publisher, following[-1], head)
        self._conflicts = 0
        return True

    def _catch_up(self, publisher: str, broker: amqp.Connection) -> bool:
        """Presents the cursor to the publisher and applies everything its feed holds beyond it.

        Answers False if a stop came before the end.
        """
        while not self._stopping.is_set():
            with self._transaction() as cursors:
                cursor = cursors.lock(publisher)
            page = self._ask(publisher, cursor)
            entries = [from_wire(publisher, body.encode()) for body in page["entries"]]
            if not entries and page["head"] <= cursor.position:
                with self._transaction() as cursors:
                    cursors.note_head(publisher, page["head"])
                return True
            if not entries or not _continue(cursor, entries):
                raise Halted("feed-has-a-hole")
            # False means that another process moved the cursor meanwhile: ask again from where it is now.
            self._advance(publisher, entries, page["head"])
            broker.heartbeat_tick()
        return False

    def _present(self, publisher: str) -> None:
        """Asks the publisher only whether it knows the cursor; what comes next is on its way through the queue."""
        with self._transaction() as cursors:
            cursor = cursors.lock(publisher)
        page = self._ask(publisher, cursor, limit=0)
        with self._transaction() as cursors:
            cursors.note_head(publisher, page["head"])

    def _ask(self, publisher: str, cursor: FeedCursor, limit: int = PAGE) -> dict[str, Any]:
        try:
            page: dict[str, Any] = self._rpc.call(
                publisher,
                "read_feed",
                {
                    "epoch": cursor.epoch,
                    "position": cursor.position,
                    "event_id": str(cursor.event_id) if cursor.event_id else None,
                    "limit": limit,
                },
                actor=Actor("service", self._service),
                correlation_id=str(uuid.uuid4()),
            )
        except Problem as problem:
            if problem.code == "feed-cursor-unknown":
                raise Halted("publisher-does-not-know-the-cursor") from None
            if problem.code in ("service-unavailable", "outcome-unknown"):
                raise
            raise Halted(f"publisher-refuses: {problem.code}") from None
        return page

    def _halt(self, reason: str) -> None:
        log.error("subscription_halted", subscription=self._subscription.name, reason=reason)
        with contextlib.suppress(DBAPIError), self._transaction() as cursors:
            cursors.halt(reason)


def _ahead(cursor: FeedCursor, entries: Sequence[FeedEntry]) -> list[FeedEntry]:
    """The entries without those at or behind the cursor, or at or behind one that came before: duplicates.

    Also without those of an epoch that is over: what it held beyond the cursor is no part of the feed any more.
    """
    ahead, position = [], cursor.position
    for entry in entries:
        if entry.position > position and entry.epoch >= cursor.epoch:
            ahead.append(entry)
            position = entry.position
    return ahead


def _continue(cursor: FeedCursor, entries: Sequence[FeedEntry]) -> bool:
    """Whether these entries are exactly what comes next: each at the next position, behind the very event before it."""
    position, event_id = cursor.position, cursor.event_id
    for entry in entries:
        if entry.position != position + 1 or entry.previous != event_id:
            return False
        position, event_id = entry.position, entry.recorded.event_id
    return True


def _body(message: amqp.Message) -> bytes:
    body = message.body
    return body.encode() if isinstance(body, str) else body
