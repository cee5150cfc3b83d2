"""An event store and a subscriber's database in memory, with the transactions, locks and time limits of the real ones.

What these promise is what `shared/bus/outbox.py` and `shared/bus/cursors.py` promise; the tests of
`tests/component/shared/bus/test_ports.py` hold both to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from sqlalchemy.exc import DBAPIError, InternalError, OperationalError

from shared.bus.subscriptions import Delivery
from shared.contracts.problems import Problem
from shared.eventstore.recorded import Recorded
from shared.eventstore.store import START, FeedCursor, FeedEntry, FeedPage
from tests.simulation.world import STEP, Awaiting

LEADER_IDLE_SECONDS = 3.0
TRANSACTION_IDLE_SECONDS = 15.0
LOCK_SECONDS = 5.0


class Session:
    """A database connection, which the server ends when nothing was said over it for too long."""

    def __init__(
        self,
        clock: Callable[[], float],
        idle_seconds: float,
        timeout_error: type[DBAPIError] = OperationalError,
    ) -> None:
        self._clock, self._idle_seconds, self._timeout_error = clock, idle_seconds, timeout_error
        self._error: type[DBAPIError] = OperationalError
        self._heard = clock()
        self._lost = False
        self.on_loss: list[Callable[[], None]] = []

    @property
    def lost(self) -> bool:
        if not self._lost and self._clock() - self._heard > self._idle_seconds:
            self.lose()
            self._error = self._timeout_error
        return self._lost

    def check(self) -> None:
        if self.lost:
            raise self._error(
                "", None, ConnectionError("the server closed the connection"), connection_invalidated=True
            )
        self._heard = self._clock()

    def lose(self) -> None:
        if not self._lost:
            self._lost = True
            for release in self.on_loss:
                release()


# The publisher's side.


@dataclass
class Committed:
    """What stands in the event store. `began` and `ended` are the moments of each event's transaction."""

    bodies: dict[UUID, bytes] = field(default_factory=dict)
    outbox: dict[int, UUID] = field(default_factory=dict)
    feed: list[UUID] = field(default_factory=list)
    published: int = 0
    began: dict[UUID, int] = field(default_factory=dict)
    ended: dict[UUID, int] = field(default_factory=dict)

    def copy(self) -> Committed:
        return Committed(
            dict(self.bodies), dict(self.outbox), list(self.feed), self.published, dict(self.began), dict(self.ended)
        )


class MemoryEventStore:
    """The tables events, outbox, feed and feed_head."""

    epoch = 1

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.rows = Committed()
        self.ever: set[UUID] = set()
        """Every event that was ever committed, also of a life that a restore took away."""
        self.leader: Session | None = None
        self.sessions: list[Session] = []
        self._last_id = 0
        self._moments = 0

    def session(self) -> Session:
        session = Session(self.clock, LEADER_IDLE_SECONDS)
        self.sessions.append(session)
        return session

    def restart(self) -> None:
        """Ends every session, and with it what was not committed."""
        for session in self.sessions:
            session.lose()
        self.sessions.clear()

    def restore(self, copy: Committed) -> None:
        self.restart()
        self.rows = copy.copy()

    def moment(self) -> int:
        self._moments += 1
        return self._moments

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def page(self, cursor: FeedCursor, limit: int) -> FeedPage:
        """As `read_feed` has it."""
        feed = self.rows.feed
        if cursor.position > 0 and (
            cursor.epoch != self.epoch or cursor.position > len(feed) or feed[cursor.position - 1] != cursor.event_id
        ):
            raise Problem("feed-cursor-unknown", epoch=self.epoch, head=len(feed))
        ids = feed[cursor.position : cursor.position + limit]
        entries = (
            FeedEntry(self.epoch, cursor.position + n, previous, Recorded(self.rows.bodies[id]))
            for n, (previous, id) in enumerate(zip([cursor.event_id, *ids], ids, strict=False), start=1)
        )
        return FeedPage(self.epoch, len(feed), feed[-1] if feed else None, tuple(entries))

    def cursor_at(self, position: int) -> FeedCursor:
        return FeedCursor(self.epoch, position, self.rows.feed[position - 1]) if position else START


class Writing:
    """A transaction that appends events. Their outbox ids are given at the append, and seen at the commit."""

    def __init__(self, store: MemoryEventStore, session: Session) -> None:
        self._store, self._session = store, session
        self._began = store.moment()
        self._events: list[tuple[int, Recorded]] = []

    def append(self, events: Sequence[Recorded]) -> None:
        self._session.check()
        self._events += [(self._store.next_id(), event) for event in events]

    def commit(self) -> None:
        self._session.check()
        rows, moment = self._store.rows, self._store.moment()
        for id, event in self._events:
            rows.outbox[id] = event.event_id
            rows.bodies[event.event_id] = event.body
            rows.began[event.event_id], rows.ended[event.event_id] = self._began, moment
            self._store.ever.add(event.event_id)


class MemoryOutbox:
    """`Outbox` over a memory event store."""

    def __init__(self, store: MemoryEventStore, session: Session, actor: Awaiting) -> None:
        self._store, self._session, self._actor = store, session, actor
        self._published = 0

    def lead(self) -> bool:
        return self._actor.call("lead", self._session, self._lead)

    def number(self, limit: int) -> int:
        name = "number" if self._waiting() or self._published > self._store.rows.published else "peek"
        return self._actor.call(name, self._session, lambda: self._number(limit))

    def published(self) -> int:
        return self._actor.call("read progress", self._session, lambda: self._store.rows.published)

    def entries_after(self, position: int, limit: int) -> tuple[FeedEntry, ...]:
        return self._actor.call(
            "read feed",
            self._session,
            lambda: self._store.page(self._store.cursor_at(position), limit).entries,
        )

    def note_published(self, position: int) -> None:
        # Stands with the next transaction of this session, as in PostgreSQL.
        self._published = position

    def keep_leading(self) -> None:
        self._actor.call("keep leading", self._session, lambda: None)

    def _lead(self) -> bool:
        leader = self._store.leader
        if leader is None or leader is self._session or leader.lost:
            self._store.leader = self._session
        return self._store.leader is self._session

    def _waiting(self) -> list[int]:
        """The ids of the rows that can be seen, in order."""
        return sorted(self._store.rows.outbox)

    def _number(self, limit: int) -> int:
        rows = self._store.rows
        rows.published = max(rows.published, self._published)
        taken = [rows.outbox.pop(id) for id in self._waiting()[:limit]]
        if taken:
            rows.feed += taken
            self._actor.tell(f"numbers {_span(len(rows.feed) - len(taken) + 1, len(rows.feed))}")
        return len(rows.feed)


class MemoryOutboxPool:
    """The engine of one relay process: one connection, made anew when the old one was lost."""

    def __init__(
        self,
        store: MemoryEventStore,
        actor: Awaiting,
        outbox: Callable[[MemoryEventStore, Session, Awaiting], MemoryOutbox] = MemoryOutbox,
    ) -> None:
        self._store, self._actor, self._outbox = store, actor, outbox
        self._session: Session | None = None

    @contextmanager
    def __call__(self) -> Iterator[MemoryOutbox]:
        if self._session is None or self._session.lost:
            self._session = self._store.session()
            self._actor.lines.append(self._session)
        yield self._outbox(self._store, self._session, self._actor)


# The subscriber's side.


@dataclass
class CursorRow:
    epoch: int = 0
    position: int = 0
    event_id: UUID | None = None
    head: int = 0
    halted: str | None = None


class MemoryDatabase:
    """A subscriber's database: cursors, and the effects of its projection."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.cursors: dict[str, CursorRow] = {}
        self.effects: list[Delivery] = []
        self.locks: dict[str, Session] = {}
        self.sessions: list[Session] = []
        self.on_commit: Callable[[], None] = lambda: None

    def restart(self) -> None:
        for session in self.sessions:
            session.lose()
        self.sessions.clear()

    def cursor(self, publisher: str) -> CursorRow:
        return self.cursors.get(publisher, CursorRow())


class MemoryCursors:
    """`Cursors` over a memory database. What is written is kept back until the commit."""

    def __init__(self, database: MemoryDatabase, session: Session, actor: Awaiting) -> None:
        self._database, self._session, self._actor = database, session, actor
        self._rows: dict[str, CursorRow] = {}
        self._effects: list[Delivery] = []

    @property
    def connection(self) -> Any:
        return self

    def lock(self, publisher: str) -> FeedCursor:
        self._lock(publisher)
        row = self._row(publisher)
        return FeedCursor(row.epoch, row.position, row.event_id)

    def apply(self, deliveries: Sequence[Delivery]) -> None:
        """The effects of the projection of these tests."""
        self._actor.call("apply", self._session, lambda: self._effects.extend(deliveries))

    def begin(self, publisher: str, head: FeedCursor) -> None:
        begun = CursorRow(head.epoch, head.position, head.event_id, head.position)
        self._actor.call("move cursor", self._session, lambda: self._rows.update({publisher: begun}))

    def move(self, publisher: str, last: FeedEntry, head: int) -> None:
        row = self._row(publisher)
        moved = CursorRow(last.epoch, last.position, last.recorded.event_id, max(row.head, head, last.position), None)
        self._actor.call("move cursor", self._session, lambda: self._rows.update({publisher: moved}))

    def note_head(self, publisher: str, head: int) -> None:
        self._lock(publisher)
        row = self._row(publisher)
        noted = replace(row, head=max(head, row.position), halted=None)
        self._actor.call("note head", self._session, lambda: self._rows.update({publisher: noted}))

    def halt(self, reason: str) -> None:
        for publisher in list(self._database.cursors):
            self._lock(publisher)
            self._rows[publisher] = replace(self._row(publisher), halted=reason)

    def commit(self) -> None:
        self._actor.call("commit", self._session, self._commit)

    def release(self) -> None:
        for publisher, holder in list(self._database.locks.items()):
            if holder is self._session:
                del self._database.locks[publisher]

    def _lock(self, publisher: str) -> None:
        deadline = self._database.clock() + LOCK_SECONDS
        while not self._actor.call("lock", self._session, lambda: self._try_lock(publisher)):
            if self._database.clock() >= deadline:
                raise OperationalError("", None, TimeoutError("lock timeout"))
            self._actor.pause("wait for lock", 20 * STEP)

    def _try_lock(self, publisher: str) -> bool:
        holder = self._database.locks.get(publisher)
        if holder is None or holder is self._session or holder.lost:
            self._database.locks[publisher] = self._session
            self._rows.setdefault(publisher, copy(self._database.cursor(publisher)))
            return True
        return False

    def _row(self, publisher: str) -> CursorRow:
        return self._rows.get(publisher) or self._database.cursor(publisher)

    def _commit(self) -> None:
        self._database.cursors.update(self._rows)
        if self._effects:
            self._database.effects += self._effects
            self._actor.tell(f"applies {_positions(each.entry.position for each in self._effects)}")
        self.release()
        self._database.on_commit()


class MemoryCursorTransactions:
    """The engine of one subscriber process."""

    def __init__(
        self,
        database: MemoryDatabase,
        actor: Awaiting,
        cursors: Callable[[MemoryDatabase, Session, Awaiting], MemoryCursors] = MemoryCursors,
    ) -> None:
        self._database, self._actor, self._cursors = database, actor, cursors

    @contextmanager
    def __call__(self, subscription: str) -> Iterator[MemoryCursors]:
        # PostgreSQL counts a timeout inside a transaction among its internal errors.
        session = Session(self._database.clock, TRANSACTION_IDLE_SECONDS, InternalError)
        lines = self._actor.lines
        lines.append(session)
        self._database.sessions.append(session)
        cursors = self._cursors(self._database, session, self._actor)
        session.on_loss.append(cursors.release)
        try:
            yield cursors
            cursors.commit()
        finally:
            cursors.release()
            if session in self._database.sessions:
                self._database.sessions.remove(session)
            if session in lines:
                lines.remove(session)


def _span(first: int, last: int) -> str:
    return f"{first}" if first == last else f"{first} to {last}"


def _positions(positions: Any) -> str:
    return ", ".join(map(str, positions))
