"""A broker in memory, as far as py-amqp is used: connections, confirms, durable queues, a single active consumer.

A message may be dropped, doubled, delayed (and so overtaken), refused or not confirmed; a queue may be purged, and all
connections may go. What was delivered and not acknowledged comes again.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import amqp

from tests.simulation.world import STEP, Actor, World

DROP, TWICE, LATE, NACK, UNCONFIRMED = "drop", "twice", "late", "nack", "unconfirmed"


@dataclass(frozen=True)
class MessageFault:
    """What the broker does with the n-th message that it gets."""

    nth: int
    kind: str
    seconds: float


@dataclass(order=True)
class Queued:
    """A message in a queue, from a moment on."""

    at: float
    order: int
    routing_key: str = field(compare=False)
    body: bytes = field(compare=False)


@dataclass
class Delivered:
    """What a consumer gets to see of an `amqp.Message`."""

    body: bytes
    delivery_tag: int
    channel: Channel
    queued: Queued

    @property
    def delivery_info(self) -> dict[str, str]:
        return {"routing_key": self.queued.routing_key}


class Queue:
    def __init__(self, name: str) -> None:
        self.name = name
        self.messages: list[Queued] = []
        self.unacknowledged = 0
        self.consumers: list[tuple[Channel, Callable[[Any], None]]] = []

    def active(self) -> Channel | None:
        return self.consumers[0][0] if self.consumers else None


class Broker:
    """The node: exchanges, queues, and what happens to messages."""

    def __init__(self, world: World, faults: list[MessageFault]) -> None:
        self.world = world
        self.queues: dict[str, Queue] = {}
        self.connections: list[Connection] = []
        self.on_publish: Callable[[str, bytes], None] = lambda who, body: None
        self.on_ack: Callable[[list[bytes]], None] = lambda bodies: None
        self._bindings: dict[str, list[Queue]] = {}
        self._faults = {fault.nth: fault for fault in reversed(faults)}
        self._count: Counter[str] = Counter()

    def connect(self, actor: Actor) -> Callable[..., Connection]:
        """What stands in for `open_connection` in one process."""

        def connect(*, name: str, heartbeat: int = 0) -> Connection:
            connection = Connection(self, actor)
            actor.call("connect", connection, lambda: None)
            self.connections.append(connection)
            actor.lines.append(connection)
            return connection

        return connect

    def restart(self) -> None:
        for connection in list(self.connections):
            connection.lose()

    def purge(self) -> None:
        for queue in self.queues.values():
            queue.messages.clear()

    def empty(self) -> bool:
        return not any(queue.messages or queue.unacknowledged for queue in self.queues.values())

    def bind(self, queue: str, exchange: str) -> None:
        bound = self._bindings.setdefault(exchange, [])
        if self.queues[queue] not in bound:
            bound.append(self.queues[queue])

    def take(self, who: str, exchange: str, routing_key: str, body: bytes) -> MessageFault | None:
        """Routes a message, and returns the fault it meets."""
        self.on_publish(who, body)
        self._count["messages"] += 1
        fault = self._faults.pop(self._count["messages"], None)
        kind = fault.kind if fault else ""
        if fault is not None:
            self.world.tell("broker", f"message {fault.nth}: {kind}, {fault.seconds:g} s")
        if kind in (DROP, NACK):
            return fault
        now = self.world.now
        for queue in self._bindings.get(exchange, []):
            if kind != LATE:
                self.put(queue, now, routing_key, body)
            if fault is not None and kind in (LATE, TWICE):
                self.put(queue, now + fault.seconds, routing_key, body)
        return fault

    def put(self, queue: Queue, at: float, routing_key: str, body: bytes) -> None:
        self._count["order"] += 1
        insort(queue.messages, Queued(at, self._count["order"], routing_key, body))
        self.wake(queue)

    def wake(self, queue: Queue) -> None:
        active = queue.active()
        if active is not None and queue.messages:
            active.connection.wake(queue.messages[0].at)


class Connection:
    """One client's connection, with the calls of `amqp.Connection` that are used."""

    def __init__(self, broker: Broker, actor: Actor) -> None:
        self.broker, self.actor = broker, actor
        self.lost = False
        self.channels: list[Channel] = []
        self.confirms: list[tuple[float, Callable[[], None]]] = []

    def channel(self) -> Channel:
        self.check()
        self.channels.append(Channel(self))
        return self.channels[-1]

    def drain_events(self, timeout: float) -> None:
        deadline = self.broker.world.now + timeout
        while True:
            self._await(deadline)
            if self._dispatch():
                return
            if self.broker.world.now >= deadline:
                raise TimeoutError

    def heartbeat_tick(self) -> None:
        self.check()

    def close(self) -> None:
        self.actor.pause("close")
        self.lose()

    def check(self) -> None:
        if self.lost:
            raise amqp.RecoverableConnectionError("connection lost")

    def lose(self) -> None:
        if self.lost:
            return
        self.lost = True
        if self in self.broker.connections:
            self.broker.connections.remove(self)
        for channel in self.channels:
            channel.end()
        self.wake(0.0)

    def wake(self, at: float) -> None:
        """Ends the client's waiting when something comes."""
        if self.actor.waits:
            self.actor.wake = min(self.actor.wake, max(at, self.broker.world.now))

    def _await(self, deadline: float) -> None:
        now = self.broker.world.now
        arrivals = [at for at, _ in self.confirms[:1]]
        arrivals += [queue.messages[0].at for queue, _ in self._consumed() if queue.messages]
        until = min([deadline, *arrivals])
        name = "receive" if arrivals and until <= now + STEP else "idle"
        self.actor.waits = True
        fault = self.actor.pause(name, max(until - now, STEP / 10))
        if fault.startswith("lose"):
            self.lose()
        self.check()

    def _dispatch(self) -> bool:
        now = self.broker.world.now
        if self.confirms and self.confirms[0][0] <= now:
            self.confirms.pop(0)[1]()
            return True
        for queue, (channel, callback) in self._consumed():
            if queue.messages and queue.messages[0].at <= now:
                callback(channel.deliver(queue, queue.messages.pop(0)))
                return True
        return False

    def _consumed(self) -> list[tuple[Queue, tuple[Channel, Callable[[Any], None]]]]:
        return [
            (queue, queue.consumers[0])
            for channel in self.channels
            for queue in channel.consumed
            if queue.active() is channel
        ]


class Channel:
    """One channel, with the calls of `amqp.Channel` that are used."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.events: dict[str, set[Callable[[int, bool], None]]] = {"basic_ack": set(), "basic_nack": set()}
        self.consumed: list[Queue] = []
        self._broker, self._actor = connection.broker, connection.actor
        self._unacknowledged: dict[int, tuple[Queue, Queued]] = {}
        self._tags = 0
        self._published = 0

    # Topology.

    def exchange_declare(self, exchange: str, kind: str, **_: Any) -> None:
        self.connection.check()

    def confirm_select(self) -> None:
        self.connection.check()

    def basic_qos(self, **_: Any) -> None:
        self.connection.check()

    def queue_declare(self, queue: str, **_: Any) -> None:
        self._actor.call("declare queue", self.connection, lambda: self._broker.queues.setdefault(queue, Queue(queue)))

    def queue_bind(self, queue: str, exchange: str, **_: Any) -> None:
        self._actor.call("bind queue", self.connection, lambda: self._broker.bind(queue, exchange))

    # Publishing.

    def basic_publish(self, message: amqp.Message, *, exchange: str, routing_key: str) -> None:
        self._actor.call("publish", self.connection, lambda: self._publish(exchange, routing_key, message.body))

    def _publish(self, exchange: str, routing_key: str, body: bytes) -> None:
        self._published += 1
        tag = self._published
        fault = self._broker.take(self._actor.name, exchange, routing_key, body)
        if fault is not None and fault.kind == UNCONFIRMED:
            return
        handlers = self.events["basic_nack" if fault is not None and fault.kind == NACK else "basic_ack"]

        def confirm() -> None:
            for handler in handlers:
                handler(tag, False)

        self.connection.confirms.append((self._broker.world.now + STEP, confirm))

    # Consuming.

    def basic_consume(self, queue: str, callback: Callable[[Any], None]) -> None:
        def consume() -> None:
            consumed = self._broker.queues[queue]
            consumed.consumers.append((self, callback))
            self.consumed.append(consumed)

        self._actor.call("consume", self.connection, consume)

    def deliver(self, queue: Queue, queued: Queued) -> Delivered:
        self._tags += 1
        self._unacknowledged[self._tags] = (queue, queued)
        queue.unacknowledged += 1
        return Delivered(queued.body, self._tags, self, queued)

    def basic_ack(self, delivery_tag: int, multiple: bool = False) -> None:
        self._actor.call("acknowledge", self.connection, lambda: self._acknowledge(delivery_tag, multiple))

    def _acknowledge(self, delivery_tag: int, multiple: bool) -> None:
        tags = [tag for tag in self._unacknowledged if tag == delivery_tag or (multiple and tag < delivery_tag)]
        gone = [self._unacknowledged.pop(tag) for tag in tags]
        for queue, _ in gone:
            queue.unacknowledged -= 1
        self._broker.on_ack([queued.body for _, queued in gone])

    def end(self) -> None:
        """What the broker does without the connection: others consume, and what was not acknowledged comes again."""
        for queue in self.consumed:
            queue.consumers = [consumer for consumer in queue.consumers if consumer[0] is not self]
        for queue, queued in self._unacknowledged.values():
            queue.unacknowledged -= 1
            insort(queue.messages, queued)
        self._unacknowledged.clear()
        for queue in self.consumed:
            self._broker.wake(queue)
