"""Who may act for the house is asked for by one person and approved by another, about a verified address."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from services.identity.accounts.aggregate import Account
from services.identity.guards.aggregate import LIFETIME, GuardRequest
from shared.contracts.identity import GuardRequestApproved, GuardRequested, GuardRequestRefused
from tests.making import NOON, registration
from tests.unit.services.identity.accounts.test_accounts import play
from tests.unit.services.identity.organisations.test_organisations import person, refusal

ASKER, SECOND = uuid4(), uuid4()


@pytest.fixture
def colleague() -> Account:
    return person()


@pytest.fixture
def request_(colleague) -> GuardRequest:
    made = GuardRequest(uuid4())
    assert play(made, made.ask(colleague, "compliance", ASKER, now=NOON)) == [
        GuardRequested(
            request_id=made.id,
            account_id=colleague.id,
            guard="compliance",
            requested_by=ASKER,
            expires_at=NOON + LIFETIME,
        )
    ]
    return made


def test_a_second_person_approves_once(request_, colleague):
    approval = request_.approve(colleague, SECOND, now=NOON)
    assert play(request_, approval) == [
        GuardRequestApproved(
            request_id=request_.id,
            account_id=colleague.id,
            guard="compliance",
            approved_by=SECOND,
            approved_at=NOON,
        )
    ]
    assert refusal(request_.approve(colleague, SECOND, now=NOON)) == "guard-request-closed"
    assert refusal(request_.refuse(SECOND, now=NOON)) == "guard-request-closed"


def test_neither_who_asked_nor_who_gets_it_approves(request_, colleague):
    assert refusal(request_.approve(colleague, ASKER, now=NOON)) == "own-request"
    assert refusal(request_.approve(colleague, colleague.id, now=NOON)) == "own-account"


def test_what_an_operator_asked_for_no_operator_approves(colleague):
    made = GuardRequest(uuid4())
    play(made, made.ask(colleague, "staff", None, now=NOON))
    assert refusal(made.approve(colleague, None, now=NOON)) == "own-request"
    assert len(play(made, made.approve(colleague, SECOND, now=NOON))) == 1


@pytest.mark.parametrize("by", [ASKER, SECOND, None])
def test_anybody_of_the_house_refuses(request_, colleague, by):
    assert play(request_, request_.refuse(by, now=NOON)) == [
        GuardRequestRefused(
            request_id=request_.id, account_id=colleague.id, guard="compliance", refused_by=by, refused_at=NOON
        )
    ]
    assert refusal(request_.approve(colleague, SECOND, now=NOON)) == "guard-request-closed"


def test_a_request_waits_a_week(request_, colleague):
    late = NOON + LIFETIME
    assert refusal(request_.approve(colleague, SECOND, now=late)) == "guard-request-closed"
    assert len(list(request_.approve(colleague, SECOND, now=late - timedelta(seconds=1)))) == 1
    assert refusal(GuardRequest(uuid4()).refuse(SECOND, now=NOON)) == "not-found"


def test_an_address_that_nobody_verified_is_asked_for_in_vain():
    stranger = Account(uuid4())
    play(stranger, stranger.register("influencer", registration(), now=NOON))
    assert refusal(GuardRequest(uuid4()).ask(stranger, "staff", ASKER, now=NOON)) == "email-not-verified"


def test_how_the_account_stands_is_asked_again_when_it_is_approved(request_, colleague):
    play(colleague, colleague.add_guard("compliance", now=NOON))
    assert refusal(request_.approve(colleague, SECOND, now=NOON)) == "guard-already-held"
