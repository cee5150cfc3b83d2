"""What serves nobody any more is deleted after its time, by the database's clock and in small steps."""

from __future__ import annotations

from datetime import timedelta
from threading import Event
from uuid import uuid4

import pytest
from sqlalchemy import text

from services.identity.access.pruning import PRUNED
from shared.eventstore import pruning
from shared.eventstore.pruning import COMMANDS, Pruner

A_MOMENT = timedelta(minutes=1)
ROWS = {
    "commands": "(command_id, fingerprint, outcome, recorded_at) VALUES (:uuid, :bytes, :bytes, :since)",
    "mails": """
        (event_id, template, recipient, account_id, state, settled_at)
        VALUES (:uuid, 'email_changed', :bytes, :uuid, 'sent', :since)
    """,
    "security_signals": "(signal_id, kind, occurred_at) VALUES (:uuid, 'new_device', :since)",
    "session_tokens": """
        (token_hash, session_id, account_id, guard, expires_at) VALUES (:bytes, :uuid, :uuid, 'client', :since)
    """,
    "sessions": "(session_id, account_id, guard, opened_at) VALUES (:uuid, :uuid, 'client', :since)",
    "cookie_choices": """
        (subject_id, purpose, state, effective_at, expires_at)
        VALUES (:uuid, 'cookies_analytics', 'refused', :since, :since)
    """,
    "link_tokens": """
        (token_hash, purpose, account_id, request_id, expires_at) VALUES (:bytes, 'any', :uuid, :uuid, :since)
    """,
    "guard_requests": """
        (request_id, account_id, guard, requested_at, expires_at) VALUES (:uuid, :uuid, 'staff', :since, :since)
    """,
    "ended_tokens": "(token_hash, account_id, ended_at) VALUES (:bytes, :uuid, :since)",
    "throttles": "(throttle_key, failures, last_failed_at) VALUES (:bytes, 1, :since)",
    "failed_addresses": "(network_index, email_index, failed_at) VALUES (:bytes, :bytes, :since)",
}
"""How a row of each table that is pruned is made."""


class Store:
    """A database of identity, under the role of the service."""

    def __init__(self, engine):
        self._engine = engine

    def add(self, table, age):
        """A row that is as old as that, by the clock of the database."""
        id = uuid4()
        with self._engine.begin() as connection:
            since = connection.scalar(text("SELECT now() - :age"), {"age": age})
            row = {"uuid": id, "bytes": id.bytes, "since": since}
            connection.execute(text(f"INSERT INTO {table} {ROWS[table]}"), row)

    def count(self, table):
        with self._engine.connect() as connection:
            return connection.scalar(text(f"SELECT count(*) FROM {table}"))

    def prune(self):
        Pruner(self._engine, PRUNED, Event()).prune()


@pytest.fixture
def stored(databases):
    return Store(databases.engine("identity"))


def test_rows_of_every_kind_go_after_their_time_and_not_before(stored):
    assert ROWS.keys() == {prune.table for prune in PRUNED}
    for prune in PRUNED:
        stored.add(prune.table, prune.kept - A_MOMENT)
        stored.add(prune.table, prune.kept + A_MOMENT)
    stored.prune()
    assert {table: stored.count(table) for table in ROWS} == dict.fromkeys(ROWS, 1)


def test_a_mail_that_waits_is_never_too_old(stored, databases):
    with databases.engine("identity").begin() as connection:
        connection.execute(
            text("""
                INSERT INTO mails (event_id, template, recipient, account_id, address, created_at)
                VALUES (:uuid, 'email_changed', 'somebody', :uuid, 'sealed', now() - interval '10 years')
            """),
            {"uuid": uuid4()},
        )
    stored.prune()
    assert stored.count("mails") == 1


def test_many_rows_go_in_small_steps(stored, monkeypatch):
    monkeypatch.setattr(pruning, "BATCH", 2)
    for _ in range(5):
        stored.add("commands", COMMANDS.kept + A_MOMENT)
    stored.prune()
    assert stored.count("commands") == 0


def test_a_row_that_is_in_use_is_left_and_waited_for_by_nobody(stored, databases):
    stored.add("throttles", timedelta(days=1))
    with databases.engine("identity").begin() as connection:
        connection.execute(text("SELECT FROM throttles FOR UPDATE"))
        stored.prune()
    assert stored.count("throttles") == 1
    stored.prune()
    assert stored.count("throttles") == 0
