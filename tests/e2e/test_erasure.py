"""After the keys of a person are destroyed, nothing of them can be found or read, and every older proof stays valid."""

from __future__ import annotations

import uuid

import psycopg
import pytest

from services.audit.tree import evidence
from services.audit.tree.notes import Verifier
from shared.bus.connection import open_connection
from shared.bus.envelope import from_wire
from shared.contracts.fields import ERASED
from shared.eventstore.recorded import Recorded
from shared.runtime.config import Settings
from shared.service.wiring import keyring
from tests.e2e.conftest import Browser
from tests.e2e.test_story import names, records_of
from tests.making import PASSWORD, eventually


@pytest.fixture
def overheard(platform):
    """The bodies of all messages of identity since the test began, as a subscriber's queue keeps them."""
    connection = open_connection(platform.description.amqp_url, name="listener")
    channel = connection.channel()
    channel.exchange_declare("identity.events", "topic", durable=True, auto_delete=False)
    queue = channel.queue_declare("", exclusive=True).queue
    channel.queue_bind(queue, "identity.events", routing_key="#")

    def read():
        bodies = []
        while (message := channel.basic_get(queue, no_ack=True)) is not None:
            bodies.append(message.body.encode() if isinstance(message.body, str) else bytes(message.body))
        return bodies

    yield read
    connection.close()


def dump(platform):
    """Every row of every table of every database, as a logical backup holds them."""
    content = []
    for database in platform.databases.values():
        with psycopg.connect(platform.database_url(database.name, "postgres")) as connection:
            tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            for (table,) in tables:
                with connection.cursor().copy(f'COPY "{table}" TO STDOUT') as rows:
                    content += [bytes(row) for row in rows]
    return b"".join(content)


def files(platform):
    """Every byte of the state directory: database files and their write-ahead log, broker, archive and logs.

    Not the catcher's mails: it stands for the mailboxes of others, and what was delivered there is theirs.
    """
    for path in platform.state.root.rglob("*"):
        if path.is_file() and not path.is_symlink() and not path.is_relative_to(platform.state.mail):
            yield path, path.read_bytes()


def found_in_files(platform, needles):
    with psycopg.connect(platform.database_url("postgres", "postgres"), autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    return {
        (needle, path.name) for path, content in files(platform) for needle in needles if needle.encode() in content
    }


def test_a_person_who_is_erased_is_erased_everywhere(platform, officer, visitor, okacrm, overheard):
    marker = uuid.uuid4().hex
    needles = [f"needle{marker}@example.com", f"Needle {marker}", f"Changed {marker}"]
    person = Browser(platform.base_url)
    person.register(email=needles[0], name=needles[1], time_zone="Antarctica/Troll")
    person.sign_in()
    person.done("PATCH", "/me", {"name": needles[2]})
    person.done("PUT", "/me/consents/product_news")
    assert person.get("/me")["email"] == needles[0]
    records = records_of(officer, person.account_id, 5)
    proof = officer.request(
        "GET", f"/audit/records/{records[0]['id']}/proof", headers={"Accept": "application/json"}
    ).content

    destroyed = okacrm("keys", "destroy", person.account_id, "--yes")
    assert destroyed.returncode == 0, destroyed.stderr

    # The search itself works: the random id, which is not personal, is found in the dump and in the files.
    assert person.account_id.encode() in dump(platform)
    assert found_in_files(platform, [person.account_id])
    # No personal value is: not in a dump, not in a queue, not in any file.
    content, messages = dump(platform), overheard()
    assert messages
    for needle in needles:
        assert needle.encode() not in content
        assert not any(needle.encode() in message for message in messages)
    assert found_in_files(platform, needles) == set()

    # What is sealed cannot be read any more by a process that asks now.
    ring = keyring("test", Settings(platform.environment("service identity")))
    for message in messages:
        recorded = Recorded(from_wire("identity", message).body)
        if recorded.envelope.get("datasubjects") == person.account_id:
            opened = recorded.open(ring)
            assert all(getattr(opened, name) in (ERASED, None) for name in recorded.contract.personal_fields)

    # They are signed out, cannot sign in, and cannot be found; the history of what happened is still there.
    eventually(lambda: person.request("GET", "/me").status_code == 401)
    body = {"email": needles[0], "password": PASSWORD, "guard": "influencer"}
    assert visitor.problem(401, "POST", "/sessions", body)["code"] == "sign-in-refused"
    assert officer.done("POST", "/audit/subject-lookups", {"email": needles[0]})["found"] is False
    last = names(records_of(officer, person.account_id, 8))[-3:]
    assert last == ["consent_withdrawn", "session_closed", "account_erased"]

    # And everything that was proven stays proven.
    log_key = Verifier.parse(visitor.request("GET", "/audit/log/key").text.strip())
    assert evidence.verify(proof, [log_key]).records[0].leaf.event_id == records[0]["id"]
    again = officer.request(
        "GET", f"/audit/records/{records[0]['id']}/proof", headers={"Accept": "application/json"}
    ).content
    assert evidence.verify(again, [log_key]).records[0].leaf == evidence.verify(proof, [log_key]).records[0].leaf


def test_an_address_is_free_again_after_its_owner_was_erased(platform, okacrm):
    first = Browser(platform.base_url)
    first.register()
    assert okacrm("keys", "destroy", first.account_id, "--yes").returncode == 0
    assert okacrm("keys", "destroy", first.account_id, "--yes").returncode == 0
    second = Browser(platform.base_url)
    second.register(email=first.email)
    second.sign_in()
    assert second.account_id != first.account_id
    assert second.get("/me")["email"] == first.email
