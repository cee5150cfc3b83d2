"""One publisher and one subscription in virtual time: what runs, what may happen to it, and what must hold.

`Simulation(schedule).run()` runs one schedule to its end and raises `Broken` if a property does not hold. The classes
that a `Cast` names can be exchanged, which is how tests plant a fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any
from uuid import UUID

import structlog

from shared.bus.envelope import exchange_name, from_wire, to_wire
from shared.bus.loops import Loop, keep_running
from shared.bus.relay import Relay
from shared.bus.subscriptions import Projection, Subscriber
from shared.contracts.problems import Problem
from shared.eventstore.canonical import canonical_json
from shared.eventstore.recorded import Recorded
from shared.eventstore.store import FeedCursor
from tests.simulation.broker import Broker, MessageFault, Queue
from tests.simulation.memory import (
    Committed,
    MemoryCursors,
    MemoryCursorTransactions,
    MemoryDatabase,
    MemoryEventStore,
    MemoryOutbox,
    MemoryOutboxPool,
    Session,
    Writing,
)
from tests.simulation.world import Actor, Fault, World, by_place

PUBLISHER, SUBSCRIPTION = "shop", "memory"
PAGE = 3
PATIENCE = 30.0
PAUSE_AFTER_FAULT = 45.0
"""The longest that one fault costs beside its own time: an unconfirmed batch, and the pause before another attempt."""

PURGE, BROKER_RESTART, PUBLISHER_RESTART, SUBSCRIBER_RESTART, AWAY = (
    "purge", "broker restart", "publisher's database restart", "subscriber's database restart", "publisher away",
)  # fmt: skip


@dataclass(frozen=True)
class Command:
    """A transaction of the publisher: it appends at `at`, and commits `held` later, or not at all."""

    at: float
    stream: str
    events: int
    held: float
    commits: bool = True


@dataclass(frozen=True)
class Happening:
    """Something that happens to all at once."""

    at: float
    kind: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Restore:
    """The publisher's database is brought back, at `at`, to what it was at `of`."""

    of: float
    at: float


@dataclass(frozen=True)
class Schedule:
    """Everything about one run that is not the code under test."""

    commands: Sequence[Command]
    relays: int = 1
    subscribers: int = 1
    faults: Sequence[Fault] = ()
    messages: Sequence[MessageFault] = ()
    happenings: Sequence[Happening] = ()
    restore: Restore | None = None


@dataclass(frozen=True)
class Cast:
    """What plays the parts, and what is asked of it."""

    relay: type[Relay] = Relay
    subscriber: type[Subscriber] = Subscriber
    outbox: type[MemoryOutbox] = MemoryOutbox
    cursors: type[MemoryCursors] = MemoryCursors
    watched: bool = True
    """Whether what must hold at every moment is looked at; otherwise only what can be seen in the end."""


class Simulation:
    """The parts, wired as the couriers wire them."""

    def __init__(self, schedule: Schedule, cast: Cast = Cast()) -> None:
        self.schedule, self.cast = schedule, cast
        self.world = World(dict(by_place(schedule.faults)))
        self.store = MemoryEventStore(self.world.clock)
        self.database = MemoryDatabase(self.world.clock)
        self.broker = Broker(self.world, list(schedule.messages))
        self._away_until = 0.0
        self._restored = False
        self._written: dict[str, int] = {}
        self._writing: set[str] = set()
        self._events = 0
        self._unfinished = len(schedule.commands)
        self.broker.on_publish = self._check_published
        if cast.watched:
            self.database.on_commit = self._check_cursor
            self.broker.on_ack = self._check_acknowledged

    def run(self) -> None:
        global _current
        _current = self.world
        for n, command in enumerate(self.schedule.commands):
            self.world.start(f"writer {n + 1}", partial(self._write, command), at=command.at, restarts=False)
        for name in "AB"[: self.schedule.relays]:
            self.world.start(f"relay {name}", self._relay)
        for name in "AB"[: self.schedule.subscribers]:
            self.world.start(f"subscriber {name}", self._subscriber)
        for happening in self.schedule.happenings:
            self.world.at(happening.at, partial(self._happen, happening))
        if self.schedule.restore is not None:
            self._plan(self.schedule.restore)
        self.world.run(self._settled, within=self._patience())
        self._check_feed()
        self._check_effects()
        self._check_cursor()
        self.world.check()

    def bind(self) -> None:
        """Makes the queue before the subscriber does, for one that has no other way to hear of what was before it."""
        queue = f"reader.{SUBSCRIPTION}.{PUBLISHER}"
        self.broker.queues[queue] = Queue(queue)
        self.broker.bind(queue, exchange_name(PUBLISHER))

    # The processes.

    def _relay(self, actor: Actor) -> None:
        sessions = MemoryOutboxPool(self.store, actor, self.cast.outbox)
        relay = self.cast.relay(PUBLISHER, sessions, self.broker.connect(actor), actor, self.world.clock)
        keep_running(Loop("relay", relay.run), actor, monotonic=self.world.clock)

    def _subscriber(self, actor: Actor) -> None:
        projection = Projection(SUBSCRIPTION, (PUBLISHER,), lambda connection, deliveries: connection.apply(deliveries))
        transactions = MemoryCursorTransactions(self.database, actor, self.cast.cursors)
        feed: Any = Feed(self, actor)
        connect = self.broker.connect(actor)
        subscriber = self.cast.subscriber("reader", projection, transactions, connect, feed, actor, self.world.clock)
        keep_running(Loop("subscriber", subscriber.run), actor, monotonic=self.world.clock)

    def _write(self, command: Command, actor: Actor) -> None:
        """One command. Whoever writes to a stream waits for others that do, as the unique index makes them."""
        try:
            while command.stream in self._writing:
                actor.pause("wait for stream", 0.01)
            self._writing.add(command.stream)
            session = Session(self.world.clock, float("inf"))
            self.store.sessions.append(session)
            transaction = Writing(self.store, session)
            events = [self._event(command.stream, n) for n in range(command.events)]
            transaction.append(events)
            names = " and ".join(_name(event) for event in events)
            if command.held or not command.commits:
                actor.tell(f"appends {names}, and does not commit yet")
            actor.pause("commit", command.held)
            if session.lost:
                actor.tell("has lost its transaction")
            elif command.commits:
                transaction.commit()
                self._written[command.stream] = self._written.get(command.stream, 0) + len(events)
                actor.tell(f"commits {names}")
            else:
                actor.tell(f"rolls back {names}")
        finally:
            self._writing.discard(command.stream)
            self._unfinished -= 1

    def _event(self, stream: str, n: int) -> Recorded:
        self._events += 1
        envelope = {
            "id": str(UUID(int=self._events)),
            "source": f"/services/{PUBLISHER}",
            "streamversion": self._written.get(stream, 0) + n + 1,
            "subject": stream,
            "type": f"okacrm.{PUBLISHER}.happened",
        }
        return Recorded(canonical_json(envelope))

    # What happens to all.

    def _happen(self, happening: Happening) -> None:
        self.world.tell("world", happening.kind + (f", {happening.seconds:g} s" if happening.seconds else ""))
        if happening.kind == PURGE:
            self.broker.purge()
        elif happening.kind == BROKER_RESTART:
            self.broker.restart()
        elif happening.kind == PUBLISHER_RESTART:
            self.store.restart()
        elif happening.kind == SUBSCRIBER_RESTART:
            self.database.restart()
        else:
            self._away_until = max(self._away_until, self.world.now + happening.seconds)

    def _plan(self, restore: Restore) -> None:
        copies: list[tuple[Committed, dict[str, int]]] = []

        def copy() -> None:
            self.world.tell("world", "a backup of the publisher's database is made")
            copies.append((self.store.rows.copy(), dict(self._written)))

        def bring_back() -> None:
            self.world.tell("world", "the publisher's database is restored from the backup")
            rows, self._written = copies[0]
            self.store.restore(rows)
            self._restored = True

        self.world.at(restore.of, copy)
        self.world.at(restore.at, bring_back)

    def _patience(self) -> float:
        """By when everything is settled: the pauses after faults are bounded, and so is what the faults take."""
        faults = [*self.schedule.faults, *self.schedule.messages, *self.schedule.happenings]
        return PATIENCE + sum(fault.seconds + PAUSE_AFTER_FAULT for fault in faults)

    def is_away(self) -> bool:
        return self.world.now < self._away_until

    # What must hold at every moment.

    def _check_published(self, who: str, body: bytes) -> None:
        entry = from_wire(PUBLISHER, body)
        recorded = entry.recorded
        self.world.tell(who, f"publishes {entry.position} ({_name(recorded)})")
        if recorded.event_id not in self.store.ever:
            self.world.breaks(f"{_name(recorded)} was published and never committed")
        feed = self.store.rows.feed
        if not self._restored and feed[entry.position - 1 : entry.position] != [recorded.event_id]:
            self.world.breaks(f"{_name(recorded)} was published as {entry.position}, where the feed does not have it")

    def _check_acknowledged(self, bodies: list[bytes]) -> None:
        if self._restored:
            return
        position = self.database.cursor(PUBLISHER).position
        for body in bodies:
            acknowledged = from_wire(PUBLISHER, body).position
            if acknowledged > position:
                self.world.breaks(f"{acknowledged} was acknowledged while the committed cursor is at {position}")

    def _check_cursor(self) -> None:
        cursor, effects = self.database.cursor(PUBLISHER), self.database.effects
        if cursor.halted and not self._restored:
            self.world.breaks(f"the subscription halted without cause: {cursor.halted}")
        applied = [each.entry.position for each in effects]
        if applied != list(range(1, len(effects) + 1)):
            self.world.breaks(f"applied, all in all: {', '.join(map(str, applied))}")
        for before, after in pairwise(effects):
            if after.entry.previous != before.recorded.event_id:
                self.world.breaks(f"{_name(after.recorded)} was applied behind an event that it does not follow")
        if cursor.position != len(effects):
            self.world.breaks(f"the cursor is at {cursor.position}, and {len(effects)} events were applied")
        if cursor.head < cursor.position:
            self.world.breaks(f"the cursor is at {cursor.position}, ahead of the stated head {cursor.head}")

    # What must hold in the end.

    def _settled(self) -> bool:
        feed, cursor = self.store.rows.feed, self.database.cursor(PUBLISHER)
        if self._unfinished or self.store.rows.outbox:
            return False
        if self._restored and cursor.halted and self._is_another_history():
            return True
        if self.is_away() or not self.broker.empty():
            return False
        followed = cursor.event_id == (feed[-1] if feed else None) and cursor.halted is None
        return followed and self.store.rows.published == len(feed) == cursor.position

    def _check_feed(self) -> None:
        """Every committed event once, each stream in order, and cause before effect."""
        rows = self.store.rows
        if sorted(rows.feed) != sorted(rows.bodies):
            self.world.breaks(f"{len(rows.bodies)} events were committed, and the feed has {len(rows.feed)}")
        versions: dict[str, int] = {}
        for id in rows.feed:
            event = Recorded(rows.bodies[id])
            if event.version != versions.get(event.stream, 0) + 1:
                self.world.breaks(f"{_name(event)} does not follow its stream in the feed")
            versions[event.stream] = event.version
        for n, later in enumerate(rows.feed):
            for earlier in rows.feed[:n]:
                if rows.ended[later] < rows.began[earlier]:
                    self.world.breaks(
                        f"{_name(Recorded(rows.bodies[later]))} was committed before "
                        f"{_name(Recorded(rows.bodies[earlier]))} began, and comes after it in the feed"
                    )

    def _check_effects(self) -> None:
        """Everything in the feed was applied, or the subscription says why not."""
        if self._restored and self._is_another_history():
            reason = self.database.cursor(PUBLISHER).halted
            if reason != "publisher-does-not-know-the-cursor":
                self.world.breaks(f"the publisher tells another history, and the subscription halted for {reason}")
            return
        feed = [Recorded(self.store.rows.bodies[id]) for id in self.store.rows.feed]
        applied = [each.recorded for each in self.database.effects]
        if applied != feed:
            names = ", ".join(map(_name, applied)) or "none"
            self.world.breaks(f"the feed has {', '.join(map(_name, feed))}; applied were {names}")

    def _is_another_history(self) -> bool:
        """Whether something was applied that the publisher's feed does not have at that place."""
        applied = [each.recorded.event_id for each in self.database.effects]
        return self.store.rows.feed[: len(applied)] != applied


class Feed:
    """Stands in for the RPC client: it asks the publisher for its feed."""

    def __init__(self, simulation: Simulation, actor: Actor) -> None:
        self._simulation, self._actor = simulation, actor

    def call(self, service: str, method: str, arguments: dict[str, Any], **_: Any) -> dict[str, Any]:
        store = self._simulation.store
        fault = self._actor.pause("ask")
        if fault.startswith("lose") or self._simulation.is_away():
            raise Problem("service-unavailable")
        id = arguments["event_id"]
        page = store.page(FeedCursor(arguments["epoch"], arguments["position"], id and UUID(id)), PAGE)
        if self._actor.pause("hear the answer").startswith("lose"):
            raise Problem("outcome-unknown")
        if page.entries:
            self._actor.tell(f"is told {page.entries[0].position} to {page.entries[-1].position} of {page.head}")
        return {
            "epoch": page.epoch,
            "head": page.head,
            "head_event": page.head_event and str(page.head_event),
            "entries": [to_wire(entry).decode() for entry in page.entries],
        }


_current: World | None = None


def into_the_story(logger: Any, method: str, event: dict[str, Any]) -> Any:
    """A processor of structlog: what the code under test logs becomes part of the story."""
    if _current is not None and not _current.over:
        said = event.pop("event")
        if said == "subscription_failed":
            _current.breaks(f"the projection failed: {event.get('exc_info')!r}")
        detail = " ".join(str(value) for key, value in event.items() if key in ("error", "reason", "problem"))
        _current.tell(_current.whose_turn, f"logs {said} {detail}")
    raise structlog.DropEvent


def _name(event: Recorded) -> str:
    return f"{event.stream}{event.version}"
