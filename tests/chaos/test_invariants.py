"""The judge must be able to condemn: what is broken on purpose, in a transaction that is rolled back, is reported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from deploy.local.platform import Platform
from tests.chaos.faults import Disturbed
from tests.chaos.load import Load
from tests.invariants import (
    AUDIT,
    BROKEN,
    DUPLICATED,
    FORK,
    LOST,
    Answer,
    Findings,
    Log,
    Store,
    judge,
    owner_connection,
    read_log,
    read_store,
)

LEAVES = 260
"""Enough for a full tile."""

PLANTS = {
    "an event without a feed row": (
        "identity",
        "DELETE FROM feed WHERE position = 30",
        {LOST, BROKEN},
    ),
    "a hole in the feed": (
        "identity",
        "UPDATE feed SET position = position + 1000 WHERE position = (SELECT max(position) FROM feed)",
        {LOST, BROKEN},
    ),
    "two positions of a stream swapped": (
        "identity",
        """
        UPDATE feed SET position = CASE position WHEN a THEN b ELSE a END + 1000000 FROM (
            SELECT min(position) AS a, max(position) AS b FROM feed JOIN events USING (event_id)
            WHERE stream = (SELECT stream FROM events GROUP BY stream ORDER BY count(*) DESC LIMIT 1)
        ) AS pair WHERE position IN (a, b);
        UPDATE feed SET position = position - 1000000 WHERE position > 1000000
        """,
        {LOST, BROKEN},
    ),
    "an event forgotten with its feed row": (
        "identity",
        """
        DELETE FROM feed WHERE position = (SELECT max(position) FROM feed);
        DELETE FROM events WHERE event_id NOT IN (SELECT event_id FROM feed)
        """,
        {LOST, BROKEN},
    ),
    "an effect done twice": (
        "identity",
        """
        WITH copied AS (
            INSERT INTO events SELECT gen_random_uuid(), stream, version + 100000, type, schema_version, body
            FROM events WHERE event_id = (SELECT event_id FROM feed ORDER BY position DESC LIMIT 1) RETURNING event_id
        ) INSERT INTO feed SELECT max(position) + 1, 1, (SELECT event_id FROM copied) FROM feed
        """,
        {DUPLICATED},
    ),
    "an event body altered": (
        "identity",
        r"""
        UPDATE events SET body = convert_to(replace(convert_from(body, 'UTF8'), '"purpose":"', '"purpose":"x'), 'UTF8')
        WHERE type LIKE '%consent_granted'
        """,
        {FORK},
    ),
    "an event left in the outbox": (
        "identity",
        "INSERT INTO outbox (event_id) SELECT event_id FROM feed WHERE position = 1",
        {LOST},
    ),
    "the record of a command forgotten": (
        "identity",
        "DELETE FROM commands WHERE command_id = (SELECT command_id FROM commands LIMIT 1)",
        {LOST},
    ),
    "a read model that missed an event": (
        "identity",
        "UPDATE consents SET state = CASE state WHEN 'granted' THEN 'withdrawn' ELSE 'granted' END",
        {BROKEN},
    ),
    "a session that outlived its end": (
        "identity",
        "INSERT INTO session_tokens SELECT '\\x00', gen_random_uuid(), account_id, guard, expires_at "
        "FROM session_tokens LIMIT 1",
        {BROKEN},
    ),
    "a leaf deleted": (
        AUDIT,
        """
        DELETE FROM consents WHERE leaf_index = (SELECT max(leaf_index) FROM leaves);
        DELETE FROM sealed_values WHERE leaf_index = (SELECT max(leaf_index) FROM leaves);
        DELETE FROM leaf_terms WHERE leaf_index = (SELECT max(leaf_index) FROM leaves);
        DELETE FROM leaves WHERE leaf_index = (SELECT max(leaf_index) FROM leaves)
        """,
        {LOST},
    ),
    "two leaves swapped": (
        AUDIT,
        """
        CREATE TEMPORARY TABLE pair ON COMMIT DROP AS SELECT * FROM leaves WHERE leaf_index IN (40, 41);
        UPDATE leaves SET event_id = gen_random_uuid(), position = position + 100000 WHERE leaf_index IN (40, 41);
        UPDATE leaves SET leaf = pair.leaf, leaf_hash = pair.leaf_hash, event_id = pair.event_id,
            position = pair.position, type = pair.type, actor = pair.actor, occurred_at = pair.occurred_at
        FROM pair WHERE leaves.leaf_index = 81 - pair.leaf_index AND leaves.leaf_index IN (40, 41)
        """,
        {FORK},
    ),
    "a leaf altered together with its hash": (
        AUDIT,
        """
        UPDATE leaves SET leaf = convert_to(replace(convert_from(leaf, 'UTF8'), '"v":1', '"v":2'), 'UTF8')
        WHERE leaf_index = 50;
        UPDATE leaves SET leaf_hash = sha256('\\x00'::bytea || leaf) WHERE leaf_index = 50
        """,
        {FORK},
    ),
    "a column that contradicts its leaf": (
        AUDIT,
        "UPDATE leaves SET type = 'okacrm.identity.nothing' WHERE leaf_index = 60",
        {FORK},
    ),
    "a tile altered": (
        AUDIT,
        "UPDATE tiles SET root = sha256(root)",
        {FORK},
    ),
    "a checkpoint of another tree": (
        AUDIT,
        "UPDATE checkpoints SET note = (SELECT note FROM checkpoints ORDER BY size LIMIT 1) "
        "WHERE size = (SELECT max(size) FROM checkpoints)",
        {FORK},
    ),
    "a checkpoint with one letter changed": (
        AUDIT,
        "UPDATE checkpoints SET note = translate(note, 'ABC', 'BCA')",
        {FORK},
    ),
    "a sealed value replaced": (
        AUDIT,
        "UPDATE sealed_values SET ciphertext = sha256(ciphertext)",
        {LOST},
    ),
    "a cursor ahead of the feed": (
        AUDIT,
        "UPDATE cursors SET position = position + 1",
        {LOST},
    ),
    "a subscription that halted": (
        AUDIT,
        "UPDATE cursors SET halted = 'handler-failed'",
        {BROKEN},
    ),
    "a consent missing in the register": (
        AUDIT,
        "DELETE FROM consents WHERE leaf_index = (SELECT max(leaf_index) FROM consents)",
        {LOST},
    ),
}
GUARDED = {"identity": ("events", "feed"), AUDIT: ("leaves", "leaf_terms", "tiles", "checkpoints", "consents")}


class Court:
    """What is stored, read over connections in which anything can be broken and nothing stays broken."""

    def __init__(self, platform: Platform, load: Load, connections: ExitStack) -> None:
        self.platform = platform
        self.answers = dict(load.answers)
        self.connections = {
            name: connections.enter_context(owner_connection(platform, name)) for name in ("identity", AUDIT)
        }

    def plant(self, name: str, statements: str) -> None:
        """Does what the database refuses, as its owner, after switching the refusal off."""
        connection = self.connections[name]
        for table in GUARDED[name]:
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in statements.split(";"):
            connection.execute(statement)

    def read(self) -> tuple[dict[str, Store], Log]:
        stores = {name: read_store(connection, name) for name, connection in self.connections.items()}
        return stores, read_log(self.connections[AUDIT], self.platform)

    def judge(self) -> Findings:
        return judge(*self.read(), self.answers)

    def close(self) -> None:
        for connection in self.connections.values():
            connection.rollback()


@pytest.fixture
def court(platform: Platform, load: Load, disturbed: Disturbed) -> Iterator[Court]:
    while load.accepted < LEAVES:
        load.run(LEAVES - load.accepted)
    disturbed.await_rest()
    with ExitStack() as connections:
        court = Court(platform, load, connections)
        yield court
        court.close()


def test_an_undisturbed_platform_is_found_sound(court: Court) -> None:
    findings = court.judge()
    assert not findings, str(findings)
    assert findings.looked_at["leaves"] >= LEAVES


@pytest.mark.parametrize("plant", PLANTS)
def test_what_is_broken_in_a_database_is_reported(court: Court, plant: str) -> None:
    name, statements, expected = PLANTS[plant]
    court.plant(name, statements)
    findings = court.judge()
    assert expected <= {item.kind for item in findings.items}, str(findings)


def test_an_archive_that_differs_is_reported(court: Court) -> None:
    stores, log = court.read()
    altered = [*log.archive]
    altered[7] = altered[7].replace(b'"v":1', b'"v":2')
    assert judge(stores, replace(log, archive=altered), court.answers).forks == 1
    assert judge(stores, replace(log, archive=log.archive[:-1]), court.answers).lost == 1
    assert judge(stores, replace(log, archive=[*log.archive, b"{}"]), court.answers).lost == 1


def test_a_guard_that_is_not_the_newest_checkpoint_is_reported(court: Court) -> None:
    stores, log = court.read()
    assert judge(stores, replace(log, guard=log.checkpoints[0].note), court.answers).forks > 0


def test_an_answer_that_nothing_came_of_is_reported(court: Court) -> None:
    unheard = Answer("00000000-0000-8000-8000-000000000000", 200, {})
    court.answers["unheard"] = unheard
    assert court.judge().lost == 1


def test_an_answer_that_names_another_effect_is_reported(court: Court) -> None:
    key, answer = next(
        (key, answer) for key, answer in court.answers.items() if answer.accepted and "stream" in answer.document
    )
    court.answers[key] = replace(answer, document={**answer.document, "version": 9_999_999})
    assert court.judge().lost == 1
