"""Mail on a whole platform: from an event to the catcher's page, with the courier killed on the way."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import timedelta
from email.parser import BytesParser
from email.policy import default
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from services.identity.projections import projections
from shared.contracts.identity import AccountPasswordChanged, AccountVerificationRequested
from shared.runtime import clock
from shared.runtime.config import Settings
from shared.service.wiring import event_store, keyring
from tests.invariants import owner_connection
from tests.making import append_event, eventually


@pytest.fixture(scope="module")
def store(platform):
    settings = Settings(platform.environment("service identity"))
    made = event_store("identity", settings, projections, keyring("identity", settings))
    yield made
    made.engine.dispose()


CONFIRM = "Confirm your e-mail address"


@pytest.fixture
def all_mails(platform, unverified):
    """What has come for one person, as the catcher's JSON shows it; nothing while the catcher is away."""

    def read():
        try:
            mails = json.loads(_get(platform, "/mails"))
        except OSError:
            return []
        return [mail for mail in mails if mail["to"] == unverified.email]

    return read


@pytest.fixture
def confirmations(all_mails):
    """Those that ask to confirm the address, as the one does that comes after registering."""
    return lambda: [mail for mail in all_mails() if mail["subject"] == CONFIRM]


@pytest.fixture
def inbox(all_mails):
    """All others."""
    return lambda: [mail for mail in all_mails() if mail["subject"] != CONFIRM]


def _get(platform, path, host=None):
    request = urllib.request.Request(platform.description.mail_page + path, headers={"Host": host} if host else {})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read()


def _verification(account_id, request_id):
    return AccountVerificationRequested(
        account_id=UUID(account_id), request_id=request_id, expires_at=clock.now() + timedelta(hours=1)
    )


def _password_changed(account_id):
    return AccountPasswordChanged(account_id=UUID(account_id), how="changed", changed_at=clock.now())


def test_who_registers_gets_a_mail_whose_link_confirms_the_address(platform, unverified, confirmations):
    (mail,) = eventually(confirmations)
    (link,) = [line for line in mail["text"].splitlines() if "://" in line and "token=" in line]
    assert link.startswith(f"{platform.base_url}/verify-email?")
    assert link in mail["html"]
    assert unverified.get("/me")["email_verified"] is False
    (token,) = parse_qs(urlsplit(link).query)["token"]
    unverified.done("POST", "/email-verifications", {"token": token})
    assert unverified.get("/me")["email_verified"] is True


def test_a_mail_can_be_read_on_the_page(platform, store, influencer, inbox):
    append_event(store, _password_changed(influencer.account_id))
    (mail,) = eventually(inbox)
    assert f'href="/mails/{mail["id"]}"'.encode() in _get(platform, "/")
    assert b"Your password was changed" in _get(platform, f"/mails/{mail['id']}")
    as_it_came = BytesParser(policy=default).parsebytes(_get(platform, f"/mails/{mail['id']}/eml"))
    assert as_it_came["Message-ID"] == mail["message_id"]
    with pytest.raises(urllib.error.HTTPError, match="404"):
        _get(platform, "/mails/../../secrets/master.key")


def test_a_page_of_another_name_reads_no_mail(platform):
    with pytest.raises(urllib.error.HTTPError, match="421"):
        _get(platform, "/mails", host="evil.example")


def test_what_was_parked_is_shown_and_sent_once_the_operator_has_it_tried_again(
    platform, store, influencer, inbox, okacrm
):
    """The address of the account cannot be read, as after a fault of ours, and is then put right."""

    def set_address(value):
        with owner_connection(platform, "identity") as connection:
            query = "SELECT email FROM accounts WHERE account_id = %s FOR UPDATE"
            (before,) = connection.execute(query, [influencer.account_id]).fetchone()
            connection.execute("UPDATE accounts SET email = %s WHERE account_id = %s", [value, influencer.account_id])
        return before

    sealed = set_address("no sealed value")
    stream = append_event(store, _password_changed(influencer.account_id)).stream

    def parked():
        document = json.loads(okacrm("subscriptions", "list", "--json").stdout)
        return [each for each in document["parked"] if each["stream"] == stream]

    (shown,) = eventually(parked)
    assert (shown["events"], shown["event_type"]) == (1, "okacrm.identity.account_password_changed")
    status = okacrm("status")
    assert status.returncode == 1
    assert f"! identity.mail has parked {stream}" in status.stdout
    assert inbox() == []

    set_address(sealed)
    retried = okacrm("subscriptions", "retry", "identity.mail", stream)
    assert retried.returncode == 0, retried.stderr
    (mail,) = eventually(inbox)
    assert mail["subject"] == "Your password was changed"
    eventually(lambda: not parked())


def test_the_operator_sees_the_subscriptions_and_that_nothing_is_parked(okacrm):
    shown = okacrm("subscriptions", "list", "--json")
    document = json.loads(shown.stdout)
    assert shown.returncode == 0, shown.stdout
    assert {f"{each['service']}.{each['subscription']}" for each in document["subscriptions"]} == {
        "identity.mail",
        "identity.mail_audit",
        "identity.policies",
        "audit.log",
    }
    assert document["parked"] == []
    assert okacrm("subscriptions", "retry", "identity.mail").returncode == 1
    assert okacrm("subscriptions", "retry", "nobody.mail").returncode == 2
