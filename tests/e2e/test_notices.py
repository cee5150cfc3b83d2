"""Notices on a whole platform: what people choose, what everybody is told, and that each is told once."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from email.parser import BytesParser
from email.policy import default
from uuid import UUID, uuid4

import amqp
import pytest
import requests

from services.identity.accounts import credentials
from services.identity.accounts.aggregate import Account
from services.identity.notices.kinds import Preferences
from services.identity.projections import projections
from shared.bus.connection import SendingChannel
from shared.bus.envelope import exchange_name, to_wire
from shared.contracts.identity import AccountDeactivated, AccountPasswordChanged
from shared.eventstore.store import START, read_feed
from shared.eventstore.transaction import reading
from shared.privacy.secrets import ServiceSecret
from shared.runtime import clock
from shared.runtime.config import Settings
from shared.service.wiring import event_store, keyring
from tests.making import append_event, command, email, eventually, registration

ANNOUNCED = "Our terms change"
PEOPLE = 30
CHANGES = 10


@pytest.fixture(scope="module")
def settings(platform):
    return Settings(platform.environment("service identity"))


@pytest.fixture(scope="module")
def store(settings):
    made = event_store("identity", settings, projections, keyring("identity", settings))
    yield made
    made.engine.dispose()


@pytest.fixture(scope="module")
def staff(somebody):
    member = somebody("staff")
    return lambda method, path, body=None, **headers: member.done(
        method, path, body, headers=member.bearer("staff", stepped_up=True) | headers
    )


def caught(platform):
    """All mails that the catcher has; none while it is away."""
    try:
        with urllib.request.urlopen(f"{platform.description.mail_page}/mails", timeout=10) as answer:
            return json.loads(answer.read())
    except OSError:
        return []


def register(store, secret):
    """Somebody with an account and a verified address, without the time that a password takes."""
    account, told = Account(uuid4()), registration(email=email())

    def perform(work):
        credentials.claim_email(work.connection, secret.mailbox_index(told.email), account.id)
        work.record(account, account.register("influencer", told, now=work.now))
        work.record(account, account.verify("by_link", now=work.now))
        return {}

    store.perform(command(), perform)
    return told.email, account.id


def deliver_again(platform, store):
    """Publishes the whole feed once more, as a relay does that died before it noted what it had published."""
    channel = SendingChannel(platform.description.amqp_url, name="again")
    with reading(store.engine) as connection:
        entries = read_feed(connection, START, byte_limit=10_000_000, row_limit=10_000).entries
    for entry in entries:
        message = amqp.Message(to_wire(entry), delivery_mode=2)
        channel.publish(message, exchange=exchange_name("identity"), routing_key="x")
    channel.close()


def kill(platform, victim):
    killed = platform.pids()[victim]
    platform.kill(victim)
    eventually(lambda: platform.pids().get(victim) not in (None, killed))


def test_each_notice_comes_once_through_kills_redelivery_and_a_mail_server_that_dies(
    platform, settings, store, staff, identity, influencer
):
    """What everybody is told, and what one person is told of their account."""
    secret = ServiceSecret(settings.service_secret)
    people = dict(register(store, secret) for _ in range(PEOPLE))
    changed = AccountPasswordChanged(account_id=UUID(influencer.account_id), how="changed", changed_at=clock.now())
    events = [append_event(store, changed).event_id for _ in range(CHANGES)]
    announcement = {
        "kind": "policy_update",
        "wordings": [{"language": "en", "subject": ANNOUNCED, "text": "From March on.\n\nThat is all."}],
    }

    def told():
        """How often each of these people was told of the announcement."""
        mails = (mail for mail in caught(platform) if mail["subject"] == ANNOUNCED)
        return Counter(mail["to"] for mail in mails if mail["to"] in people)

    def warned(subject="Your password was changed"):
        return sum(mail["to"] == influencer.email and mail["subject"] == subject for mail in caught(platform))

    once = {"Idempotency-Key": str(uuid4())}
    published = [staff("POST", "/staff/announcements", announcement, **once) for _ in range(2)]
    assert published[0] == published[1]
    for reached, victim in ((1, "mailcatcher"), (PEOPLE // 3, "courier identity")):
        eventually(lambda reached=reached: len(told()) >= reached)
        kill(platform, victim)
        deliver_again(platform, store)
    eventually(lambda: len(told()) == PEOPLE and warned() == CHANGES)
    deliver_again(platform, store)
    append_event(store, AccountDeactivated(account_id=changed.account_id, how="by_staff", deactivated_at=clock.now()))
    eventually(lambda: warned("Your account was deactivated"))

    assert told() == dict.fromkeys(people, 1)
    assert warned() == CHANGES
    kept = "SELECT account_id, count(*) FROM notices WHERE account_id = ANY(%s) GROUP BY account_id"
    assert dict(identity.execute(kept, [list(people.values())]).fetchall()) == dict.fromkeys(people.values(), 1)
    about = "SELECT count(*), count(DISTINCT event_id) FROM mails WHERE event_id = ANY(%s) AND state = 'sent'"
    assert identity.execute(about, [events]).fetchone() == (CHANGES, CHANGES)


def test_a_person_reads_what_they_were_told_and_audit_holds_it_without_the_address(influencer, officer):
    (notice,) = eventually(lambda: influencer.get("/me/notices")["items"])
    assert (notice["kind"], notice["state"]) == ("service", "sent")
    assert notice["subject"] == "Confirm your e-mail address"

    query = f"subject:{influencer.account_id} type:identity.notice_sent"
    (record,) = eventually(lambda: officer.get("/audit/records", q=query)["items"])
    assert (record["data"]["kind"], record["data"]["letter"]) == ("service", "verify_email")
    assert {(sealed["field"], sealed["category"]) for sealed in record["sealed"]} == {
        ("address", "communications"),
        ("subject_line", "communications"),
        ("language", "communications"),
    }
    assert influencer.email not in json.dumps(record)


def test_a_person_chooses_what_they_are_told(influencer):
    def standing():
        return {item["kind"]: item for item in influencer.get("/me/notice-preferences")["items"]}

    before = standing()
    assert {kind: item["legal_basis"] for kind, item in before.items()} == {
        "service": "contract",
        "product": "consent",
        "policy_update": "legitimate_interests",
        "legal": "legal_obligation",
    }
    choice = {"kind": "policy_update", "channel": "email", "wanted": False}
    influencer.done("PUT", "/me/notice-preferences", {"items": [choice]})
    assert standing()["policy_update"]["wanted"] is False
    influencer.done("PUT", "/me/notice-objections/product")
    assert standing()["product"]["objected"] is True
    influencer.done("DELETE", "/me/notice-objections/product")
    influencer.done("PUT", "/me/notice-preferences", {"items": []})
    assert standing() == before
    refused = {"items": [choice | {"kind": "legal"}]}
    assert influencer.problem(422, "PUT", "/me/notice-preferences", refused)["code"] == "notice-not-refusable"
    influencer.problem(422, "PUT", "/me/notice-preferences", {"items": [choice, choice]})
    influencer.problem(404, "PUT", "/me/notice-objections/legal")


def test_an_operator_announces_from_a_file_to_whom_it_may_reach(okacrm, platform, influencer, somebody, tmp_path):
    without_consent = somebody("influencer")
    influencer.done("PUT", "/me/consents/product_news")
    words = tmp_path / "words.toml"
    words.write_text('[en]\nsubject = "A word from the operator"\ntext = """\nOne.\n\nTwo."""\n')
    published = okacrm("announcements", "publish", str(words), "--kind", "product")
    assert published.returncode == 0, published.stderr
    assert UUID(published.stdout.split()[-1].rstrip("."))

    def told():
        return [mail["to"] for mail in caught(platform) if mail["subject"] == "A word from the operator"]

    eventually(lambda: influencer.email in told())
    assert without_consent.email not in told()


def test_a_mail_program_ends_notices_with_one_click(platform, settings, store, staff):
    """As RFC 8058 says: a form, without a session, a cookie or a key; looking at the link ends nothing."""
    address, account = register(store, ServiceSecret(settings.service_secret))
    wording = {"language": "en", "subject": "Our terms change again", "text": "From May on."}
    staff("POST", "/staff/announcements", {"kind": "policy_update", "wordings": [wording]})
    (mail,) = eventually(
        lambda: [each for each in caught(platform) if (each["to"], each["subject"]) == (address, wording["subject"])]
    )
    with urllib.request.urlopen(f"{platform.description.mail_page}/mails/{mail['id']}/eml", timeout=10) as answer:
        message = BytesParser(policy=default).parsebytes(answer.read())
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = str(message["List-Unsubscribe"]).strip("<>")
    assert link.startswith(f"{platform.base_url}/v1/unsubscriptions/")

    assert requests.get(link, timeout=30).json() == {"kind": "policy_update"}
    assert store.load(Preferences, account).refused == set()
    for _ in range(2):
        answer = requests.post(link, files={"List-Unsubscribe": (None, "One-Click")}, timeout=30)
        assert (answer.status_code, answer.json()) == (200, {"kind": "policy_update"})
    assert store.load(Preferences, account).refused == {("policy_update", "email")}
    nobodys = requests.post(
        link[:-1] + ("A" if link[-1] != "A" else "B"), data={"List-Unsubscribe": "One-Click"}, timeout=30
    )
    assert nobodys.status_code == 410
