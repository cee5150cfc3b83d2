"""Mails about events: one for each event, template and recipient, whatever becomes of the mail server or of us."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import Mock
from uuid import UUID, uuid4

import psycopg
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from deploy.local.mailcatcher import catching
from services.identity.accounts.links import EMAIL_CHANGE, INQUIRY_THREAD, PASSWORD_RESET, VERIFICATION, link_token
from services.identity.notices.mail import sender as sending
from shared.contracts.identity import (
    AccountDeactivated,
    AccountEmailChanged,
    AccountEmailChangeRequested,
    AccountPasswordResetRequested,
    AccountRecoveryCodesRenewed,
    AccountRecoveryCodeUsed,
    InquiryAnswered,
    InquiryOpened,
    NoticeSent,
    SessionOpened,
    SigninCodeReplayed,
)
from shared.contracts.problems import Problem
from shared.privacy.keyring import Custodian
from shared.runtime import clock
from tests.component.services.identity.post import PUBLIC_URL, SECRET, Scripted, password_changed, soon, verification
from tests.making import email, eventually


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


def test_a_sender_with_nothing_to_do_is_called_when_there_is(post, catcher, monkeypatch):
    """It would not look by itself before this test has failed."""
    monkeypatch.setattr(sending, "LOOK_SECONDS", 3600)
    account = post.person()
    with post.sending(catcher[0]):
        post.react(post.happens(password_changed(account)))
        eventually(lambda: post.states() == {"sent": 1})
        post.react(post.happens(password_changed(account)))
        eventually(lambda: post.states() == {"sent": 2})


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


def test_what_becomes_of_second_factors_is_told(post, catcher):
    url, mailbox = catcher
    account = post.person()
    replay = SigninCodeReplayed(signal_id=uuid4(), account_id=account, network="0" * 32, replayed_at=clock.now())
    post.react(
        post.happens(AccountRecoveryCodesRenewed(account_id=account, renewed_at=clock.now())),
        post.happens(AccountRecoveryCodeUsed(account_id=account, remaining=7, used_at=clock.now())),
        post.happens(replay),
    )
    with post.sending(url):
        eventually(lambda: post.states()["sent"] == 3)
    told = {mail.subject: mail.text for mail in mailbox.mails()}
    assert told.keys() == {
        "Your recovery codes were renewed",
        "A recovery code of yours was used",
        "A one-time code was used a second time",
    }
    assert "Codes that are left: 7." in told["A recovery code of yours was used"]


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


def test_a_mail_that_was_sent_and_not_marked_is_dropped_by_its_receiver(post, catcher, monkeypatch):
    """To a sender that is killed between the server's answer and its own mark, the database is away for ever."""
    url, mailbox = catcher
    account = post.person()
    post.react(post.happens(password_changed(account)))
    with monkeypatch.context() as away:
        unreachable = Mock(side_effect=Problem("service-unavailable"))
        away.setattr(post.store, "perform", unreachable)
        with post.sending(url):
            eventually(lambda: unreachable.call_count > 1)
    assert post.states() == {"waiting": 1}
    with post.sending(url):
        eventually(lambda: post.states() == {"sent": 1})
    assert len(mailbox.mails()) == 1
    assert [event.about for event in post.recorded(NoticeSent)] == [post.rows()[0].event_id]


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


def inquiry_opened(visitor, address, request):
    return InquiryOpened(
        inquiry_id=uuid4(),
        person_id=visitor,
        has_account=request is None,
        kind="support",
        message_id=uuid4(),
        text="<Words that a stranger chose>",
        email=address,
        name="Buy pills",
        troubleshooting=None,
        request_id=request,
        expires_at=request and soon(),
        opened_at=clock.now(),
    )


def inquiry_answered(person, address, request):
    return InquiryAnswered(
        inquiry_id=uuid4(),
        person_id=person,
        message_id=uuid4(),
        answered_by=uuid4(),
        text="Three things:\n- <one>\n- two",
        email=address,
        request_id=request,
        expires_at=request and soon(),
        answered_at=clock.now(),
    )


def test_a_visitor_gets_a_link_and_our_words_but_none_that_anybody_typed(post, catcher):
    url, mailbox = catcher
    address, requests = email(), (uuid4(), uuid4())
    post.react(post.happens(inquiry_opened(uuid4(), address, requests[0])))
    post.react(post.happens(inquiry_answered(uuid4(), address, requests[1])))
    with post.sending(url):
        eventually(lambda: post.states()["sent"] == 2)
    mails = {mail.subject: mail for mail in mailbox.mails()}
    assert {mail.to for mail in mails.values()} == {address}
    received, answered = mails["We have received your inquiry"], mails["We have answered your inquiry"]
    for mail, request in zip((received, answered), requests, strict=True):
        link = f"{PUBLIC_URL}/inquiry?token={link_token(SECRET, INQUIRY_THREAD, request)}"
        assert link in mail.text
        assert link in mail.html
    assert "stranger" not in received.text + received.html
    assert "pills" not in received.text + received.html
    assert "\n- <one>\n- two\n" in answered.text
    assert "- &lt;one&gt;" in answered.html


def test_somebody_with_an_account_is_told_of_the_answer_alone_and_without_a_link(post, catcher):
    url, mailbox = catcher
    address = email()
    account = post.person(address)
    post.react(post.happens(inquiry_opened(account, None, None)))
    post.react(post.happens(inquiry_answered(account, address, None)))
    with post.sending(url):
        eventually(lambda: post.states() == {"sent": 1})
    (mail,) = mailbox.mails()
    assert "- <one>" in mail.text
    assert "token=" not in mail.text + mail.html


def test_a_visitor_who_was_erased_is_not_written_to(post, catcher, databases):
    visitor, address = uuid4(), email()
    waiting = post.happens(inquiry_opened(visitor, address, uuid4()))
    late = post.happens(inquiry_answered(visitor, address, uuid4()))
    post.react(waiting)
    Custodian(databases.engine("keyring", "custodian")).destroy(visitor, category=None, now=clock.now())
    post.react(late)
    with post.sending(catcher[0]):
        eventually(lambda: post.states() == {"withheld": 1})
    assert catcher[1].mails() == []


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


def test_a_mail_that_always_takes_too_long_to_write_keeps_no_other_waiting(post, catcher, monkeypatch):
    account, write = post.person(), post.writer.write

    def take_too_long(connection, mail, *, now):
        if mail.template == "password_changed":
            raise OperationalError("", None, psycopg.errors.QueryCanceled())
        return write(connection, mail, now=now)

    monkeypatch.setattr(post.writer, "write", take_too_long)
    post.react(post.happens(password_changed(account)))
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
