"""Given these events, when this command, then these events or this refusal."""

from __future__ import annotations

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.accounts import Account
from shared.contracts.identity import AccountErased, AccountProfileChanged, ConsentGranted, ConsentWithdrawn
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import PURPOSES
from shared.privacy.fields import ERASED
from tests.making import NOON, registration


def play(account, events):
    happened = []
    for event in events:
        account.apply(event)
        happened.append(event)
    return happened


@pytest.fixture
def account() -> Account:
    made = Account(uuid4())
    play(made, made.register("influencer", registration(), now=NOON))
    return made


def test_a_person_registers_under_a_guard(account):
    assert account.guards == ["influencer"]
    assert account.name == "Ada Lovelace"
    assert account.version == 1


def test_a_registration_may_say_where_the_person_came_from():
    made = Account(uuid4())
    for referral in (None, "autumn-fair"):
        (registered,) = made.register("influencer", registration(referral=referral), now=NOON)
        assert registered.referral == referral


@pytest.mark.parametrize(
    ("told", "refusal"),
    [({"age_stated": False}, "age-statement-required"), ({"policy_version": "1999"}, "policy-version-unknown")],
)
def test_a_registration_needs_age_and_the_policy_in_force(told, refusal):
    with pytest.raises(Problem, match=refusal):
        list(Account(uuid4()).register("influencer", registration(**told), now=NOON))


def test_a_consent_is_given_and_taken_back(account):
    assert play(account, account.grant_consent("product_news", now=NOON)) == [
        ConsentGranted(account_id=account.id, purpose="product_news", effective_at=NOON)
    ]
    assert play(account, account.withdraw_consent("product_news", now=NOON)) == [
        ConsentWithdrawn(account_id=account.id, purpose="product_news", effective_at=NOON)
    ]
    assert account.consents == {}


def test_what_is_given_cannot_be_given_again(account):
    play(account, account.grant_consent("product_news", now=NOON))
    with pytest.raises(Problem, match="consent-already-given"):
        list(account.grant_consent("product_news", now=NOON))


def test_what_was_not_given_cannot_be_taken_back(account):
    with pytest.raises(Problem, match="consent-not-given"):
        list(account.withdraw_consent("product_news", now=NOON))


def test_a_profile_change_says_only_what_differs(account):
    assert play(account, account.change_profile({"name": "Grace", "country": "FR"}, now=NOON)) == [
        AccountProfileChanged(account_id=account.id, name="Grace", changed_at=NOON)
    ]
    assert play(account, account.change_profile({"name": "Grace"}, now=NOON)) == []


def test_an_erased_person_is_erased_once_and_decides_nothing_more(account):
    play(account, account.grant_consent("product_news", now=NOON))
    assert play(account, account.erase(now=NOON)) == [
        ConsentWithdrawn(account_id=account.id, purpose="product_news", effective_at=NOON),
        AccountErased(account_id=account.id, erased_at=NOON),
    ]
    assert play(account, account.erase(now=NOON)) == []
    for command in (account.grant_consent, account.withdraw_consent):
        with pytest.raises(Problem, match="subject-erased"):
            list(command("product_news", now=NOON))


def test_nobody_acts_without_an_account():
    nobody = Account(uuid4())
    with pytest.raises(Problem, match="account-not-found"):
        list(nobody.grant_consent("product_news", now=NOON))
    with pytest.raises(Problem, match="account-not-found"):
        list(nobody.erase(now=NOON))


def test_an_erased_name_is_kept_as_erased_by_a_change_of_something_else(account):
    account.name = ERASED
    account.apply(AccountProfileChanged(account_id=account.id, country="DE", changed_at=NOON))
    assert (account.name, account.country) == (ERASED, "DE")


@given(st.lists(st.tuples(st.sampled_from(PURPOSES), st.booleans())))
def test_consents_are_what_was_last_decided(decisions):
    account, expected = Account(uuid4()), {}
    play(account, account.register("influencer", registration(), now=NOON))
    for purpose, give in decisions:
        decide = account.grant_consent if give else account.withdraw_consent
        if give == (purpose in expected):
            with pytest.raises(Problem):
                list(decide(purpose, now=NOON))
            continue
        play(account, decide(purpose, now=NOON))
        expected = {**expected, purpose: NOON} if give else {each: NOON for each in expected if each != purpose}
    assert account.consents == expected
