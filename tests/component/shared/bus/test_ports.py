"""What the relay and subscriptions stand on promises the same in PostgreSQL and in the memory of the simulation.

Each test runs against both. The simulation is worth as much as this likeness.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError

from shared.bus.cursors import cursor_transaction
from shared.bus.outbox import outbox_session
from shared.contracts.problems import Problem
from shared.eventstore.canonical import canonical_json
from shared.eventstore.recorded import Recorded
from shared.eventstore.store import START, FeedCursor, FeedEntry, append, read_feed
from shared.eventstore.transaction import driver_of
from shared.runtime.database import connect_for_leading
from tests.simulation.memory import (
    MemoryCursorTransactions,
    MemoryDatabase,
    MemoryEventStore,
    MemoryOutboxPool,
    Session,
    Writing,
)
from tests.simulation.world import Undisturbed


def event(stream="a", version=1):
    envelope = {
        "dataschema": "https://okacrm.example/test/1",
        "id": str(uuid4()),
        "source": "/services/shop",
        "streamversion": version,
        "subject": stream,
        "type": "okacrm.shop.happened",
    }
    return Recorded(canonical_json(envelope))


# The publisher's side.


class PostgresStore:
    def __init__(self, databases):
        self._databases, self._engine = databases, databases.engine("identity")
        self._leading = []

    @contextmanager
    def writing(self, *events):
        """A transaction that has appended and waits; the block commits it, or leaves it to be rolled back."""
        with self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            append(driver_of(connection), events)
            yield partial(connection.exec_driver_sql, "COMMIT")

    def sessions(self):
        """A process of its own, as far as the database can tell."""
        self._leading.append(connect_for_leading(self._databases.url("identity"), application_name="relay"))
        return partial(outbox_session, self._leading[-1])

    def lose_all_sessions(self):
        with self._databases.engine("identity", "superuser").begin() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                    "WHERE application_name = 'relay' AND datname = current_database()"
                )
            )

    def page(self, cursor, limit):
        with self._engine.connect() as connection:
            return read_feed(connection, cursor, row_limit=limit)

    def close(self):
        for engine in self._leading:
            engine.dispose()


class MemoryStore:
    def __init__(self, databases):
        self._store = MemoryEventStore(time.monotonic)
        self.page = self._store.page
        self.lose_all_sessions = self._store.restart

    @contextmanager
    def writing(self, *events):
        transaction = Writing(self._store, Session(time.monotonic, 15))
        transaction.append(events)
        yield transaction.commit

    def sessions(self):
        return MemoryOutboxPool(self._store, Undisturbed())

    def close(self):
        pass


@pytest.fixture(params=[PostgresStore, MemoryStore])
def shop(request):
    databases = request.getfixturevalue("databases") if request.param is PostgresStore else None
    made = request.param(databases)
    yield made
    made.close()


@pytest.fixture
def sessions(shop):
    return shop.sessions()


def commit(shop, *events):
    with shop.writing(*events) as done:
        done()
    return events


def feed(shop, cursor=START, limit=100):
    return shop.page(cursor, limit).entries


def bodies(entries):
    return [entry.body for entry in entries]


def test_a_new_store_has_an_empty_feed(shop, sessions):
    with sessions() as outbox:
        assert (outbox.number(10), outbox.published(), outbox.entries_after(0, 10)) == (0, 0, ())
    page = shop.page(START, 10)
    assert (page.head, page.head_event) == (0, None)


def test_events_are_numbered_in_the_order_of_their_append_and_chained(shop, sessions):
    events = [*commit(shop, event(version=1), event(version=2)), *commit(shop, event("b"))]
    with sessions() as outbox:
        assert outbox.number(10) == 3
        entries = outbox.entries_after(0, 10)
    assert [(entry.epoch, entry.position) for entry in entries] == [(1, 1), (1, 2), (1, 3)]
    assert [entry.previous for entry in entries] == [None, events[0].event_id, events[1].event_id]
    page = shop.page(START, 1)
    assert (page.head, page.head_event) == (3, events[2].event_id)
    assert bodies(entries) == [each.body for each in events]


def test_numbering_takes_a_batch_at_a_time(shop, sessions):
    commit(shop, *(event(version=n) for n in range(1, 6)))
    with sessions() as outbox:
        assert [outbox.number(2) for _ in range(4)] == [2, 4, 5, 5]
        assert [entry.position for entry in outbox.entries_after(1, 2)] == [2, 3]


def test_what_is_not_committed_is_not_numbered_and_what_commits_late_is_not_lost(shop, sessions):
    late, early = event("a"), event("b")
    with sessions() as outbox:
        with shop.writing(late) as done:
            commit(shop, early)
            assert outbox.number(10) == 1
            done()
        assert outbox.number(10) == 2
    assert bodies(feed(shop)) == [early.body, late.body]


def test_what_is_rolled_back_is_never_numbered(shop, sessions):
    with shop.writing(event("a")):
        pass
    kept = commit(shop, event("b"))
    with sessions() as outbox:
        assert outbox.number(10) == 1
    assert bodies(feed(shop)) == [kept[0].body]


def test_progress_is_kept_with_the_next_numbering(shop, sessions):
    commit(shop, event())
    with sessions() as outbox:
        outbox.number(10)
        outbox.note_published(1)
        with shop.sessions()() as other:
            assert other.published() == 0
        outbox.number(10)
    with shop.sessions()() as other:
        assert other.published() == 1


def test_one_session_leads_at_a_time_and_may_ask_again(shop, sessions):
    others = shop.sessions()
    with sessions() as first, others() as second:
        assert first.lead()
        assert not second.lead()
        assert first.lead()


def test_a_process_that_comes_back_to_its_connection_still_leads(shop, sessions):
    others = shop.sessions()
    with sessions() as first:
        assert first.lead()
    with others() as second:
        assert not second.lead()
    with sessions() as first:
        assert first.lead()


def test_a_lost_session_does_nothing_more_and_leaves_the_lead_to_others(shop, sessions):
    commit(shop, event())
    with sessions() as first:
        assert first.lead()
        shop.lose_all_sessions()
        with pytest.raises(DBAPIError):
            first.number(10)
    with shop.sessions()() as second:
        assert second.lead()
        assert second.number(10) == 1


def test_a_leader_that_says_nothing_for_three_seconds_is_one_no_more(shop, sessions):
    others = shop.sessions()
    with sessions() as first:
        assert first.lead()
        time.sleep(2)
        first.keep_leading()
        time.sleep(2)
        with others() as second:
            assert not second.lead()
        time.sleep(1.5)
        with others() as second:
            assert second.lead()
        with pytest.raises(DBAPIError):
            first.keep_leading()


def test_a_cursor_that_the_feed_does_not_hold_is_refused(shop, sessions):
    events = commit(shop, event(version=1), event(version=2))
    with sessions() as outbox:
        outbox.number(10)
    known = FeedCursor(1, 1, events[0].event_id)
    assert bodies(feed(shop, known)) == [events[1].body]
    for doubt in ({"event_id": uuid4()}, {"position": 3}, {"epoch": 2}, {"event_id": events[1].event_id}):
        with pytest.raises(Problem, match="feed-cursor-unknown"):
            feed(shop, replace(known, **doubt))


# The subscriber's side.


def entry(position, epoch=1):
    body = canonical_json({"id": str(UUID(int=position)), "type": "okacrm.shop.happened"})
    return FeedEntry(epoch, position, UUID(int=position - 1) if position > 1 else None, Recorded(body))


class PostgresReader:
    def __init__(self, databases):
        self._databases = databases
        self.transaction = partial(cursor_transaction, databases.engine("audit"))

    def row(self, publisher="shop"):
        with self._databases.engine("audit").connect() as connection:
            row = connection.execute(
                text("SELECT epoch, position, event_id, head, halted FROM cursors WHERE publisher = :publisher"),
                {"publisher": publisher},
            ).one()
        return tuple(row)

    def lose_all_sessions(self):
        with self._databases.engine("audit", "superuser").begin() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )


class MemoryReader:
    def __init__(self, databases):
        self._database = MemoryDatabase(time.monotonic)
        self.transaction = MemoryCursorTransactions(self._database, Undisturbed())
        self.lose_all_sessions = self._database.restart

    def row(self, publisher="shop"):
        row = self._database.cursors[publisher]
        return (row.epoch, row.position, row.event_id, row.head, row.halted)


@pytest.fixture(params=[PostgresReader, MemoryReader])
def reader(request):
    return request.param(request.getfixturevalue("databases") if request.param is PostgresReader else None)


def move(reader, position, head=0, before_the_commit=lambda: None):
    with reader.transaction("memory") as cursors:
        cursors.lock("shop")
        cursors.move("shop", entry(position), head)
        before_the_commit()


def test_a_new_cursor_is_before_everything(reader):
    with reader.transaction("memory") as cursors:
        assert cursors.lock("shop") == START
    assert reader.row() == (0, 0, None, 0, None)


def test_a_cursor_is_where_it_was_moved_to(reader):
    move(reader, 3)
    with reader.transaction("memory") as cursors:
        assert cursors.lock("shop") == FeedCursor(1, 3, UUID(int=3))
        assert cursors.lock("other") == START


def test_a_cursor_that_begins_at_the_head_is_there(reader):
    with reader.transaction("memory") as cursors:
        cursors.lock("shop")
        cursors.begin("shop", FeedCursor(2, 7, UUID(int=7)))
    assert reader.row() == (2, 7, UUID(int=7), 7, None)


def test_a_move_is_undone_with_its_transaction(reader):
    move(reader, 3)
    with pytest.raises(ZeroDivisionError):
        move(reader, 4, before_the_commit=lambda: 1 // 0)
    assert reader.row()[1] == 3


def test_a_move_is_undone_when_the_session_is_lost_before_the_commit(reader):
    move(reader, 3)
    with pytest.raises(OperationalError):
        move(reader, 4, before_the_commit=reader.lose_all_sessions)
    assert reader.row()[1] == 3


def test_a_cursor_that_somebody_holds_is_waited_for_and_given_up(reader):
    with reader.transaction("memory") as cursors:
        cursors.lock("shop")
        started = time.monotonic()
        with pytest.raises(DBAPIError), reader.transaction("memory") as others:
            others.lock("shop")
        assert time.monotonic() - started > 4
    move(reader, 1)


def test_the_head_is_never_behind_the_cursor_nor_does_a_move_take_it_back(reader):
    move(reader, 2, head=9)
    assert reader.row()[3] == 9
    move(reader, 3)
    assert reader.row()[3] == 9
    with reader.transaction("memory") as cursors:
        cursors.note_head("shop", 5)
    assert reader.row()[3] == 5
    with reader.transaction("memory") as cursors:
        cursors.note_head("shop", 1)
    assert reader.row()[3] == 3


def test_a_halt_is_said_of_every_publisher_until_there_is_better_news(reader):
    move(reader, 1)
    with reader.transaction("memory") as cursors:
        cursors.lock("other")
    with reader.transaction("memory") as cursors:
        cursors.halt("because")
    assert (reader.row()[4], reader.row("other")[4]) == ("because", "because")
    move(reader, 2)
    with reader.transaction("memory") as cursors:
        cursors.note_head("other", 0)
    assert (reader.row()[4], reader.row("other")[4]) == (None, None)
