"""The event store: one transaction, one effect, and nothing that was written is ever changed."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from services.identity.accounts.aggregate import Account
from shared.bus.outbox import outbox_session
from shared.contracts.events import contract_of
from shared.contracts.identity import ConsentGranted, ConsentGrantedV1
from shared.contracts.problems import Problem
from shared.eventstore.projections import OwnProjection, OwnProjections
from shared.eventstore.recorded import record
from shared.eventstore.store import START, FeedCursor, append, bodies, read_feed
from shared.eventstore.transaction import driver_of
from shared.runtime.clock import new_id
from tests.making import CIRCUMSTANCES, NOON, WORDING, command, registration


def register(store, **told):
    """A registered account, by its id."""

    def handler(work):
        account = Account(work.new_id())
        work.record(account, account.register("influencer", registration(**told), now=work.now))
        return {"account_id": str(account.id), "version": account.version}

    return UUID(store.perform(command(), handler)["account_id"])


def granting(account_id, purpose="product_news"):
    def handler(work):
        account = work.load(Account, account_id)
        work.record(account, account.grant_consent(purpose, WORDING, now=work.now))
        return {"version": account.version}

    return handler


def number_everything(engine):
    with outbox_session(engine) as outbox:
        outbox.number(10_000)


def count(store, table):
    with store.engine.connect() as connection:
        return connection.scalar(text(f"SELECT count(*) FROM {table}"))


def test_what_was_recorded_is_what_is_loaded(store):
    account = store.load(Account, register(store, name="Grace Hopper"))
    assert (account.name, account.version, account.registered_at) == ("Grace Hopper", 1, NOON)


def test_an_aggregate_can_be_loaded_as_it_was(store):
    account_id = register(store)
    store.perform(command(), granting(account_id))
    assert store.load(Account, account_id).consents
    assert not store.load(Account, account_id, up_to=1).consents


def test_an_event_that_was_recorded_under_an_older_version_still_counts(store, databases):
    account_id = register(store)
    older = ConsentGrantedV1(account_id=account_id, purpose="product_news", effective_at=NOON)
    recorded = record(
        older,
        contract_of(ConsentGrantedV1),
        event_id=new_id(),
        stream=Account.stream_of(account_id),
        version=2,
        now=NOON,
        circumstances=CIRCUMSTANCES,
        keyring=store.keyring,
    )
    with databases.engine("identity").begin() as connection:
        append(driver_of(connection), [recorded])
    assert store.load(Account, account_id).consents == {"product_news": NOON}
    with pytest.raises(Problem, match="consent-already-given"):
        store.perform(command(), granting(account_id))
    with store.engine.connect() as connection:
        assert bodies(connection, [recorded.event_id]) == [recorded.body]


def test_what_a_command_loads_twice_is_one_and_knows_what_was_decided(store):
    account_id = register(store)

    def grant_twice(work):
        granting(account_id)(work)
        granting(account_id, "usage_analytics")(work)
        return {}

    store.perform(command(), grant_twice)
    assert set(store.load(Account, account_id).consents) == {"product_news", "usage_analytics"}


def test_the_same_command_is_answered_the_same_and_has_one_effect(store):
    account_id = register(store)
    asked = command(purpose="product_news")
    first = store.perform(asked, granting(account_id))
    assert store.perform(asked, granting(account_id)) == first
    assert store.load(Account, account_id).version == 2


def test_the_same_command_at_once_has_one_effect(store):
    account_id = register(store)
    asked, start = command(), threading.Barrier(8)

    def ask(_):
        start.wait()
        return store.perform(asked, granting(account_id))

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(8)))
    assert answers == [{"version": 2}] * 8
    assert count(store, "events") == 2


def test_different_commands_at_once_all_get_their_turn(store):
    account_ids = [register(store) for _ in range(3)]
    purposes = ["product_news", "usage_analytics", "partner_introductions"]
    asked = [(command(), granting(account_id, purpose)) for account_id in account_ids for purpose in purposes]
    with ThreadPoolExecutor(9) as threads:
        list(threads.map(lambda each: store.perform(*each), asked))
    assert all(len(store.load(Account, account_id).consents) == 3 for account_id in account_ids)


def test_commands_that_lock_each_other_out_both_get_their_turn(store):
    """One of them is chosen by the database to give way, and is done again."""
    both_hold_one = threading.Barrier(2)
    attempts = []

    def locking(first, second):
        def handler(work):
            attempts.append(first)
            work.connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": first})
            if len(attempts) <= 2:
                both_hold_one.wait(timeout=30)
            work.connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": second})
            return {"version": first}

        return handler

    with ThreadPoolExecutor(2) as pool:
        outcomes = [pool.submit(store.perform, command(), locking(*keys)) for keys in ((1, 2), (2, 1))]
        assert [each.result() for each in outcomes] == [{"version": 1}, {"version": 2}]
    assert len(attempts) == 3


def test_a_refusal_is_an_answer_that_stands(store):
    account_id = register(store)
    asked = command()

    def withdraw(work):
        account = work.load(Account, account_id)
        work.record(account, account.withdraw_consent("product_news", now=work.now))
        return {}

    with pytest.raises(Problem, match="consent-not-given"):
        store.perform(asked, withdraw)
    store.perform(command(), granting(account_id))
    with pytest.raises(Problem, match="consent-not-given") as refusal:
        store.perform(asked, withdraw)
    assert refusal.value.members == {"purpose": "product_news"}


def test_a_command_id_cannot_be_used_for_something_else(store):
    account_id = register(store)
    asked = command(purpose="product_news")
    store.perform(asked, granting(account_id))
    with pytest.raises(Problem, match="idempotency-key-reused"):
        store.perform(command(id=asked.id, purpose="usage_analytics"), granting(account_id, "usage_analytics"))


def test_a_handler_that_fails_leaves_nothing(store):
    account_id = register(store)

    def fail(work):
        granting(account_id)(work)
        raise RuntimeError("after everything was decided")

    with pytest.raises(RuntimeError):
        store.perform(command(), fail)
    assert (count(store, "events"), count(store, "outbox"), count(store, "commands")) == (1, 1, 1)


def test_a_projection_that_fails_leaves_nothing(databases, store):
    account_id, failing = register(store), OwnProjection("failing")

    @failing.on(ConsentGranted)
    def fail(connection, event, recorded):
        raise RuntimeError("after the events were sent")

    broken = databases.event_store(projections=OwnProjections(failing))
    with pytest.raises(RuntimeError):
        broken.perform(command(), granting(account_id))
    assert (count(store, "events"), count(store, "outbox"), count(store, "commands")) == (1, 1, 1)


def told_twice(store, account_id):
    """The account as the next command gets it, and as its events tell it."""
    seen = []

    def look(work):
        seen.append(copy(work.load(Account, account_id)))
        return {}

    store.perform(command(), look)
    told = store.load(Account, account_id)
    assert seen[0].version == told.version
    return seen[0], told


def test_an_aggregate_kept_in_memory_is_what_its_events_tell(store):
    account_id = register(store)
    store.perform(command(), granting(account_id))

    def rename(work):
        account = work.load(Account, account_id)
        work.record(account, account.change_profile({"name": "Grace Hopper"}, now=work.now))
        return {}

    store.perform(command(), rename)
    kept, told = told_twice(store, account_id)
    assert kept == told
    assert (kept.version, kept.name) == (3, "Grace Hopper")


def test_what_another_process_did_is_seen_by_the_next_command(databases, store):
    account_id, other = register(store), databases.event_store()
    store.perform(command(), granting(account_id))
    other.perform(command(), granting(account_id, "usage_analytics"))
    kept, told = told_twice(store, account_id)
    assert kept == told
    assert set(kept.consents) == {"product_news", "usage_analytics"}


def test_what_was_decided_and_not_committed_is_not_kept_in_memory(store):
    account_id = register(store)
    store.perform(command(), granting(account_id))

    def fail(work):
        granting(account_id, "usage_analytics")(work)
        raise RuntimeError("after everything was decided")

    with pytest.raises(RuntimeError):
        store.perform(command(), fail)
    kept, told = told_twice(store, account_id)
    assert kept == told
    assert set(kept.consents) == {"product_news"}


def test_no_personal_value_and_no_secret_is_stored_in_the_clear(store):
    told = {"email": "needle@haystack.example", "name": "Needle Haystack", "time_zone": "Antarctica/Troll"}
    register(store, **told)
    with store.engine.connect() as connection:
        for table in ("events", "commands", "outbox", "accounts"):
            dump = str(connection.execute(text(f"SELECT * FROM {table}")).all())
            assert not any(value in dump for value in told.values())


@pytest.mark.parametrize(("role", "refusal"), [("service", "permission denied"), ("owner", "only grows")])
def test_the_database_itself_refuses_to_change_what_was_written(databases, store, role, refusal):
    register(store)
    number_everything(store.engine)
    for table in ("events", "feed"):
        for change in ("UPDATE {} SET event_id = event_id", "DELETE FROM {}", "TRUNCATE {} CASCADE"):
            with databases.engine("identity", role).connect() as connection, pytest.raises(DBAPIError, match=refusal):
                connection.execute(text(change.format(table)))


def test_a_replication_role_is_refused_too(databases, store):
    register(store)
    with databases.engine("identity", "superuser").connect() as connection:
        connection.execute(text("SET session_replication_role = replica"))
        with pytest.raises(DBAPIError, match="only grows"):
            connection.execute(text("DELETE FROM events"))


def test_the_service_cannot_drop_what_protects_the_events(store):
    with store.engine.connect() as connection, pytest.raises(ProgrammingError, match="must be owner"):
        connection.execute(text("DROP TRIGGER events_only_grows ON events"))


def test_the_feed_numbers_every_event_once_in_the_order_of_its_streams(store):
    account_ids = [register(store) for _ in range(5)]
    for account_id in account_ids:
        store.perform(command(), granting(account_id))
    number_everything(store.engine)
    with store.engine.connect() as connection:
        page = read_feed(connection, START)
    assert [entry.position for entry in page.entries] == list(range(1, 11))
    assert page.head == 10


def test_the_feed_is_read_in_pages_bounded_by_bytes_of_at_least_one_event(store):
    for _ in range(6):
        register(store)
    number_everything(store.engine)
    with store.engine.connect() as connection:
        whole = read_feed(connection, START).entries
        size = len(whole[0].body)
        assert len(read_feed(connection, START, byte_limit=1).entries) == 1
        assert 1 <= len(read_feed(connection, START, byte_limit=3 * size).entries) <= 3
        assert len(read_feed(connection, START, row_limit=4).entries) == 4
        third = whole[2]
        after = FeedCursor(third.epoch, third.position, UUID(_event_id(third)))
        assert read_feed(connection, after).entries == whole[3:]


@pytest.mark.parametrize("doubt", [{"event_id": uuid4()}, {"position": 99}, {"epoch": 2}])
def test_a_cursor_that_the_feed_does_not_hold_is_not_answered(store, doubt):
    register(store)
    number_everything(store.engine)
    with store.engine.connect() as connection:
        first = read_feed(connection, START).entries[0]
        known = {"epoch": first.epoch, "position": first.position, "event_id": UUID(_event_id(first))}
        with pytest.raises(Problem, match="feed-cursor-unknown"):
            read_feed(connection, FeedCursor(**known | doubt))


def test_the_event_store_works_without_green_threads():
    program = "import sys, shared.eventstore.work, shared.bus.relay; sys.exit('eventlet' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def _event_id(entry):
    return str(entry.recorded.event_id)
