"""Whoever let a program act for them hears in time that its token expires, once and in their mail."""

from __future__ import annotations

from datetime import timedelta
from threading import Event
from uuid import uuid4

from services.identity.access.aggregate.tokens import Token
from services.identity.access.reminders import Reminder
from shared.contracts.identity import TokenExpiryNoticed
from shared.runtime import clock
from tests.component.services.identity.conftest import at_once
from tests.making import eventually


def issue(post, account_id, days):
    token_id = uuid4()

    def decide(token, now):
        return token.issue(
            account_id, "influencer", ["profile:read"], label="Export", expires_at=now + timedelta(days=days), now=now
        )

    post.decides(Token, token_id, decide)
    return token_id


def test_a_token_that_expires_soon_is_reminded_of_once(post):
    account_id = post.person()
    soon = issue(post, account_id, days=20)
    issue(post, account_id, days=200)
    issue(post, account_id, days=11)
    reminders = [Reminder(post.store, Event()) for _ in range(3)]
    reminders[0].remind(clock.now())
    assert post.recorded(TokenExpiryNoticed) == []
    at_once(*(lambda each=each: each.remind(clock.now() + timedelta(days=10)) for each in reminders))
    reminders[0].remind(clock.now() + timedelta(days=11))
    assert [each.token_id for each in post.recorded(TokenExpiryNoticed)] == [soon]


def test_the_reminder_comes_by_mail(post, catcher):
    url, mailbox = catcher
    account_id = post.person()
    event = TokenExpiryNoticed(
        token_id=uuid4(), account_id=account_id, expires_at=clock.now() + timedelta(days=10), noticed_at=clock.now()
    )
    post.react(post.happens(event))
    with post.sending(url):
        eventually(lambda: mailbox.mails())
    assert [mail.subject for mail in mailbox.mails()] == ["An API token of yours expires soon"]
