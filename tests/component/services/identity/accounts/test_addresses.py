"""An address is verified and changed by whoever reads what is sent there, once, and belongs to one account."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.identity.accounts.aggregate import BETWEEN_MESSAGES, EMAIL_CHANGE_LIFETIME, VERIFICATION_LIFETIME
from services.identity.accounts.links import EMAIL_CHANGE, PASSWORD_RESET, VERIFICATION
from tests.component.services.identity.conftest import at_once, refusal
from tests.making import email


@pytest.fixture
def person(ask):
    """Somebody who did not verify their address."""
    return ask.unverified()


@pytest.fixture
def verification(ask, person):
    """The token of the link that was sent at registration."""
    return ask.link(VERIFICATION, ask.account(person).verification)


def wish(ask, person, new_email):
    """The token of the link that was sent to a new address."""
    ask.step_up(person)
    ask("request_email_change", person.actor, new_email=new_email)
    return ask.link(EMAIL_CHANGE, ask.account(person).email_change)


def verified(ask, person):
    return ask("read_profile", person.actor)["email_verified"]


def test_an_address_is_verified_by_the_link_that_registration_sent(ask, person, verification):
    assert not verified(ask, person)
    ask("verify_email", person.actor, token=verification)
    assert verified(ask, person)


def test_a_link_counts_once(ask, person, verification):
    ask("verify_email", person.actor, token=verification)
    assert refusal(lambda: ask("verify_email", person.actor, token=verification)) == "link-invalid"


def test_a_link_counts_for_its_purpose_only(ask, person, verification):
    for operation in ("confirm_email_change", "reset_password"):
        more = {"password": "violet-harbour-lantern-42"} if operation == "reset_password" else {}
        assert (
            refusal(lambda op=operation, more=more: ask(op, person.actor, token=verification, **more)) == "link-invalid"
        )


def test_a_link_counts_in_a_session_of_its_person_only(ask, person, verification):
    """By it alone, whoever registered somebody else's address would have it after one thoughtless click."""
    other = ask.person()
    assert refusal(lambda: ask("verify_email", other.actor, token=verification)) == "link-invalid"
    token = wish(ask, person, email())
    assert refusal(lambda: ask("confirm_email_change", other.actor, token=token)) == "link-invalid"
    ask("verify_email", person.actor, token=verification)
    assert verified(ask, person)


def test_verifying_ends_the_other_sessions_and_not_this_one(ask, person, verification):
    ask.signed_in(person.email)
    ask("verify_email", person.actor, token=verification)
    assert ask.sessions_of(person) == [person.actor.session_id]


def test_a_link_expires(ask, clock, person, verification):
    clock.pass_time(VERIFICATION_LIFETIME)
    assert refusal(lambda: ask("verify_email", person.actor, token=verification)) == "link-invalid"
    assert not verified(ask, person)


def test_no_token_is_kept(ask, person, verification):
    (kept,) = ask.rows("SELECT * FROM link_tokens")
    assert verification not in str(kept)
    assert verification.encode() not in bytes(kept.token_hash)


def test_asking_again_at_once_sends_nothing_and_is_answered_alike(ask, clock, person, verification):
    before = ask.account(person).version
    at_first = ask("request_email_verification", person.actor)
    assert ask.account(person).version == before
    clock.pass_time(BETWEEN_MESSAGES)
    later = ask("request_email_verification", person.actor)
    assert ask.account(person).version == before + 1
    ask("verify_email", person.actor, token=ask.link(VERIFICATION, ask.account(person).verification))
    clock.pass_time(BETWEEN_MESSAGES)
    assert ask("request_email_verification", person.actor) == at_first == later == {}
    assert refusal(lambda: ask("verify_email", person.actor, token=verification)) == "link-invalid"


def test_an_address_changes_once_it_was_confirmed_from_there(ask, person):
    new = email()
    token = wish(ask, person, new)
    assert ask("read_profile", person.actor)["email"] == person.email
    ask("confirm_email_change", person.actor, token=token)
    profile = ask("read_profile", person.actor)
    assert (profile["email"], profile["email_verified"]) == (new, True)
    assert ask.signed_in(new).id == person.id
    assert refusal(lambda: ask.signed_in(person.email)) == "sign-in-refused"
    assert refusal(lambda: ask("confirm_email_change", person.actor, token=token)) == "link-invalid"


def test_the_old_address_is_free_again(ask, person):
    ask("confirm_email_change", person.actor, token=wish(ask, person, email()))
    assert ask.person(email=person.email).id != person.id


def test_what_was_sent_to_the_old_address_counts_no_more(ask, person, verification):
    ask("request_password_reset", email=person.email)
    reset = ask.link(PASSWORD_RESET, ask.account(person).password_reset)
    ask("confirm_email_change", person.actor, token=wish(ask, person, email()))
    assert refusal(lambda: ask("verify_email", person.actor, token=verification)) == "link-invalid"
    again = {"token": reset, "password": "violet-harbour-lantern-42"}
    assert refusal(lambda: ask("reset_password", **again)) == "link-invalid"


def test_a_later_wish_replaces_the_earlier(ask, clock, person):
    first = wish(ask, person, email())
    assert refusal(lambda: ask("request_email_change", person.actor, new_email=email())) == "asked-too-soon"
    clock.pass_time(BETWEEN_MESSAGES)
    second = wish(ask, person, email())
    assert refusal(lambda: ask("confirm_email_change", person.actor, token=first)) == "link-invalid"
    ask("confirm_email_change", person.actor, token=second)


def test_a_wish_expires(ask, clock, person):
    token = wish(ask, person, email())
    clock.pass_time(EMAIL_CHANGE_LIFETIME + timedelta(seconds=1))
    assert refusal(lambda: ask("confirm_email_change", person.actor, token=token)) == "link-invalid"


def test_asking_for_an_address_that_is_taken_tells_nothing(ask, person):
    other = ask.person()
    ask.step_up(person)
    assert ask("request_email_change", person.actor, new_email=other.email) == {}
    token = ask.link(EMAIL_CHANGE, ask.account(person).email_change)
    assert refusal(lambda: ask("confirm_email_change", person.actor, token=token)) == "email-taken"
    assert ask.signed_in(other.email).id == other.id


def test_of_two_who_confirm_the_same_address_at_once_one_gets_it(ask, person):
    new, other = email(), ask.person()
    wishes = [(each, wish(ask, each, new)) for each in (person, other)]
    outcomes = at_once(*(lambda w=w: ask("confirm_email_change", w[0].actor, token=w[1]) for w in wishes))
    assert outcomes == ["done", "email-taken"]
    assert ask("read_profile", ask.signed_in(new).actor)["email"] == new


def test_an_address_changes_only_after_a_fresh_proof(ask, person):
    assert refusal(lambda: ask("request_email_change", person.actor, new_email=email())) == "step-up-required"
