"""A projection: each event once, in feed order, whatever happens to the queue; and never a silent hole."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from functools import partial
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from shared.bus import subscriptions
from shared.bus.connection import open_connection
from shared.bus.cursors import cursor_transaction
from shared.bus.loops import Loop
from shared.bus.subscriptions import Projection, Subscriber
from tests.component.shared.bus.feed import Feed, id_of
from tests.making import eventually, running


@pytest.fixture
def feed(databases):
    return Feed(databases.name, databases.amqp_url)


@pytest.fixture
def seen(databases):
    """The effects of the projection, kept in its own database: the positions it applied, in order."""
    with databases.engine("audit", "owner").begin() as connection:
        connection.execute(text("CREATE TABLE seen (n serial, position bigint, event_id uuid)"))
        connection.execute(text("GRANT ALL ON seen, seen_n_seq TO PUBLIC"))
    engine = databases.engine("audit")

    def read():
        with engine.connect() as connection:
            return list(connection.scalars(text("SELECT position FROM seen ORDER BY n")))

    return read


@contextmanager
def following(databases, feed, apply=None, monotonic=time.monotonic):
    def remember(connection, deliveries):
        connection.execute(
            text("INSERT INTO seen (position, event_id) VALUES (:position, :event_id)"),
            [{"position": each.entry.position, "event_id": each.recorded.event_id} for each in deliveries],
        )
        if apply:
            apply(deliveries)

    projection = Projection("memory", (feed.name,), remember)
    with running() as (run, stopping):
        subscriber = Subscriber(
            f"{databases.name}-reader",
            projection,
            partial(cursor_transaction, databases.engine("audit")),
            partial(open_connection, databases.amqp_url),
            feed,
            stopping,
            monotonic,
        )
        run(Loop("memory", subscriber.run))
        yield


def queue(databases, feed):
    return f"{databases.name}-reader.memory.{feed.name}"


def halted(databases):
    """Why the projection stands still, or None."""
    with databases.engine("audit").connect() as connection:
        return connection.scalar(text("SELECT halted FROM cursors"))


def test_what_was_there_before_is_read_from_the_feed(databases, feed, seen):
    feed.grow(120)
    with following(databases, feed):
        eventually(lambda: len(seen()) == 120)
    assert seen() == list(range(1, 121))


def test_what_is_published_is_applied_in_order(databases, feed, seen):
    feed.grow(1)
    with following(databases, feed):
        eventually(lambda: seen() == [1])
        feed.publish(*feed.grow(50))
        eventually(lambda: len(seen()) == 51)
    assert seen() == list(range(1, 52))


def test_duplicates_reordering_and_loss_leave_no_trace(databases, feed, seen):
    feed.grow(1)
    with following(databases, feed):
        eventually(lambda: seen() == [1])
        added = feed.grow(30)
        feed.publish(*added[:10], *added[5:15], *reversed(added[20:]), *added[:30:7])
        eventually(lambda: len(seen()) == 31)
    assert seen() == list(range(1, 32))


def test_silence_is_not_believed(databases, feed, seen):
    feed.grow(1)
    with following(databases, feed):
        eventually(lambda: seen() == [1])
        feed.grow(10)
        eventually(lambda: len(seen()) == 11)
    assert seen() == list(range(1, 12))


def test_a_purged_queue_loses_nothing(databases, feed, seen):
    with following(databases, feed):
        eventually(lambda: feed.asked)
    feed.publish(*feed.grow(20))
    connection = open_connection(databases.amqp_url, name="purger")
    connection.channel().queue_purge(queue(databases, feed))
    connection.close()
    with following(databases, feed):
        eventually(lambda: len(seen()) == 20)
    assert seen() == list(range(1, 21))


def test_under_load_the_queue_carries_and_the_feed_is_hardly_asked(databases, feed, seen):
    """What lies behind the cursor is dropped without a question, so that being ahead of the queue costs nothing.

    A clock that stands still asks for nothing by itself, however long a busy machine takes.
    """
    stopped_at = []
    feed.grow(30)
    with following(databases, feed, monotonic=lambda: stopped_at[0] if stopped_at else time.monotonic()):
        eventually(lambda: len(seen()) == 30)
        stopped_at.append(time.monotonic())
        asked = feed.asked
        for expected in range(35, 131, 5):
            feed.publish(*feed.entries[-3:], *feed.grow(5))
            eventually(lambda expected=expected: len(seen()) == expected)
        assert feed.asked - asked <= 3
    assert seen() == list(range(1, 131))


def test_an_event_that_follows_another_than_ours_is_not_believed(databases, feed, seen):
    """The place is the next one, but the event before it is not the one we hold: only the feed can tell."""
    feed.grow(5)
    with following(databases, feed):
        eventually(lambda: len(seen()) == 5)
        forged = feed.entry(1, 6, uuid4())
        feed.publish(forged)
        feed.publish(*feed.grow(2))
        eventually(lambda: len(seen()) == 7)
    with databases.engine("audit").connect() as connection:
        applied = set(connection.scalars(text("SELECT event_id FROM seen")))
    assert applied == {UUID(id_of(entry)) for entry in feed.entries}


def test_a_foreign_message_is_dropped(databases, feed, seen):
    feed.grow(1)
    with following(databases, feed):
        eventually(lambda: seen() == [1])
        feed.publish_bytes(b"hello")
        feed.publish(*feed.grow(2))
        eventually(lambda: len(seen()) == 3)


def test_two_subscribers_apply_each_event_once(databases, feed, seen):
    feed.grow(60)
    with following(databases, feed), following(databases, feed):
        eventually(lambda: len(seen()) == 60)
        feed.publish(*feed.grow(60))
        eventually(lambda: len(seen()) >= 120)
    assert seen() == list(range(1, 121))


def test_a_failing_handler_halts_loses_nothing_and_goes_on_when_it_is_mended(databases, feed, seen):
    broken = threading.Event()
    broken.set()

    def apply(deliveries):
        if broken.is_set() and any(each.entry.position == 7 for each in deliveries):
            raise RuntimeError

    feed.grow(20)
    with following(databases, feed, apply):
        eventually(lambda: halted(databases) == "handler-failed")
        assert 7 not in seen()
        broken.clear()
        eventually(lambda: len(seen()) == 20)
    assert seen() == list(range(1, 21))
    assert halted(databases) is None


def test_a_handler_that_always_takes_too_long_halts(databases, feed, seen):
    feed.grow(3)

    def apply(deliveries):
        with databases.engine("audit").begin() as connection:
            connection.execute(text("SET LOCAL statement_timeout = 1"))
            connection.execute(text("SELECT pg_sleep(10)"))

    with following(databases, feed, apply):
        eventually(lambda: halted(databases) == "handler-failed")
    assert seen() == []


@pytest.mark.parametrize("state", [psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable])
def test_who_was_in_the_way_of_another_comes_again_without_alarm(databases, feed, seen, state):
    attempts = []

    def apply(deliveries):
        attempts.append(halted(databases))
        if len(attempts) < subscriptions.CONFLICTS:
            raise OperationalError("", None, state())

    feed.grow(3)
    with following(databases, feed, apply):
        eventually(lambda: len(seen()) == 3)
    assert attempts == [None] * subscriptions.CONFLICTS


def test_who_is_always_in_the_way_of_another_halts(databases, feed, seen):
    def apply(deliveries):
        raise OperationalError("", None, psycopg.errors.DeadlockDetected())

    feed.grow(3)
    with following(databases, feed, apply):
        eventually(lambda: halted(databases) == "handler-conflicts")


def test_a_full_disk_is_waited_for_without_alarm(databases, feed, seen):
    attempts = []

    def apply(deliveries):
        attempts.append(halted(databases))
        if len(attempts) <= subscriptions.CONFLICTS + 1:
            raise OperationalError("", None, psycopg.errors.DiskFull())

    feed.grow(3)
    with following(databases, feed, apply):
        eventually(lambda: len(seen()) == 3)
    assert set(attempts) == {None}


def test_a_publisher_that_forgot_the_cursor_halts_the_projection(databases, feed, seen):
    """The publisher was restored from an older copy: other events now stand where we have been."""
    feed.grow(10)
    with following(databases, feed):
        eventually(lambda: len(seen()) == 10)
        del feed.entries[5:]
        eventually(lambda: halted(databases) == "publisher-does-not-know-the-cursor")
        feed.publish(*feed.grow(10))
        feed.publish(*feed.grow(1))
    assert seen() == list(range(1, 11))


def test_a_restored_publisher_that_is_busy_is_not_believed_either(databases, feed, seen):
    """New events at old places look like duplicates; what follows them must not be applied behind our cursor."""
    feed.grow(10)
    with following(databases, feed):
        eventually(lambda: len(seen()) == 10)
        del feed.entries[5:]
        feed.publish(*feed.grow(6))
        eventually(lambda: halted(databases) == "publisher-does-not-know-the-cursor")
    assert seen() == list(range(1, 11))


def test_a_publisher_that_is_away_is_waited_for(databases, feed, seen):
    feed.away = True
    feed.grow(3)
    with following(databases, feed):
        eventually(lambda: feed.asked >= 2)
        feed.away = False
        eventually(lambda: len(seen()) == 3)
    assert halted(databases) is None


def test_a_page_with_a_hole_halts(databases, feed, seen):
    feed.grow(5)
    del feed.entries[2]
    with following(databases, feed):
        eventually(lambda: halted(databases) == "feed-has-a-hole")
    assert seen() == []


def test_what_only_the_queue_still_has_is_applied_before_the_publisher_is_asked(databases, feed, seen):
    """Published, and then lost by a publisher that was restored: nobody else holds it any more."""
    feed.grow(10)
    with following(databases, feed):
        eventually(lambda: len(seen()) == 10)
    feed.publish(*feed.grow(3))
    del feed.entries[8:]
    with following(databases, feed):
        eventually(lambda: halted(databases) == "publisher-does-not-know-the-cursor")
    assert seen() == list(range(1, 14))


def test_a_message_of_an_epoch_that_is_over_does_not_continue_a_cursor_of_the_next(databases, feed, seen):
    feed.grow(5)
    with following(databases, feed):
        eventually(lambda: len(seen()) == 5)
    feed.publish(*feed.grow(2))
    del feed.entries[5:]
    with databases.engine("audit").begin() as connection:
        connection.execute(text("UPDATE cursors SET epoch = 2"))
    asked = feed.asked
    with following(databases, feed):
        eventually(lambda: feed.asked >= asked + 2)
        (entry,) = feed.grow(1, epoch=2)
        eventually(lambda: len(seen()) == 6)
    with databases.engine("audit").connect() as connection:
        assert connection.scalar(text("SELECT event_id FROM seen WHERE position = 6")) == UUID(id_of(entry))
