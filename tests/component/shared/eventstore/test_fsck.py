"""The checker of an event store finds everything that is broken on purpose, and repeats no value."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text

from services.identity.accounts.aggregate import Account
from shared.eventstore.fsck import check_events, has_events
from shared.runtime.checking import Finding, Report, at_one_moment
from tests.component.conftest import Databases
from tests.making import NOON, WORDING, command, registration

SECRET = "ada.lovelace@example.org"
NUMBER = """
    INSERT INTO feed SELECT row_number() OVER (ORDER BY id), 1, event_id FROM outbox ORDER BY id LIMIT 25;
    UPDATE feed_head SET position = 25, published = 24;
    DELETE FROM outbox WHERE event_id IN (SELECT event_id FROM feed)
"""


def altered(what: str, new: str) -> str:
    """Another text in the stored bytes of an event that registers somebody."""
    return f"""
        UPDATE events SET body = convert_to(regexp_replace(convert_from(body, 'UTF8'), '{what}', '{new}'), 'UTF8')
        WHERE event_id = (SELECT event_id FROM feed WHERE position = 4)
    """


OTHER = "00000000-0000-7000-8000-000000000000"
PLANTS = {
    "event-not-in-feed": "DELETE FROM feed WHERE position = 25",
    "event-in-feed-and-outbox": "INSERT INTO outbox (event_id) SELECT event_id FROM feed WHERE position = 1",
    "event-placed-twice": """
        ALTER TABLE feed DROP CONSTRAINT feed_event_id_key;
        INSERT INTO feed SELECT 26, 1, event_id FROM feed WHERE position = 1
    """,
    "feed-position-repeated": """
        ALTER TABLE feed DROP CONSTRAINT feed_pkey;
        UPDATE feed SET position = 24 WHERE position = 25
    """,
    "feed-hole": "DELETE FROM feed WHERE position = 7",
    "epoch-goes-back": "UPDATE feed SET epoch = 2 WHERE position = 7",
    "feed-row-without-event": "DELETE FROM events WHERE event_id = (SELECT event_id FROM feed WHERE position = 25)",
    "outbox-row-without-event": "INSERT INTO outbox (event_id) VALUES (gen_random_uuid())",
    "feed-head-missing": "DELETE FROM feed_head",
    "feed-head-differs": "UPDATE feed_head SET position = 26",
    "feed-ahead-of-its-epoch": "UPDATE feed SET epoch = 2 WHERE position > 7",
    "published-beyond-head": """
        ALTER TABLE feed_head DROP CONSTRAINT feed_head_check;
        UPDATE feed_head SET published = 30
    """,
    "stream-not-contiguous": "UPDATE events SET version = 20 WHERE version = 2",
    "feed-not-in-stream-order": """
        UPDATE feed SET position = 1000 - position;
        UPDATE feed SET position = position - 974
    """,
    "outbox-not-in-stream-order": """
        CREATE TEMPORARY TABLE old AS SELECT * FROM outbox;
        DELETE FROM outbox;
        INSERT INTO outbox (event_id) SELECT event_id FROM old ORDER BY id DESC
    """,
    "event-not-canonical": altered('"data":', f'"data": "{SECRET}",'),
    "event-malformed": "UPDATE events SET body = convert_to('{\"id\":1}', 'UTF8') WHERE version = 2",
    "event-differs-from-its-row": f"UPDATE events SET type = '{SECRET}' WHERE version = 2",
    "sealed-field-of-another-event": altered('"event":"[0-9a-f-]*"', f'"event":"{OTHER}"'),
    "sealed-field-of-another-field": altered('"field":"email"', '"field":"name"'),
    "sealed-field-of-another-subject": altered('"subject":"[0-9a-f-]*"\\}', f'"subject":"{OTHER}"}}'),
    "sealed-field-malformed": altered('"ciphertext":"[^"]*"', '"ciphertext":"QUJD"'),
    "personal-field-not-sealed": altered('"email":\\{[^}]*\\}', f'"email":"{SECRET}"'),
}
COLUMNS = {
    "id": f"event_id = '{OTHER}'",
    "stream": "stream = 'account-x'",
    "version": "version = 9",
    "type": "type = 'okacrm.identity.nothing'",
    "schema version": "schema_version = 9",
    "source": altered('"/services/identity"', '"/services/billing"').strip(),
}


def plant(databases: Databases, statements: str) -> None:
    with databases.engine("identity", "superuser").begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for table in ("events", "feed"):
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        for statement in statements.split(";"):
            connection.exec_driver_sql(statement)


@pytest.fixture(scope="module")
def filled(servers, templates):
    """Ten people with three events each, of which 25 are in the feed and five wait."""
    databases = Databases(servers, templates)
    store = databases.event_store()
    for _ in range(10):

        def handler(work):
            account = Account(work.new_id())
            work.record(account, account.register("influencer", registration(), now=NOON))
            work.record(account, account.grant_consent("product_news", WORDING, now=NOON))
            work.record(account, account.withdraw_consent("product_news", now=NOON))
            return {}

        store.perform(command(), handler)
    plant(databases, NUMBER)
    databases.rest()
    yield databases
    databases.close()


@pytest.fixture
def copied(filled):
    filled.rest()
    identity = replace(filled.templates["identity"], name=filled.name_of("identity"))
    databases = Databases(filled.platform, filled.templates | {"identity": identity})
    yield databases
    databases.close()


def checked(databases):
    findings: list[Finding] = []
    report = Report(tell=findings.append)
    with at_one_moment(databases.engine("identity")) as connection:
        check_events(connection, "identity", report)
    lines = [str(finding) for finding in findings]
    assert not any(SECRET in line or "\n" in line for line in lines)
    return findings, report


def test_a_store_that_nobody_touched_is_clean_and_everything_of_it_was_looked_at(filled):
    findings, report = checked(filled)
    assert findings == []
    assert report.looked_at["events"] == 30
    assert report.looked_at["feed rows"] == 25
    assert report.looked_at["sealed fields"] >= 20


def test_an_empty_store_is_clean(databases):
    assert checked(databases)[0] == []


@pytest.mark.parametrize("what", PLANTS)
def test_what_is_broken_is_found(copied, what):
    plant(copied, PLANTS[what])
    findings, _ = checked(copied)
    assert what in {finding.what for finding in findings}


@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_that_contradicts_the_bytes_is_found(copied, column):
    change = COLUMNS[column]
    if not change.startswith("UPDATE"):
        change = f"UPDATE events SET {change} WHERE event_id = (SELECT event_id FROM feed WHERE position = 4)"
    plant(copied, change)
    findings, _ = checked(copied)
    assert any(
        finding.what == "event-differs-from-its-row" and finding.where.endswith(f", {column}") for finding in findings
    )


def test_a_database_without_events_is_told_apart(databases):
    with at_one_moment(databases.engine("keyring")) as connection:
        assert not has_events(connection)
