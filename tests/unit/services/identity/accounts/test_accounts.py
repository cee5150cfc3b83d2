"""Given these events, when this command, then these events or this refusal."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.accounts.aggregate import (
    BETWEEN_MESSAGES,
    EMAIL_CHANGE_LIFETIME,
    PASSWORD_RESET_LIFETIME,
    VERIFICATION_LIFETIME,
    Account,
)
from shared.contracts.fields import ERASED
from shared.contracts.identity import (
    AccountDeactivated,
    AccountEmailChanged,
    AccountEmailChangeRequested,
    AccountErased,
    AccountGuardAdded,
    AccountGuardRevoked,
    AccountImageChanged,
    AccountPasswordChanged,
    AccountPasswordResetRequested,
    AccountProfileChanged,
    AccountReactivated,
    AccountRecoveryCodeUsed,
    AccountRegistrationRepeated,
    AccountSecondFactorDisabled,
    AccountSecondFactorEnabled,
    AccountVerificationRequested,
    AccountVerified,
    ConsentWithdrawn,
)
from shared.contracts.problems import Problem
from shared.contracts.purposes import FIRST_CONSENT_WORDING
from shared.contracts.vocabulary import PURPOSES
from tests.making import NOON, WORDING, consent_granted, registration


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


def test_a_registration_needs_the_age_statement():
    with pytest.raises(Problem, match="age-statement-required"):
        list(Account(uuid4()).register("influencer", registration(age_stated=False), now=NOON))


def test_a_consent_is_given_and_taken_back(account):
    assert play(account, account.grant_consent("product_news", WORDING, now=NOON)) == [
        consent_granted(account_id=account.id)
    ]
    assert play(account, account.withdraw_consent("product_news", now=NOON)) == [
        ConsentWithdrawn(account_id=account.id, purpose="product_news", effective_at=NOON)
    ]
    assert account.consents == {}


def test_nobody_consents_to_words_that_are_not_shown_any_more(account):
    with pytest.raises(Problem, match="wording-not-in-force"):
        list(account.grant_consent("product_news", FIRST_CONSENT_WORDING, now=NOON))
    assert account.consents == {}


def test_what_is_given_cannot_be_given_again(account):
    play(account, account.grant_consent("product_news", WORDING, now=NOON))
    with pytest.raises(Problem, match="consent-already-given"):
        list(account.grant_consent("product_news", WORDING, now=NOON))


def test_what_was_not_given_cannot_be_taken_back(account):
    with pytest.raises(Problem, match="consent-not-given"):
        list(account.withdraw_consent("product_news", now=NOON))


def test_a_profile_change_says_only_what_differs(account):
    assert play(account, account.change_profile({"name": "Grace", "country": "FR"}, now=NOON)) == [
        AccountProfileChanged(account_id=account.id, name="Grace", changed_at=NOON)
    ]
    assert play(account, account.change_profile({"name": "Grace"}, now=NOON)) == []


def test_a_message_of_verification_is_asked_for_until_the_address_is_verified(account):
    request = uuid4()
    assert play(account, account.request_verification(request, now=NOON)) == [
        AccountVerificationRequested(account_id=account.id, request_id=request, expires_at=NOON + VERIFICATION_LIFETIME)
    ]
    later = NOON + BETWEEN_MESSAGES
    assert play(account, account.request_verification(uuid4(), now=later - timedelta(seconds=1))) == []
    assert len(play(account, account.request_verification(uuid4(), now=later))) == 1
    assert play(account, account.verify("by_link", now=later)) == [
        AccountVerified(account_id=account.id, how="by_link", verified_at=later)
    ]
    assert play(account, account.verify("by_link", now=later)) == []
    assert play(account, account.request_verification(uuid4(), now=NOON + timedelta(days=3))) == []


def test_an_address_is_changed_by_the_last_wish(account):
    old, request = account.email, uuid4()
    assert play(account, account.request_email_change(request, "ada@example.org", now=NOON)) == [
        AccountEmailChangeRequested(
            account_id=account.id,
            request_id=request,
            new_email="ada@example.org",
            expires_at=NOON + EMAIL_CHANGE_LIFETIME,
        )
    ]
    with pytest.raises(Problem, match="link-invalid"):
        list(account.change_email(uuid4(), now=NOON))
    assert play(account, account.change_email(request, now=NOON)) == [
        AccountEmailChanged(account_id=account.id, email="ada@example.org", previous_email=old, changed_at=NOON)
    ]
    assert (account.email, account.verified_at) == ("ada@example.org", NOON)
    with pytest.raises(Problem, match="link-invalid"):
        list(account.change_email(request, now=NOON))


def test_wishes_for_an_address_do_not_follow_one_another_at_once(account):
    play(account, account.request_email_change(uuid4(), "ada@example.org", now=NOON))
    with pytest.raises(Problem, match="asked-too-soon"):
        list(account.request_email_change(uuid4(), "grace@example.org", now=NOON))


def test_an_address_that_was_erased_meanwhile_is_neither_told_nor_taken(account):
    request = uuid4()
    play(account, account.request_email_change(request, "ada@example.org", now=NOON))
    wish, account.email = account.email_change, ERASED
    (changed,) = account.change_email(request, now=NOON)
    assert changed.previous_email is None
    account.email_change = replace(wish, new_email=ERASED)
    with pytest.raises(Problem, match="link-invalid"):
        list(account.change_email(request, now=NOON))


def test_a_reset_is_asked_for_where_it_can_be_and_refused_to_nobody(account):
    request = uuid4()
    assert play(account, account.request_password_reset(request, now=NOON)) == [
        AccountPasswordResetRequested(
            account_id=account.id, request_id=request, expires_at=NOON + PASSWORD_RESET_LIFETIME
        )
    ]
    assert play(account, account.request_password_reset(uuid4(), now=NOON)) == []
    play(account, account.deactivate("by_person", now=NOON))
    assert play(account, account.request_password_reset(uuid4(), now=NOON + BETWEEN_MESSAGES)) == []
    assert list(Account(uuid4()).request_password_reset(uuid4(), now=NOON)) == []


def test_another_password_ends_the_wish_for_another_address(account):
    request = uuid4()
    play(account, account.request_email_change(request, "ada@example.org", now=NOON))
    assert play(account, account.change_password("reset", now=NOON)) == [
        AccountPasswordChanged(account_id=account.id, how="reset", changed_at=NOON)
    ]
    with pytest.raises(Problem, match="link-invalid"):
        list(account.change_email(request, now=NOON))


@pytest.fixture
def verified(account) -> Account:
    play(account, account.verify("by_link", now=NOON))
    return account


def test_nothing_binds_an_account_before_its_address_is_verified(account):
    for binding in (account.enable_second_factor(now=NOON), account.add_guard("client", now=NOON)):
        with pytest.raises(Problem, match="email-not-verified"):
            list(binding)


def test_an_address_proven_by_a_reset_ends_what_others_consented_to(account):
    play(account, account.grant_consent("product_news", WORDING, now=NOON))
    assert play(account, account.verify("by_reset", now=NOON)) == [
        AccountVerified(account_id=account.id, how="by_reset", verified_at=NOON),
        ConsentWithdrawn(account_id=account.id, purpose="product_news", effective_at=NOON),
    ]
    play(account, account.grant_consent("product_news", WORDING, now=NOON))
    assert play(account, account.verify("by_reset", now=NOON)) == []


def test_a_repeated_registration_is_told_once_in_a_while(account):
    assert play(account, account.repeat_registration(now=NOON)) == [
        AccountRegistrationRepeated(account_id=account.id, attempted_at=NOON)
    ]
    assert play(account, account.repeat_registration(now=NOON)) == []
    assert len(play(account, account.repeat_registration(now=NOON + BETWEEN_MESSAGES))) == 1


def test_a_guard_of_the_house_is_added_and_taken_away(verified):
    request = uuid4()
    assert play(verified, verified.add_guard("staff", request, now=NOON)) == [
        AccountGuardAdded(account_id=verified.id, guard="staff", request_id=request, added_at=NOON)
    ]
    assert play(verified, verified.revoke_guard("staff", now=NOON)) == [
        AccountGuardRevoked(account_id=verified.id, guard="staff", revoked_at=NOON)
    ]
    with pytest.raises(Problem, match="guard-not-held"):
        list(verified.revoke_guard("staff", now=NOON))


def test_a_guard_is_added_once(verified):
    account = verified
    assert play(account, account.add_guard("client", now=NOON)) == [
        AccountGuardAdded(account_id=account.id, guard="client", added_at=NOON)
    ]
    assert account.guards == ["influencer", "client"]
    with pytest.raises(Problem, match="guard-already-held"):
        list(account.add_guard("client", now=NOON))


def test_an_account_is_deactivated_and_opened_again(account):
    assert play(account, account.reactivate(now=NOON)) == []
    assert play(account, account.deactivate("by_staff", now=NOON)) == [
        AccountDeactivated(account_id=account.id, how="by_staff", deactivated_at=NOON)
    ]
    assert play(account, account.deactivate("by_staff", now=NOON)) == []
    assert play(account, account.reactivate(now=NOON)) == [
        AccountReactivated(account_id=account.id, reactivated_at=NOON)
    ]
    assert not account.deactivated


def test_a_second_factor_is_enabled_used_and_disabled(verified):
    account = verified
    for command in (account.renew_recovery_codes, account.disable_second_factor, account.use_recovery_code):
        more = {account.disable_second_factor: ["by_person"], account.use_recovery_code: [9]}.get(command, [])
        with pytest.raises(Problem, match="second-factor-not-enabled"):
            list(command(*more, now=NOON))
    assert play(account, account.enable_second_factor(now=NOON)) == [
        AccountSecondFactorEnabled(account_id=account.id, enabled_at=NOON)
    ]
    with pytest.raises(Problem, match="second-factor-enabled"):
        list(account.enable_second_factor(now=NOON))
    assert play(account, account.use_recovery_code(9, now=NOON)) == [
        AccountRecoveryCodeUsed(account_id=account.id, remaining=9, used_at=NOON)
    ]
    assert play(account, account.disable_second_factor("by_staff", now=NOON)) == [
        AccountSecondFactorDisabled(account_id=account.id, how="by_staff", disabled_at=NOON)
    ]


def test_a_picture_is_chosen_and_taken_away_once(account):
    assert play(account, account.change_image(None, now=NOON)) == []
    assert play(account, account.change_image("aGk=", now=NOON)) == [
        AccountImageChanged(account_id=account.id, image="aGk=", changed_at=NOON)
    ]
    assert play(account, account.change_image(None, now=NOON)) == [
        AccountImageChanged(account_id=account.id, changed_at=NOON)
    ]
    assert play(account, account.change_image(None, now=NOON)) == []


def test_an_erased_person_is_erased_once_and_decides_nothing_more(account):
    play(account, account.grant_consent("product_news", WORDING, now=NOON))
    assert play(account, account.erase(now=NOON)) == [
        ConsentWithdrawn(account_id=account.id, purpose="product_news", effective_at=NOON),
        AccountErased(account_id=account.id, erased_at=NOON),
    ]
    assert play(account, account.erase(now=NOON)) == []
    for decision in (
        account.grant_consent("product_news", WORDING, now=NOON),
        account.withdraw_consent("product_news", now=NOON),
    ):
        with pytest.raises(Problem, match="subject-erased"):
            list(decision)


def test_nobody_acts_without_an_account():
    nobody = Account(uuid4())
    with pytest.raises(Problem, match="account-not-found"):
        list(nobody.grant_consent("product_news", WORDING, now=NOON))
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
        decision = (
            account.grant_consent(purpose, WORDING, now=NOON) if give else account.withdraw_consent(purpose, now=NOON)
        )
        if give == (purpose in expected):
            with pytest.raises(Problem):
                list(decision)
            continue
        play(account, decision)
        expected = {**expected, purpose: NOON} if give else {each: NOON for each in expected if each != purpose}
    assert account.consents == expected
