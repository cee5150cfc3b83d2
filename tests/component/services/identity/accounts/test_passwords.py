"""A password is changed by who knows it and reset by who reads the mail, once, and ends what the old one opened."""

from __future__ import annotations

import threading
from uuid import uuid4

import pytest
from argon2 import PasswordHasher
from sqlalchemy import text

from services.identity.access import tokens as access_tokens
from services.identity.access.aggregate.sessions import Origin, Session
from services.identity.access.methods.sessions import end_sessions
from services.identity.accounts import credentials
from services.identity.accounts.aggregate import BETWEEN_MESSAGES, PASSWORD_RESET_LIFETIME
from services.identity.accounts.links import EMAIL_CHANGE, PASSWORD_RESET
from tests.component.services.identity.conftest import HASHER, at_once, refusal
from tests.making import PASSWORD, command, email, eventually

ANOTHER = "violet-harbour-lantern-42"


def reset_link(ask, person):
    ask("request_password_reset", email=person.email)
    return ask.link(PASSWORD_RESET, ask.account(person).password_reset)


def change(ask, person, current=PASSWORD, new=ANOTHER, **more):
    return ask("change_password", person.actor, current_password=current, new_password=new, **more)


def test_a_password_is_changed_by_who_knows_it(ask, person):
    change(ask, person)
    assert ask.signed_in(person.email, password=ANOTHER).id == person.id
    assert refusal(lambda: ask.signed_in(person.email)) == "sign-in-refused"


def test_a_change_ends_the_other_sessions(ask, person):
    ask.signed_in(person.email)
    change(ask, person)
    assert ask.sessions_of(person) == [person.actor.session_id]


def test_a_session_alone_changes_no_password(ask, person):
    assert refusal(lambda: change(ask, person, current="not my password at all")) == "password-refused"
    ask.signed_in(person.email)


def test_a_change_that_comes_again_is_answered_again(ask, person):
    command_id = uuid4()
    assert change(ask, person, command_id=command_id) == change(ask, person, command_id=command_id)


def test_of_two_who_change_a_password_at_once_one_does(ask, person):
    others = ("violet-harbour-lantern-42", "crimson-otter-meadow-17")
    assert at_once(*(lambda new=new: change(ask, person, new=new) for new in others)) == ["done", "password-refused"]


@pytest.mark.parametrize("weak", ["too short", "ada lovelace!", "Password12345!"])
def test_a_password_that_can_be_guessed_is_refused(ask, person, weak):
    assert refusal(lambda: change(ask, person, new=weak)) == "password-too-weak"


def test_a_forgotten_password_is_reset_and_ends_every_session(ask, person):
    ask("reset_password", token=reset_link(ask, person), password=ANOTHER)
    assert ask.sessions_of(person) == []
    assert ask.signed_in(person.email, password=ANOTHER).id == person.id
    assert refusal(lambda: ask.signed_in(person.email)) == "sign-in-refused"


def test_a_reset_that_comes_again_is_answered_again(ask, person):
    command_id, token = uuid4(), reset_link(ask, person)
    answers = [ask("reset_password", token=token, password=ANOTHER, command_id=command_id) for _ in range(2)]
    assert answers[0] == answers[1]


def test_an_address_without_an_account_is_answered_alike_and_leaves_nothing(ask, person):
    known = ask("request_password_reset", email=person.email)
    before = ask.rows("SELECT count(*) FROM events")
    assert ask("request_password_reset", email=email()) == known == {}
    assert ask.rows("SELECT count(*) FROM events") == before


def test_a_reset_link_counts_once_also_when_two_follow_it_at_once(ask, person):
    token = reset_link(ask, person)
    passwords = (ANOTHER, "crimson-otter-meadow-17")
    outcomes = at_once(*(lambda p=p: ask("reset_password", token=token, password=p) for p in passwords))
    assert outcomes == ["done", "link-invalid"]
    fitting = [p for p in passwords if ask.app.passwords.fits(credential(ask, person), p)]
    assert len(fitting) == 1


def credential(ask, person):
    with ask.app.store.engine.connect() as connection:
        return credentials.credential_of(connection, person.id)


def test_a_reset_makes_all_other_links_worthless_that_would_undo_it(ask, clock, person):
    ask.step_up(person)
    ask("request_email_change", person.actor, new_email=email())
    change_of_address = ask.link(EMAIL_CHANGE, ask.account(person).email_change)
    first = reset_link(ask, person)
    clock.pass_time(BETWEEN_MESSAGES)
    second = reset_link(ask, person)
    assert first != second
    ask("reset_password", token=first, password=ANOTHER)
    assert refusal(lambda: ask("reset_password", token=second, password=PASSWORD)) == "link-invalid"
    assert refusal(lambda: ask("confirm_email_change", person.actor, token=change_of_address)) == "link-invalid"


def test_a_reset_link_expires(ask, clock, person):
    token = reset_link(ask, person)
    clock.pass_time(PASSWORD_RESET_LIFETIME)
    assert refusal(lambda: ask("reset_password", token=token, password=ANOTHER)) == "link-invalid"


def test_a_mailbox_cannot_be_filled(ask, person):
    reset_link(ask, person)
    before = ask.account(person).version
    for _ in range(3):
        ask("request_password_reset", email=person.email)
    assert ask.account(person).version == before


def test_a_deactivated_account_sends_no_link(ask, person):
    ask.operator("deactivate_account", account_id=person.actor.id)
    before = ask.account(person).version
    assert ask("request_password_reset", email=person.email) == {}
    assert ask.account(person).version == before


def test_no_session_is_opened_beside_the_one_who_ends_all_sessions(ask, person):
    """Who ends all sessions waits for a sign-in that has checked its password, and ends what that opens."""
    checked, go_on = threading.Event(), threading.Event()
    old = credential(ask, person)

    def sign_in(work):
        credentials.hold(work.connection, old)
        checked.set()
        go_on.wait()
        session = Session(work.new_id())
        opening = session.open(person.id, "influencer", Origin(), second_factor=False, new_device=False, now=work.now)
        work.record(session, opening)
        access_tokens.keep_session(
            work.connection,
            session_id=session.id,
            account_id=person.id,
            guard="influencer",
            token="a-token",
            second_factor=False,
            expires_at=session.expires_at,
            now=work.now,
        )
        return {}

    def end_all(work):
        end_sessions(work, person.id, "password_changed")
        return {}

    def waits_for_a_lock():
        return ask.rows("SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")

    signing_in = threading.Thread(target=ask.app.store.perform, args=(command(), sign_in))
    ending = threading.Thread(target=ask.app.store.perform, args=(command(), end_all))
    signing_in.start()
    checked.wait()
    ending.start()
    eventually(lambda: waits_for_a_lock() or not ending.is_alive())
    go_on.set()
    signing_in.join()
    ending.join()
    assert ask.sessions_of(person) == []


def test_a_sign_in_hashes_anew_what_was_hashed_with_other_parameters(ask, person):
    former = PasswordHasher(time_cost=2, memory_cost=1024).hash(PASSWORD)
    with ask.app.store.engine.connect() as connection:
        connection.execute(
            text("UPDATE passwords SET password_hash = :hash WHERE account_id = :id"), {"hash": former, "id": person.id}
        )
    outcomes = at_once(*(lambda: ask.signed_in(person.email) for _ in range(2)))
    assert outcomes == ["done", "done"]
    renewed = credential(ask, person)
    assert not HASHER.check_needs_rehash("$" + renewed.password_hash.partition("$")[2])
    assert ask.app.passwords.fits(renewed, PASSWORD)
