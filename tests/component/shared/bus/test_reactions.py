"""A reaction: what happens after it came to be, once each, in the order of its stream; and one stream that cannot be
coped with does not stop the others."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from shared.bus import reactions
from shared.bus.connection import open_connection
from shared.bus.cursors import cursor_transaction
from shared.bus.loops import Loop
from shared.bus.parking import want_again
from shared.bus.reactions import OutsideAway, Reaction, Retrier
from shared.bus.subscriptions import Subscriber
from shared.contracts.problems import Problem
from shared.privacy.keyring import UnknownKey
from tests.component.shared.bus.feed import Feed
from tests.making import eventually, running

ATTEMPTS = 3


@pytest.fixture(autouse=True)
def few_attempts(monkeypatch):
    monkeypatch.setattr(reactions, "ATTEMPTS", ATTEMPTS)
    monkeypatch.setattr(reactions, "RETRY_POLL", 0.05)


@pytest.fixture
def feed(databases):
    return Feed(databases.name, databases.amqp_url)


class Outside:
    """What the reaction does something to. It can be made to fail, for one event or for all."""

    def __init__(self, databases):
        with databases.engine("identity", "owner").begin() as connection:
            connection.execute(text("CREATE TABLE done (n serial, position bigint)"))
            connection.execute(text("GRANT ALL ON done, done_n_seq TO PUBLIC"))
        self._engine = databases.engine("identity")
        self.tried = []
        self.refuses = set()
        self.away = None

    def handle(self, connection, delivery):
        position = delivery.entry.position
        self.tried.append(position)
        if self.away is not None:
            raise self.away
        connection.execute(text("INSERT INTO done (position) VALUES (:position)"), {"position": position})
        if position in self.refuses:
            raise ValueError

    def done(self):
        with self._engine.connect() as connection:
            return list(connection.scalars(text("SELECT position FROM done ORDER BY n")))


@pytest.fixture
def outside(databases):
    return Outside(databases)


@contextmanager
def following(databases, feed, outside):
    """A courier of its own, as far as the reaction goes."""
    reaction = Reaction("test", (feed.name,), {"okacrm.test.happened": outside.handle})
    transaction = partial(cursor_transaction, databases.engine("identity"))
    broker = partial(open_connection, databases.amqp_url)
    with running() as (run, stopping):
        subscriber = Subscriber(f"{databases.name}-reader", reaction, transaction, broker, feed, stopping)
        run(Loop("test", subscriber.run))
        run(Loop("parked test", Retrier(reaction, transaction).retry_one, reactions.RETRY_POLL))
        yield


def rows(databases, query):
    with databases.engine("identity").connect() as connection:
        return connection.execute(text(query)).all()


def cursor(databases):
    found = rows(databases, "SELECT position FROM cursors WHERE subscription = 'test' AND epoch > 0")
    return found[0].position if found else None


def parked(databases):
    return [row.position for row in rows(databases, "SELECT position FROM parked_events ORDER BY position")]


def retry(databases, stream=None):
    with databases.engine("identity").begin() as connection:
        return want_again(connection, "test", stream)


def test_what_was_before_it_came_to_be_is_not_its_business(databases, feed, outside):
    feed.grow(5)
    with following(databases, feed, outside):
        eventually(lambda: cursor(databases) == 5)
        feed.publish(*feed.grow(3))
        eventually(lambda: len(outside.done()) == 3)
    assert outside.done() == [6, 7, 8]


def test_on_an_empty_feed_it_begins_with_the_first_event(databases, feed, outside):
    with following(databases, feed, outside):
        eventually(lambda: cursor(databases) == 0)
        feed.publish(*feed.grow(2))
        eventually(lambda: len(outside.done()) == 2)
    assert outside.done() == [1, 2]


def test_a_publisher_that_is_away_when_it_begins_is_waited_for(databases, feed, outside):
    feed.grow(2)
    feed.away = True
    with following(databases, feed, outside):
        eventually(lambda: feed.asked)
        feed.away = False
        eventually(lambda: cursor(databases) == 2)
        feed.grow(1)
        eventually(lambda: outside.done() == [3])


def test_what_happens_while_it_is_away_is_done_when_it_comes_back(databases, feed, outside):
    with following(databases, feed, outside):
        eventually(lambda: cursor(databases) == 0)
    feed.grow(4)
    with following(databases, feed, outside):
        eventually(lambda: len(outside.done()) == 4)
    assert outside.done() == [1, 2, 3, 4]


def test_duplicates_redelivery_and_a_second_courier_have_one_effect(databases, feed, outside):
    with following(databases, feed, outside), following(databases, feed, outside):
        eventually(lambda: cursor(databases) == 0)
        added = feed.grow(20)
        feed.publish(*added, *added[3:9], *reversed(added))
        eventually(lambda: len(outside.done()) >= 20)
        feed.publish(*feed.grow(1))
        eventually(lambda: cursor(databases) == 21)
    assert outside.done() == list(range(1, 22))


def test_an_event_that_keeps_failing_parks_its_stream_in_order_and_the_others_go_on(databases, feed, outside):
    outside.refuses = {2}
    with following(databases, feed, outside):
        eventually(lambda: cursor(databases) == 0)
        for stream in "aabab":
            feed.publish(*feed.grow(1, stream=stream))
        eventually(lambda: cursor(databases) == 5)
    assert outside.done() == [1, 3, 5]
    assert outside.tried.count(2) == ATTEMPTS
    assert 4 not in outside.tried
    assert parked(databases) == [2, 4]
    (stream,) = rows(databases, "SELECT stream, reason FROM parked_streams")
    assert tuple(stream) == ("a", "ValueError")


def test_an_event_that_fails_once_is_done_at_the_next_attempt_and_once(databases, feed, outside):
    outside.refuses = {1}
    with following(databases, feed, outside):
        eventually(lambda: cursor(databases) == 0)
        feed.publish(*feed.grow(2))
        eventually(lambda: outside.tried)
        outside.refuses = set()
        eventually(lambda: cursor(databases) == 2)
    assert outside.done() == [1, 2]
    assert parked(databases) == []


def test_a_parked_stream_is_taken_up_in_order_and_goes_on(databases, feed, outside):
    outside.refuses = {1}
    with following(databases, feed, outside):
        eventually(lambda: cursor(databases) == 0)
        feed.publish(*feed.grow(3))
        eventually(lambda: parked(databases) == [1, 2, 3])
        outside.refuses = set()
        assert retry(databases, "another") == 0
        assert retry(databases, "a") == 1
        eventually(lambda: not rows(databases, "SELECT FROM parked_streams"))
        feed.publish(*feed.grow(2))
        eventually(lambda: cursor(databases) == 5)
    assert outside.done() == [1, 2, 3, 4, 5]


def test_what_fails_again_stays_parked_with_everything_behind_it(databases, feed, outside):
    outside.refuses = {2}
    with following(databases, feed, outside):
        eventually(lambda: cursor(databases) == 0)
        feed.publish(*feed.grow(3))
        eventually(lambda: parked(databases) == [2, 3])
        assert retry(databases) == 1
        eventually(lambda: not rows(databases, "SELECT FROM parked_streams WHERE wanted"))
        feed.publish(*feed.grow(1))
        eventually(lambda: cursor(databases) == 4)
    assert outside.tried.count(2) == ATTEMPTS + 1
    assert parked(databases) == [2, 3, 4]
    assert outside.done() == [1]


@pytest.mark.parametrize(
    "outage",
    [OutsideAway(), Problem("service-unavailable"), OperationalError("", None, psycopg.errors.DiskFull())],
    ids=["outside", "service", "disk"],
)
def test_in_an_outage_everything_waits_and_nothing_is_parked(databases, feed, outside, outage):
    outside.away = outage
    with following(databases, feed, outside):
        eventually(lambda: cursor(databases) == 0)
        feed.publish(*feed.grow(1, stream="a"), *feed.grow(1, stream="b"))
        eventually(lambda: len(outside.tried) > ATTEMPTS)
        assert parked(databases) == []
        assert set(outside.tried) == {1}
        outside.away = None
        eventually(lambda: len(outside.done()) == 2)
    assert outside.done() == [1, 2]
    assert parked(databases) == []


@pytest.mark.parametrize(
    "error", [psycopg.errors.QueryCanceled(), psycopg.errors.DeadlockDetected()], ids=lambda each: type(each).__name__
)
def test_a_handler_that_always_takes_too_long_or_deadlocks_parks_its_stream(databases, feed, outside, error):
    outside.away = OperationalError("", None, error)
    with following(databases, feed, outside):
        eventually(lambda: cursor(databases) == 0)
        feed.publish(*feed.grow(1, stream="a"))
        eventually(lambda: parked(databases) == [1])
        assert outside.tried == [1] * ATTEMPTS
        outside.away = None
        feed.publish(*feed.grow(1, stream="b"))
        eventually(lambda: outside.done() == [2])


def test_an_unknown_key_is_a_matter_of_one_stream(databases, feed, outside):
    """It never stands for an outage: everybody else would wait for a key that may be lost for good."""
    outside.away = UnknownKey([uuid4()])
    with following(databases, feed, outside):
        eventually(lambda: cursor(databases) == 0)
        feed.publish(*feed.grow(1, stream="a"))
        eventually(lambda: parked(databases) == [1])
        outside.away = None
        feed.publish(*feed.grow(1, stream="b"))
        eventually(lambda: outside.done() == [2])


def test_an_outage_while_a_parked_stream_is_tried_again_leaves_it_to_be_tried(databases, feed, outside):
    outside.refuses = {1}
    with following(databases, feed, outside):
        eventually(lambda: cursor(databases) == 0)
        feed.publish(*feed.grow(1))
        eventually(lambda: parked(databases) == [1])
        tried, outside.refuses, outside.away = len(outside.tried), set(), OutsideAway()
        retry(databases)
        eventually(lambda: len(outside.tried) > tried)
        outside.away = None
        eventually(lambda: outside.done() == [1])
    assert parked(databases) == []


def test_events_of_no_interest_share_a_transaction(feed, outside):
    reaction = Reaction("test", (feed.name,), {"okacrm.test.other": outside.handle})
    entries = feed.grow(3)
    assert [len(step) for step in reaction.steps(entries)] == [3]
