"""The relay: what is committed is numbered once, in order, and published; what is not committed never is."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import partial

import amqp
import pytest
from sqlalchemy import text

from services.identity.accounts.aggregate import Account
from shared.bus.connection import open_connection
from shared.bus.envelope import exchange_name, from_wire
from shared.bus.loops import Loop
from shared.bus.outbox import outbox_session
from shared.bus.relay import Relay
from shared.contracts.events import contract_of
from shared.eventstore.recorded import record
from shared.eventstore.store import START, append, read_feed
from shared.eventstore.transaction import driver_of
from shared.runtime.clock import new_id
from shared.runtime.database import connect_for_leading
from tests.making import CIRCUMSTANCES, NOON, command, eventually, registration, running


def register(store, people=1):
    for _ in range(people):

        def handler(work):
            account = Account(work.new_id())
            work.record(account, account.register("influencer", registration(), now=work.now))
            return {}

        store.perform(command(), handler)


def recorded_registration(store):
    account = Account(new_id())
    (event,) = account.register("influencer", registration(), now=NOON)
    return record(
        event,
        contract_of(type(event)),
        event_id=new_id(),
        stream=account.stream,
        version=1,
        now=NOON,
        circumstances=CIRCUMSTANCES,
        keyring=store.keyring,
    )


@contextmanager
def relaying(databases):
    engine = connect_for_leading(databases.url("identity"), application_name="relay")
    connect_broker = partial(open_connection, databases.amqp_url)
    with running() as (run, stopping):
        relay = Relay(databases.name, partial(outbox_session, engine), connect_broker, stopping)
        run(Loop("relay", relay.run))
        yield engine
    engine.dispose()


@pytest.fixture
def received(databases):
    """Entries that a subscriber hears, in the order in which it hears them."""
    entries, stopping = [], threading.Event()
    connection = open_connection(databases.amqp_url, name="listener")
    channel = connection.channel()
    channel.exchange_declare(exchange_name(databases.name), "topic", durable=True, auto_delete=False)
    queue = channel.queue_declare("", exclusive=True).queue
    channel.queue_bind(queue, exchange_name(databases.name), routing_key="#")
    channel.basic_consume(queue, no_ack=True, callback=lambda message: entries.append(_entry(message)))

    def listen():
        while not stopping.is_set():
            try:
                connection.drain_events(timeout=0.1)
            except TimeoutError:
                continue

    thread = threading.Thread(target=listen)
    thread.start()
    yield entries
    stopping.set()
    thread.join()
    connection.close()


def _entry(message: amqp.Message):
    body = message.body
    return from_wire("identity", body.encode() if isinstance(body, str) else bytes(body))


def head(store):
    with store.engine.connect() as connection:
        return connection.execute(text("SELECT position, published FROM feed_head")).one()


def test_every_event_is_published_once_and_in_feed_order(databases, store, received):
    register(store, 20)
    with relaying(databases):
        eventually(lambda: head(store).published == 20)
        register(store, 20)
        eventually(lambda: len(received) >= 40)
    assert [entry.position for entry in received] == list(range(1, 41))
    ids = [entry.recorded.event_id for entry in received]
    assert [entry.previous for entry in received] == [None, *ids[:-1]]


def test_the_message_carries_the_stored_bytes(databases, store, received):
    register(store)
    with relaying(databases):
        eventually(lambda: received)
    with store.engine.connect() as connection:
        assert received == list(read_feed(connection, START).entries)


def test_what_is_not_committed_is_not_published(databases, store, received):
    def fail(work):
        account = Account(work.new_id())
        work.record(account, account.register("influencer", registration(), now=work.now))
        raise RuntimeError

    with relaying(databases):
        with pytest.raises(RuntimeError):
            store.perform(command(), fail)
        register(store)
        eventually(lambda: received)
    assert [entry.position for entry in received] == [1]


def test_an_event_that_commits_late_is_numbered_late_and_not_lost(databases, store):
    """Ids are given before the commit: the row with the lower id may become visible after the higher one."""
    late = recorded_registration(store)
    with relaying(databases), store.engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")
        append(driver_of(connection), [late])
        register(store, 3)
        eventually(lambda: head(store).published == 3)
        connection.exec_driver_sql("COMMIT")
        eventually(lambda: head(store).published == 4)
    with store.engine.connect() as connection:
        assert read_feed(connection, START).entries[3].body == late.body


def test_two_relays_number_as_one(databases, store, received):
    with relaying(databases), relaying(databases):
        register(store, 30)
        eventually(lambda: head(store).published == 30)
    with store.engine.connect() as connection:
        assert [entry.position for entry in read_feed(connection, START).entries] == list(range(1, 31))


def test_a_relay_that_lost_its_connection_goes_on(databases, store, received):
    with relaying(databases):
        register(store, 5)
        eventually(lambda: head(store).published == 5)
        with databases.engine("identity", "superuser").connect() as connection:
            ended = connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'relay' AND datname = current_database()"
                )
            ).all()
        assert ended
        register(store, 5)
        eventually(lambda: head(store).published == 10)
    assert sorted({entry.position for entry in received}) == list(range(1, 11))


def test_a_leader_that_stops_moving_loses_its_lead(databases, store):
    """Stands for a stopped process: a connection that holds the lock and says nothing more."""
    engine = connect_for_leading(databases.url("identity"), application_name="stopped")
    with engine.connect() as stopped:
        stopped.execute(text("SELECT pg_advisory_lock(hashtextextended('okacrm.relay', 0))"))
        stopped.commit()
        register(store)
        with relaying(databases):
            eventually(lambda: head(store).published == 1)
        stopped.invalidate()
    engine.dispose()
