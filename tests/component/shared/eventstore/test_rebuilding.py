"""Rebuilding goes on after any death, misses nothing that is written meanwhile, and harms nobody who works."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import text

from services.identity.accounts.projections import accounts
from services.identity.projections import projections
from shared.bus.outbox import outbox_session
from shared.contracts.events import contract_of
from shared.contracts.fields import ERASED
from shared.contracts.identity import AccountProfileChanged, AccountRegistered, AccountVerified
from shared.eventstore import rebuilding, twins
from shared.eventstore.projections import OwnProjection, OwnProjections
from shared.eventstore.rebuilding import Rebuilder, own_read_models, unfinished
from shared.eventstore.recorded import record
from shared.eventstore.store import append
from shared.eventstore.transaction import driver_of
from shared.eventstore.twins import CannotRebuild
from tests.component.rebuilding import rows_of
from tests.making import CIRCUMSTANCES, NOON, append_event, example_of

(ACCOUNTS,) = own_read_models(OwnProjections(accounts))


class Killed(BaseException):
    """Ends a process wherever it is."""


@pytest.fixture(autouse=True)
def small_windows(monkeypatch):
    monkeypatch.setattr(rebuilding, "WINDOW", 3)
    monkeypatch.setattr(rebuilding, "TELL_SECONDS", 0.0)


@pytest.fixture
def owner(databases):
    return databases.engine("identity", "owner")


def register(store, people=1):
    registered = [example_of(contract_of(AccountRegistered)) for _ in range(people)]
    for event in registered:
        append_event(store, event)
    return [event.account_id for event in registered]


def number(databases):
    with outbox_session(databases.engine("identity", autocommit=True)) as outbox:
        outbox.number(1_000)


def rebuilder(engine, *, tell=lambda line: None, pause=lambda seconds: None):
    return Rebuilder(engine, tell, pause)


def accounts_in(databases):
    return rows_of(databases, "identity", ["accounts"])["accounts"]


def spoil(owner):
    with owner.begin() as connection:
        connection.execute(text("DELETE FROM accounts"))


def test_a_rebuild_that_was_killed_goes_on_behind_its_last_batch(databases, owner, store):
    register(store, 10)
    number(databases)
    before, told = accounts_in(databases), []
    spoil(owner)

    def die_at_six(line):
        told.append(line)
        if "6 of 10" in line:
            raise Killed

    with pytest.raises(Killed):
        rebuilder(owner, tell=die_at_six).rebuild(ACCOUNTS)
    assert accounts_in(databases) == []
    with owner.connect() as connection:
        assert unfinished(connection) == {"accounts": 6}
    rebuilt = rebuilder(owner, tell=told.append).rebuild(ACCOUNTS)
    assert "accounts: goes on behind 6" in told
    assert rebuilt.places == 10
    assert accounts_in(databases) == before
    with owner.connect() as connection:
        assert unfinished(connection) == {}


def test_a_rebuild_begins_anew_where_that_is_asked_for_or_the_table_has_changed(databases, owner, store):
    register(store, 10)
    number(databases)

    def die(line):
        raise Killed

    for change, options in (("", {"anew": True}), ("ALTER TABLE accounts ADD COLUMN nickname text", {})):
        with pytest.raises(Killed):
            rebuilder(owner, tell=die).rebuild(ACCOUNTS)
        if change:
            with owner.begin() as connection:
                connection.execute(text(change))
        told = []
        rebuilder(owner, tell=told.append).rebuild(ACCOUNTS, **options)
        assert not any("goes on behind" in line for line in told)
    assert len(accounts_in(databases)) == 10


def test_what_is_written_meanwhile_is_in_the_rebuilt_tables(databases, owner, store):
    """Also what a transaction writes that has begun and waits for its commit when the tables are to be swapped."""
    (ada,) = register(store)
    number(databases)
    with store.engine.connect() as writing:
        writing.exec_driver_sql("BEGIN")
        work_of_another(writing, store, ada)

        def commit_at_last(seconds):
            if writing.connection.driver_connection.info.transaction_status.name != "IDLE":
                register(store)
                writing.exec_driver_sql("COMMIT")

        rebuilder(owner, pause=commit_at_last).rebuild(ACCOUNTS)
    rows = accounts_in(databases)
    assert len(rows) == 2
    assert sum("2030-01-01" in row for row in rows) == 1


def work_of_another(connection, store, account_id):
    """Verifies an account in a transaction that stays open."""
    event = AccountVerified(account_id=account_id, verified_at=datetime(2030, 1, 1, tzinfo=UTC))
    contract = contract_of(AccountVerified)
    recorded = record(
        event,
        contract,
        event_id=uuid4(),
        stream="another",
        version=1,
        now=NOON,
        circumstances=CIRCUMSTANCES,
        keyring=store.keyring,
    )
    append(driver_of(connection), [recorded])
    projections.project(connection, event, recorded)


def test_a_statement_that_was_prepared_before_the_swap_finds_the_new_table(databases, owner, store):
    """Connections of services live long, and PostgreSQL keeps the plans of what they ask often."""
    (ada,) = register(store)
    ask = text("SELECT verified_at FROM accounts WHERE account_id = :id")
    with store.engine.connect() as connection:
        for _ in range(10):
            connection.execute(ask, {"id": ada}).one()
        rebuilder(owner).rebuild(ACCOUNTS)
        append_event(store, replace(example_of(contract_of(AccountVerified)), account_id=ada))
        assert connection.execute(ask, {"id": ada}).one().verified_at is not None


def test_a_handler_that_writes_another_table_is_stopped_before_it_did(databases, owner, store):
    register(store)
    meddling = OwnProjection("meddling", "consents")

    @meddling.on(AccountRegistered)
    def delete_mails(connection, event, recorded):
        connection.execute(text("DELETE FROM mails WHERE account_id = :id"), {"id": event.account_id})

    (model,) = own_read_models(OwnProjections(meddling))
    with pytest.raises(CannotRebuild, match="meddling writes mails"):
        rebuilder(owner).rebuild(model)


def test_a_table_that_others_refer_to_is_not_rebuilt(owner):
    with owner.begin() as connection:
        connection.execute(text("CREATE TABLE friends (account_id uuid REFERENCES accounts)"))
    with pytest.raises(CannotRebuild, match="friends refers to"):
        rebuilder(owner).rebuild(ACCOUNTS)


def test_what_cannot_be_copied_is_noticed_before_anything_is_done(owner):
    with owner.begin() as connection:
        connection.execute(text("CREATE STATISTICS by_place ON country, time_zone FROM accounts"))
    with pytest.raises(CannotRebuild, match="is not copied"):
        rebuilder(owner).rebuild(ACCOUNTS)


def test_a_second_rebuild_of_the_same_database_is_refused(databases, owner, store):
    register(store, 10)
    number(databases)
    refused = []

    def rebuild_again(line):
        with pytest.raises(CannotRebuild) as refusal:
            rebuilder(databases.engine("identity", "superuser")).rebuild(ACCOUNTS)
        refused.append(str(refusal.value))

    rebuilder(owner, tell=rebuild_again).rebuild(ACCOUNTS)
    assert refused


def test_whoever_holds_a_table_for_too_long_is_given_way(databases, owner, store, monkeypatch):
    monkeypatch.setattr(rebuilding, "ATTEMPTS", 2)
    monkeypatch.setattr(rebuilding, "LOCK_MILLISECONDS", 10)
    register(store)
    with store.engine.connect() as reading:
        reading.exec_driver_sql("BEGIN")
        reading.execute(text("SELECT FROM accounts"))
        with pytest.raises(CannotRebuild, match="somebody holds a table"):
            rebuilder(owner).rebuild(ACCOUNTS)
        reading.exec_driver_sql("ROLLBACK")
    rebuilder(owner).rebuild(ACCOUNTS)


def test_rebuilding_waits_while_too_many_events_have_no_number(databases, owner, store, monkeypatch):
    monkeypatch.setattr(rebuilding, "MOST_WAITING", 3)
    register(store, 4)
    rebuilder(owner, pause=lambda seconds: number(databases)).rebuild(ACCOUNTS)
    with owner.connect() as connection:
        assert connection.scalar(text("SELECT position FROM feed_head")) == 4


def test_a_twin_is_like_its_table(owner):
    tables = ("notices", "notice_refusals", "erasures")
    with owner.begin() as connection:
        connection.execute(text("ALTER TABLE notices SET (fillfactor = 70)"))
        connection.execute(text("GRANT SELECT ON notices TO PUBLIC"))
        connection.execute(text("CREATE SCHEMA rebuilding"))
        twins.create(connection, tables)
        for table in tables:
            live = twins.description(connection, twins.LIVE, table)
            assert live == twins.description(connection, twins.TWINS, table)
        assert any("fillfactor=70" in line for line in twins.description(connection, twins.TWINS, "notices"))


def test_no_two_projections_have_one_table_or_one_name():
    for parts in ((OwnProjection("a", "t"), OwnProjection("b", "t")), (OwnProjection("a", "t"), OwnProjection("a"))):
        with pytest.raises(ValueError, match="belongs to two projections"):
            OwnProjections(*parts)


def test_personal_values_are_erased_for_a_handler_that_replays(store):
    recorded = append_event(store, example_of(contract_of(AccountProfileChanged)))
    assert recorded.unopened().name is ERASED
    assert recorded.sealed("name")
