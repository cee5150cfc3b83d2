"""Ending notices with one click: by the link in the headers of a mail, without a session, once and for good."""

from __future__ import annotations

from email.parser import BytesParser
from email.policy import default

import pytest

from services.identity.accounts.aggregate import Account
from services.identity.notices.kinds import EMAIL, Preferences
from shared.contracts.identity import ConsentWithdrawn, NoticePreferenceChanged
from tests.component.services.identity.conftest import refusal
from tests.component.services.identity.post import PUBLIC_URL, password_changed
from tests.making import WORDING, email, eventually

NEWS = {"en": ("There is news", "It is new.")}


def consent(post, person):
    post.decides(Account, person, lambda it, now: it.grant_consent("product_news", WORDING, now=now))


@pytest.fixture
def told(post, catcher):
    """Somebody to whom a kind of notice was sent: their account, and the headers of the mail."""
    url, mailbox = catcher

    def tell(kind):
        person = post.person(address := email())
        consent(post, person)
        post.react(post.announced(kind, **NEWS))
        with post.sending(url):
            eventually(lambda: [mail for mail in mailbox.mails() if mail.to == address])
        (mail,) = [mail for mail in mailbox.mails() if mail.to == address]
        return person, BytesParser(policy=default).parsebytes(mailbox.content(mail.id))

    return tell


def token_of(message):
    link = str(message["List-Unsubscribe"])
    head = f"<{PUBLIC_URL}/v1/unsubscriptions/"
    assert link.startswith(head)
    assert link.endswith(">")
    return link[len(head) : -1]


def test_one_click_takes_back_the_consent_that_news_rest_on(ask, post, told):
    person, message = told("product")
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    token = token_of(message)
    assert ask("read_unsubscription", token=token) == {"kind": "product"}
    assert post.recorded(ConsentWithdrawn) == []
    assert ask("unsubscribe", token=token) == {"kind": "product"}
    (withdrawn,) = post.recorded(ConsentWithdrawn)
    assert (withdrawn.account_id, withdrawn.purpose) == (person, "product_news")


def test_one_click_turns_off_what_rests_on_no_consent(ask, post, told):
    person, message = told("policy_update")
    ask("unsubscribe", token=token_of(message))
    (changed,) = post.recorded(NoticePreferenceChanged)
    assert (changed.account_id, changed.kind, changed.channel, changed.wanted) == (
        person,
        "policy_update",
        EMAIL,
        False,
    )
    assert post.recorded(ConsentWithdrawn) == []


@pytest.mark.parametrize(("kind", "event"), [("product", ConsentWithdrawn), ("policy_update", NoticePreferenceChanged)])
def test_a_second_click_is_answered_alike_and_changes_nothing(ask, post, told, kind, event):
    _, message = told(kind)
    first, second = (ask("unsubscribe", token=token_of(message)) for _ in range(2))
    assert first == second
    assert len(post.recorded(event)) == 1


def test_a_link_counts_again_for_who_consented_again(ask, post, told):
    person, message = told("product")
    ask("unsubscribe", token=token_of(message))
    consent(post, person)
    ask("unsubscribe", token=token_of(message))
    assert len(post.recorded(ConsentWithdrawn)) == 2


def test_one_click_leaves_other_choices_as_they_are(ask, post, told):
    person, message = told("policy_update")
    post.decides(Preferences, person, lambda it, now: it.choose({("product", EMAIL): False}, now=now))
    ask("unsubscribe", token=token_of(message))
    assert ask.app.store.load(Preferences, person).refused == {("product", EMAIL), ("policy_update", EMAIL)}


def test_what_everybody_is_told_has_no_such_link(post, catcher):
    url, mailbox = catcher
    post.react(post.happens(password_changed(post.person())))
    with post.sending(url):
        eventually(mailbox.mails)
    (mail,) = mailbox.mails()
    message = BytesParser(policy=default).parsebytes(mailbox.content(mail.id))
    assert message["List-Unsubscribe"] is None
    assert message["List-Unsubscribe-Post"] is None


def test_any_other_token_is_no_link_and_no_token_is_kept(ask, told):
    _, message = told("product")
    token = token_of(message)
    assert refusal(lambda: ask("unsubscribe", token=token[::-1])) == "link-invalid"
    assert refusal(lambda: ask("read_unsubscription", token="x" * 43)) == "link-invalid"
    (row,) = ask.rows("SELECT * FROM unsubscription_links")
    assert token not in str(tuple(row))


def test_of_somebody_erased_no_link_is_left(ask, post, told):
    person, message = told("product")
    ask.operator("erase_account", account_id=str(person))
    assert ask.rows("SELECT FROM unsubscription_links") == []
    assert refusal(lambda: ask("unsubscribe", token=token_of(message))) == "link-invalid"
