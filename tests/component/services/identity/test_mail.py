"""Mails about events: one for each event, template and recipient, whatever becomes of the mail server or of us."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from uuid import UUID, uuid4

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import text

from deploy.local.mailcatcher import catching
from deploy.local.state import StateDirectory
from services.identity.accounts import Account
from services.identity.links import EMAIL_CHANGE, INVITATION, PASSWORD_RESET, VERIFICATION, link_token
from services.identity.mail import sender as sending
from services.identity.mail.letters import LETTERS
from services.identity.mail.outgoing import Enqueuing
from services.identity.mail.sender import IDLE_SECONDS, Sender
from services.identity.mail.smtp import SmtpServer
from services.identity.mail.writing import Writer
from shared.bus.reactions import Reaction
from shared.bus.subscriptions import Delivery
from shared.contracts.identity import (
    AccountDeactivated,
    AccountEmailChanged,
    AccountEmailChangeRequested,
    AccountPasswordChanged,
    AccountPasswordResetRequested,
    AccountVerificationRequested,
    InvitationMade,
    SessionOpened,
)
from shared.eventstore.store import FeedEntry
from shared.privacy.keyring import Custodian
from shared.privacy.secrets import ServiceSecret
from shared.runtime import clock
from shared.runtime.database import connect_for_leading
from tests.making import append_event, command, email, eventually, registration

SECRET = ServiceSecret(b"s" * 32)
PUBLIC_URL = "https://okacrm.example"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(sending, "POLL", 0.02)
    monkeypatch.setattr(sending, "LONGEST_PAUSE", 0.1)


class Post:
    """Identity's mails over databases of one test: people, what happened to them, the reaction, and senders."""

    def __init__(self, databases):
        self._databases = databases
        self.store = databases.event_store(clock.now)
        self.engine = databases.engine("identity")
        self.keyring = databases.keyring(cache_seconds=0)
        self.reaction = Reaction("mail", ("identity",), dict.fromkeys(LETTERS, Enqueuing(self.keyring, SECRET)))
        self.writer = Writer(self.keyring, SECRET, sender="Okacrm <no-reply@okacrm.example>", public_url=PUBLIC_URL)
        self._positions = 0

    def person(self, address=None):
        account = Account(uuid4())

        def register(work):
            work.record(account, account.register("influencer", registration(email=address or email()), now=work.now))
            return {}

        self.store.perform(command(), register)
        return account.id

    def happens(self, event):
        """Appends an event, and returns it as the reaction gets it."""
        self._positions += 1
        return Delivery("identity", FeedEntry(1, self._positions, None, append_event(self.store, event)))

    def react(self, *deliveries):
        with self.engine.begin() as connection:
            self.reaction.apply(connection, deliveries)

    def erase(self, account_id):
        """As the operator's command does it: the keys go first."""
        Custodian(self._databases.engine("keyring", "custodian")).destroy(account_id, category=None, now=clock.now())

        def erase(work):
            account = work.load(Account, account_id)
            work.record(account, account.erase(now=work.now))
            return {}

        self.store.perform(command(), erase)

    @contextmanager
    def sending(self, url, now=clock.now):
        """A sender of its own, as another process would be."""
        stopping = threading.Event()
        engine = connect_for_leading(
            self._databases.url("identity"), application_name="sender", idle_seconds=IDLE_SECONDS
        )
        loop = threading.Thread(target=Sender(engine, self.writer, SmtpServer.from_url(url), stopping, now).run)
        loop.start()
        try:
            yield
        finally:
            stopping.set()
            loop.join()
            engine.dispose()

    def states(self):
        with self.engine.connect() as connection:
            return Counter(connection.scalars(text("SELECT state FROM mails")))

    def rows(self):
        with self.engine.connect() as connection:
            return connection.execute(text("SELECT * FROM mails ORDER BY created_at")).all()


@pytest.fixture
def post(databases):
    return Post(databases)


@pytest.fixture
def ports(tmp_path):
    state = StateDirectory(tmp_path)
    return partial(state.port)


@pytest.fixture
def catcher(tmp_path, ports):
    """A mail server that keeps everything: its URL, and what it has kept."""
    smtp_port = ports("smtp")
    with catching(tmp_path / "mail", smtp_port=smtp_port, http_port=ports("page")) as mailbox:
        yield f"smtp://127.0.0.1:{smtp_port}", mailbox


class Scripted:
    """A mail server that does as it is told, and remembers the Message-ID of what it took."""

    def __init__(self, port):
        self.url = f"smtp://127.0.0.1:{port}"
        self.refuses = {}
        self.dies_after_taking = False
        self.offered, self.took = [], []
        self._controller = Controller(self, hostname="127.0.0.1", port=port)

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        self.offered.append(address)
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        (line,) = [line for line in envelope.content.splitlines() if line.lower().startswith(b"message-id:")]
        self.took.append(line)
        if self.dies_after_taking:
            server.transport.abort()
        return "250 OK"

    def __enter__(self):
        self._controller.start()
        return self

    def __exit__(self, *_):
        self._controller.stop()


def soon():
    return clock.now() + timedelta(hours=1)


def verification(account_id, request_id=None, expires_at=None):
    return AccountVerificationRequested(
        account_id=account_id, request_id=request_id or uuid4(), expires_at=expires_at or soon()
    )


def password_changed(account_id):
    return AccountPasswordChanged(account_id=account_id, how="changed", changed_at=clock.now())


def test_an_event_is_told_once_however_often_it_is_delivered(post, catcher):
    url, mailbox = catcher
    address, request = email(), uuid4()
    account = post.person(address)
    event = post.happens(verification(account, request))
    post.react(event)
    post.react(event)
    with post.sending(url), post.sending(url):
        eventually(lambda: post.states()["sent"] == 1)
        post.react(event)
    assert post.states() == {"sent": 1}
    (mail,) = mailbox.mails()
    assert (mail.to, mail.subject) == (address, "Confirm your e-mail address")
    link = f"{PUBLIC_URL}/verify-email?token={link_token(SECRET, VERIFICATION, request)}"
    assert link in mail.text
    assert link in mail.html


def test_a_change_of_address_is_confirmed_from_the_new_one_and_told_to_the_old_one(post, catcher):
    url, mailbox = catcher
    old, new, request = email(), email(), uuid4()
    account = post.person(old)
    asked = AccountEmailChangeRequested(account_id=account, request_id=request, new_email=new, expires_at=soon())
    changed = AccountEmailChanged(account_id=account, email=new, previous_email=old, changed_at=clock.now())
    post.react(post.happens(asked))
    post.react(post.happens(changed))
    with post.sending(url):
        eventually(lambda: post.states()["sent"] == 2)
    subjects = {mail.to: mail.subject for mail in mailbox.mails()}
    assert subjects == {new: "Confirm your new e-mail address", old: "Your e-mail address was changed"}
    (confirmation,) = [mail for mail in mailbox.mails() if mail.to == new]
    assert f"/confirm-email-change?token={link_token(SECRET, EMAIL_CHANGE, request)}" in confirmation.text


def test_only_a_new_device_is_worth_a_mail(post, catcher):
    url, mailbox = catcher
    account = post.person()

    def opened(new_device):
        return SessionOpened(
            session_id=uuid4(),
            account_id=account,
            guard="influencer",
            expires_at=soon(),
            second_factor=None,
            new_device=new_device,
            ip_address="192.0.2.7",
            device="Firefox on <Linux>",
            place=None,
        )

    for new_device in (None, False, True):
        post.react(post.happens(opened(new_device)))
    with post.sending(url):
        eventually(lambda: post.states()["sent"] == 1)
    (mail,) = mailbox.mails()
    assert "Device: Firefox on <Linux>" in mail.text
    assert "Device: Firefox on &lt;Linux&gt;" in mail.html
    assert "IP address: 192.0.2.7" in mail.text


def test_nothing_of_a_mail_is_in_the_clear_and_no_address_is_kept_when_it_is_sent(post, catcher):
    address = email()
    account = post.person(address)
    post.react(post.happens(password_changed(account)))
    assert address not in str(post.rows())
    with post.sending(catcher[0]):
        eventually(lambda: post.states()["sent"] == 1)
    assert post.rows()[0].address is None


def test_a_server_that_is_dead_is_waited_for_and_costs_no_attempt(post, ports, tmp_path):
    account = post.person()
    post.react(post.happens(password_changed(account)))
    port = ports("smtp")
    with post.sending(f"smtp://127.0.0.1:{port}"):
        for _ in range(3):
            post.react(post.happens(password_changed(account)))
        with catching(tmp_path / "mail", smtp_port=port, http_port=ports("page")) as mailbox:
            eventually(lambda: post.states() == {"sent": 4})
            assert len(mailbox.mails()) == 4
    assert {row.attempts for row in post.rows()} == {1}


def test_a_server_that_dies_half_way_gets_the_mail_again_under_the_same_name(post, ports):
    """It may have taken the mail before it died, so it must be able to recognise it."""
    account = post.person()
    post.react(post.happens(password_changed(account)))
    with Scripted(ports("smtp")) as server:
        server.dies_after_taking = True
        with post.sending(server.url):
            eventually(lambda: len(server.took) >= 2)
            server.dies_after_taking = False
            eventually(lambda: post.states() == {"sent": 1})
    assert len(set(server.took)) == 1


def test_a_mail_that_was_sent_and_not_marked_is_dropped_by_its_receiver(post, catcher):
    """A sender that is killed between the server's answer and its own mark leaves exactly this behind."""
    url, mailbox = catcher
    account = post.person()
    post.react(post.happens(password_changed(account)))
    (waiting,) = post.rows()
    with post.sending(url):
        eventually(lambda: post.states()["sent"] == 1)
        with post.engine.begin() as connection:
            connection.execute(
                text("UPDATE mails SET state = 'waiting', address = :address"), {"address": waiting.address}
            )
        eventually(lambda: post.states()["sent"] == 1)
    assert len(mailbox.mails()) == 1


def test_one_recipient_refused_for_good_keeps_nobody_else_waiting(post, ports):
    gone, other = email(), email()
    with Scripted(ports("smtp")) as server:
        server.refuses = {gone: "550 No such user"}
        for address in (gone, other):
            account = post.person(address)
            post.react(post.happens(password_changed(account)))
        with post.sending(server.url):
            eventually(lambda: post.states() == {"refused": 1, "sent": 1})
    assert server.offered.count(gone) == 1
    (refused,) = [row for row in post.rows() if row.state == "refused"]
    assert (refused.reason, refused.address) == ("reply 550", None)


def test_a_recipient_that_puts_us_off_is_asked_again_later_and_not_for_ever(post, ports, monkeypatch):
    monkeypatch.setattr(sending, "ATTEMPTS", 2)
    busy = email()
    account = post.person(busy)
    post.react(post.happens(password_changed(account)))

    def make_due():
        with post.engine.begin() as connection:
            return connection.execute(text("UPDATE mails SET due_at = now() WHERE due_at > now()")).rowcount

    with Scripted(ports("smtp")) as server, post.sending(server.url):
        server.refuses = {busy: "450 Come again"}
        eventually(make_due)
        eventually(make_due)
        eventually(lambda: post.states() == {"given_up": 1})
    assert server.offered == [busy, busy]


def test_whoever_was_erased_is_not_written_to(post, catcher):
    """Neither when the mail waited already, nor when the event comes to the reaction afterwards."""
    url, mailbox = catcher
    account = post.person()
    event = post.happens(password_changed(account))
    late = post.happens(verification(account))
    post.react(event)
    post.erase(account)
    post.react(late)
    other = post.person()
    post.react(post.happens(password_changed(other)))
    with post.sending(url):
        eventually(lambda: post.states() == {"sent": 1})
    assert [row.account_id for row in post.rows()] == [other]
    assert len(mailbox.mails()) == 1


def test_a_key_destroyed_before_the_erasure_is_recorded_withholds_the_mail(post, catcher, databases):
    account = post.person()
    post.react(post.happens(password_changed(account)))
    Custodian(databases.engine("keyring", "custodian")).destroy(account, category=None, now=clock.now())
    with post.sending(catcher[0]):
        eventually(lambda: post.states() == {"withheld": 1})
    assert post.rows()[0].reason == "erased"
    assert catcher[1].mails() == []


def invitation(address):
    """An invitation of somebody who has no account."""
    return InvitationMade(
        invitation_id=uuid4(),
        organisation_id=uuid4(),
        kind="workspace",
        purpose="join",
        role="viewer",
        invitee_id=uuid4(),
        email=address,
        invited_by=uuid4(),
        expires_at=soon(),
    )


def test_somebody_without_an_account_is_invited_with_a_link_and_written_to_no_more_once_erased(
    post, catcher, databases
):
    url, mailbox = catcher
    invited, erased = invitation("grace@example.org"), invitation("erased@example.org")
    post.react(post.happens(invited), post.happens(erased))
    custodian = Custodian(databases.engine("keyring", "custodian"))
    custodian.destroy(erased.invitee_id, category=None, now=clock.now())
    with post.sending(url):
        eventually(lambda: post.states() == {"sent": 1, "withheld": 1})
    (mail,) = mailbox.mails()
    token = link_token(SECRET, INVITATION, invited.invitation_id)
    assert f"{PUBLIC_URL}/accept-invitation?token={token}" in mail.text
    assert mail.to == "grace@example.org"


def test_a_link_that_is_worth_nothing_any_more_is_not_sent(post, catcher):
    account = post.person()
    reset = AccountPasswordResetRequested(
        account_id=account, request_id=uuid4(), expires_at=clock.now() - timedelta(seconds=1)
    )
    post.react(post.happens(reset))
    with post.sending(catcher[0]):
        eventually(lambda: post.states() == {"withheld": 1})
    assert post.rows()[0].reason == "expired"


def test_a_mail_that_cannot_be_written_keeps_no_other_waiting(post, catcher):
    account = post.person()
    post.react(post.happens(password_changed(account)))
    with post.engine.begin() as connection:
        connection.execute(text("UPDATE mails SET template = 'nowhere'"))
    deactivated = AccountDeactivated(account_id=account, how="by_person", deactivated_at=clock.now())
    post.react(post.happens(deactivated))
    with post.sending(catcher[0]):
        eventually(lambda: post.states() == {"sent": 1, "waiting": 1})
    assert [mail.subject for mail in catcher[1].mails()] == ["Your account was deactivated"]


def test_a_link_in_a_mail_leads_where_the_settings_say(post, catcher):
    url, mailbox = catcher
    account, request = post.person(), uuid4()
    reset = AccountPasswordResetRequested(account_id=account, request_id=request, expires_at=soon())
    post.react(post.happens(reset))
    with post.sending(url):
        eventually(lambda: post.states()["sent"] == 1)
    (mail,) = mailbox.mails()
    assert f"\n{PUBLIC_URL}/reset-password?token={link_token(SECRET, PASSWORD_RESET, request)}\n" in mail.text
    assert mail.message_id == f"<{UUID(mail.message_id[1:37])}@okacrm.example>"
