"""Notices: each reaches whom it may reach, once, in their language; what became of it is kept, and can be read."""

from __future__ import annotations

from collections import Counter
from uuid import uuid4

import pytest
from sqlalchemy import text

from services.identity.accounts.aggregate import Account
from services.identity.notices import queries as notice_queries
from services.identity.notices.kinds import EMAIL, Preferences
from services.identity.notices.mail import distributing
from services.identity.notices.mail.distributing import distribute_page
from shared.contracts.categories import Category
from shared.contracts.fields import ERASED
from shared.contracts.identity import NoticeFailed, NoticeSent
from shared.eventstore.transaction import reading
from shared.privacy.keyring import Custodian
from shared.runtime import clock
from tests.component.services.identity.conftest import refusal
from tests.component.services.identity.post import Post, Scripted, password_changed
from tests.making import WORDING, email, eventually

NEWS = {"en": ("There is news", "It is new."), "de": ("Es gibt Neues", "Es ist neu.\n\nWirklich.")}


def refuse(post, person, kind="product"):
    post.decides(Preferences, person, lambda it, now: it.choose({(kind, EMAIL): False}, now=now))


def object_to(post, person):
    post.decides(Preferences, person, lambda it, now: it.object_to("product", now=now))


def consent(post, person):
    post.decides(Account, person, lambda it, now: it.grant_consent("product_news", WORDING, now=now))


def withdraw(post, person):
    post.decides(Account, person, lambda it, now: it.withdraw_consent("product_news", now=now))


def restrict(post, person):
    post.decides(Account, person, lambda it, now: it.restrict(now=now))


def deactivate(post, person):
    post.decides(Account, person, lambda it, now: it.deactivate("by_staff", now=now))


OBSTACLES = {
    "not-wanted": refuse,
    "objected": object_to,
    "no-consent": withdraw,
    "restricted": restrict,
    "deactivated": deactivate,
}


def leave_to_be_sent(post):
    with post.engine.begin() as connection:
        while distribute_page(connection):
            pass


def recipients(post):
    return {row.account_id for row in post.rows()}


def test_product_news_reach_only_who_agreed_and_does_not_mind(post, catcher):
    """Whoever changed their mind before the news came, and also whoever did while it was on its way."""
    url, mailbox = catcher
    reader = post.person(address := email())
    consent(post, reader)
    post.person()
    stranger = post.person(verified=False)
    consent(post, stranger)
    before = {reason: post.person() for reason in OBSTACLES}
    meanwhile = {reason: post.person() for reason in OBSTACLES}
    for person in (*before.values(), *meanwhile.values()):
        consent(post, person)
    for reason, person in before.items():
        OBSTACLES[reason](post, person)

    post.react(post.announced("product", **NEWS))
    leave_to_be_sent(post)
    assert recipients(post) == {reader, *meanwhile.values()}

    for reason, person in meanwhile.items():
        OBSTACLES[reason](post, person)
    with post.sending(url):
        eventually(lambda: post.states() == {"sent": 1, "withheld": len(OBSTACLES)})
    assert {row.account_id: row.reason for row in post.rows() if row.reason} == {
        person: reason for reason, person in meanwhile.items()
    }
    assert [mail.to for mail in mailbox.mails()] == [address]
    (sent,) = post.recorded(NoticeSent)
    assert sent.relied_on == post.consent_of(reader)


def test_what_law_requires_to_be_told_reaches_everybody(post):
    people = {post.person(), post.person(verified=False)}
    for decide in (restrict, deactivate, object_to):
        people.add(person := post.person())
        decide(post, person)
    post.react(post.announced("legal", **NEWS))
    leave_to_be_sent(post)
    assert recipients(post) == people


def test_what_serves_the_account_reaches_a_person_whose_data_is_restricted(post, catcher):
    person = post.person()
    restrict(post, person)
    post.react(post.happens(password_changed(person)))
    with post.sending(catcher[0]):
        eventually(lambda: post.states() == {"sent": 1})


def test_everybody_is_told_once_however_often_it_begins_anew(post, catcher, monkeypatch):
    """Redelivered events, several senders, and one that ends between two pages."""
    monkeypatch.setattr(distributing, "PAGE", 3)
    url, mailbox = catcher
    addresses = [email() for _ in range(10)]
    for address in addresses:
        post.person(address)
    announced = post.announced(**NEWS)
    post.react(announced)
    with post.engine.begin() as connection:
        assert distribute_page(connection)
    with post.engine.connect() as connection:
        distribute_page(connection)
        connection.rollback()
    assert len(post.rows()) == 3
    post.react(announced)
    with post.sending(url), post.sending(url):
        eventually(lambda: post.states()["sent"] == 5)
        post.react(announced)
        eventually(lambda: post.states()["sent"] == len(addresses))
    late = post.person()
    post.react(announced)
    leave_to_be_sent(post)
    assert late not in recipients(post)
    assert Counter(mail.to for mail in mailbox.mails()) == Counter(addresses)
    assert len({event.notice_id for event in post.recorded(NoticeSent)}) == len(addresses)


def test_people_are_written_to_in_their_language_by_their_clock(post, catcher):
    url, mailbox = catcher
    people = {
        "German": post.person(german := email(), locale="de", time_zone="Europe/Berlin"),
        "Spanish": post.person(spanish := email(), locale="es", time_zone="America/Lima"),
    }
    for person in people.values():
        post.react(post.happens(password_changed(person)))
    post.react(post.announced(**NEWS))
    with post.sending(url):
        eventually(lambda: post.states() == {"sent": 4})
    subjects = {(mail.to, mail.subject) for mail in mailbox.mails()}
    assert subjects == {
        (german, "Ihr Passwort wurde geändert"),
        (german, "Es gibt Neues"),
        (spanish, "Se ha cambiado su contraseña"),
        (spanish, "There is news"),
    }
    (changed,) = [mail for mail in mailbox.mails() if mail.to == german and "Passwort" in mail.subject]
    assert "Mitteleuropäische" in " ".join(changed.text.split())
    (announced,) = [mail for mail in mailbox.mails() if mail.subject == "Es gibt Neues"]
    assert "Es ist neu.\n\nWirklich." in announced.text


def test_an_event_of_another_service_is_told_as_one_of_our_own(post, catcher):
    url, mailbox = catcher
    post.person(address := email())
    person = post.person(other := email())
    event = post.happens_elsewhere(password_changed(person))
    post.react(event)
    post.react(event)
    with post.sending(url):
        eventually(lambda: post.states() == {"sent": 1})
    assert [mail.to for mail in mailbox.mails()] == [other] != [address]


def test_what_was_sent_is_kept_sealed_and_can_be_read_by_its_person(post, catcher):
    person, address = post.person(address := email(), locale="fr"), address
    events = [post.happens(password_changed(person)) for _ in range(3)]
    post.react(*events)
    with post.sending(catcher[0]):
        eventually(lambda: post.states() == {"sent": 3})
    sent = post.recorded(NoticeSent)
    assert [event.about for event in sent] == [event.recorded.event_id for event in events]
    assert {(event.address, event.subject_line, event.language) for event in sent} == {
        (address, "Votre mot de passe a été modifié", "fr")
    }
    with post.engine.connect() as connection:
        for table in ("notices", "events"):
            kept = connection.execute(text(f"SELECT * FROM {table}")).all()
            assert address not in str(kept)
            assert "mot de passe" not in str(kept)

    def page(cursor=None, whose=person):
        with reading(post.store.engine) as connection:
            return notice_queries.notices(connection, post.keyring, whose, cursor, 2)

    first = page()
    second = page(first["next_cursor"])
    shown = [item["notice_id"] for item in first["items"] + second["items"]]
    assert shown == [str(event.notice_id) for event in reversed(sent)]
    assert second["next_cursor"] is None
    assert {item["subject"] for item in first["items"]} == {"Votre mot de passe a été modifié"}
    assert page(first["next_cursor"], whose=post.person()) == page(uuid4()) == {"items": [], "next_cursor": None}

    post.erase(person)
    assert page() == {"items": [], "next_cursor": None}
    assert all(event.address is event.subject_line is ERASED for event in post.recorded(NoticeSent))


def test_of_somebody_whose_correspondence_was_erased_nothing_more_is_kept(post, catcher, databases):
    """They are still warned about their account, once. The second sender remembers no key of the first."""
    person = post.person()
    post.react(post.happens(password_changed(person)))
    with post.sending(catcher[0]):
        eventually(lambda: post.states() == {"sent": 1})
    custodian = Custodian(databases.engine("keyring", "custodian"))
    custodian.destroy(person, category=Category.COMMUNICATIONS, now=clock.now())
    post.react(post.happens(password_changed(person)))
    with Post(databases).sending(catcher[0]):
        eventually(lambda: post.states() == {"sent": 2})
    assert [row.reason for row in post.rows()] == [None, "subject-erased"]
    assert len(catcher[1].mails()) == 2
    assert len(post.recorded(NoticeSent)) == 1


def test_a_notice_that_will_not_arrive_is_kept_as_well(post, ports):
    person = post.person(address := email())
    post.react(post.happens(password_changed(person)))
    with Scripted(ports("smtp")) as server:
        server.refuses = {address: "550 No such user"}
        with post.sending(server.url):
            eventually(lambda: post.states() == {"refused": 1})
    (failed,) = post.recorded(NoticeFailed)
    assert (failed.account_id, failed.address, failed.failure) == (person, address, "refused")
    assert post.recorded(NoticeSent) == []


def test_a_person_sees_what_keeps_a_notice_from_them_and_changes_it(ask):
    person = ask.unverified()

    def standing(kind):
        items = ask("read_notice_preferences", person.actor)["items"]
        return next(item for item in items if item["kind"] == kind)

    assert (standing("service")["refusable"], standing("service")["obstacle"]) == (False, None)
    assert standing("product")["obstacle"] == "not-verified"
    ask.verified(person)
    assert standing("product")["obstacle"] == "no-consent"
    ask("grant_consent", person.actor, purpose="product_news")
    assert standing("product")["obstacle"] is None
    ask("choose_notices", person.actor, items=[{"kind": "product", "channel": EMAIL, "wanted": False}])
    assert (standing("product")["wanted"], standing("product")["obstacle"]) == (False, "not-wanted")
    ask("choose_notices", person.actor, items=[])
    ask("object_to_notices", person.actor, kind="product")
    assert (standing("product")["objected"], standing("product")["obstacle"]) == (True, "objected")
    ask("withdraw_objection", person.actor, kind="product")
    assert standing("product")["obstacle"] is None


@pytest.mark.parametrize("guard", ["staff", "compliance"])
def test_the_house_restricts_only_others_and_only_after_a_fresh_proof(ask, person, guard):
    member = ask.newcomer(guard)

    def restrict(account_id=str(person.id)):
        return ask("restrict_account", member.actor, account_id=account_id)

    assert refusal(restrict) == "step-up-required"
    ask.enrolled(member)
    assert refusal(lambda: restrict(str(member.id))) == "own-account"
    assert refusal(lambda: restrict(str(uuid4()))) == "not-found"
    restrict()
    assert ask.account(person).restricted
    ask("lift_restriction", member.actor, account_id=str(person.id))
    assert not ask.account(person).restricted
    assert refusal(lambda: ask("restrict_account", person.actor, account_id=str(member.id))) == "wrong-guard"


def test_only_staff_tell_everybody_and_only_after_a_fresh_proof(ask, person):
    officer, member = ask.member("compliance"), ask.newcomer("staff")
    words = [{"language": "en", "subject": "News", "text": "It is new."}]

    def publish(who, command_id=None):
        return ask("publish_announcement", who.actor, command_id=command_id, kind="legal", wordings=words)

    assert [refusal(lambda who=who: publish(who)) for who in (person, officer)] == ["wrong-guard"] * 2
    assert refusal(lambda: publish(member)) == "step-up-required"
    ask.enrolled(member)
    injected = [{"language": "en", "subject": "News\nBcc: everybody@example.org", "text": "It is new."}]
    assert refusal(lambda: ask.operator("publish_announcement", kind="legal", wordings=injected)) == "validation-failed"
    again = uuid4()
    assert publish(member, again) == publish(member, again)
    assert ask.rows("SELECT count(*) FROM events WHERE type = 'okacrm.identity.announcement_published'")[0][0] == 1
