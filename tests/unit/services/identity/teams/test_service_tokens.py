"""Service tokens: given what was decided, when an operator decides, then what happens or what is refused."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from services.identity.teams.aggregate import LONGEST_LIFE, ServiceToken
from shared.contracts.events import InvalidEvent, contract_of
from shared.contracts.identity import ServiceTokenIssued, ServiceTokenRevoked
from shared.contracts.problems import Problem
from tests.making import NOON


def decided(token, events):
    """What a command yields, applied as the unit of work does."""
    yielded = []
    for event in events:
        token.apply(event)
        yielded.append(event)
    return yielded


@pytest.fixture
def token():
    return ServiceToken(uuid4())


def issue(token, *, lasting=timedelta(days=30), feeds=("identity",)):
    return decided(token, token.issue("data-platform", feeds, expires_at=NOON + lasting, now=NOON))


def test_a_token_names_its_team_and_each_feed_once(token):
    (issued,) = issue(token, feeds=("identity", "audit", "identity"))
    assert issued == ServiceTokenIssued(
        token_id=token.id,
        team="data-platform",
        feeds=["audit", "identity"],
        expires_at=NOON + timedelta(days=30),
        issued_at=NOON,
    )


@pytest.mark.parametrize("lasting", [timedelta(0), -timedelta(days=1), LONGEST_LIFE + timedelta(seconds=1)])
def test_a_token_ends_within_a_year_and_not_before_it_begins(token, lasting):
    with pytest.raises(Problem, match="token-expiry-refused"):
        issue(token, lasting=lasting)


def test_a_token_is_revoked_once(token):
    issue(token)
    (revoked,) = decided(token, token.revoke(now=NOON))
    assert revoked == ServiceTokenRevoked(token_id=token.id, revoked_at=NOON)
    with pytest.raises(Problem, match="not-found"):
        decided(token, token.revoke(now=NOON))


def test_a_token_that_was_never_issued_cannot_be_revoked(token):
    with pytest.raises(Problem, match="not-found"):
        decided(token, token.revoke(now=NOON))


@pytest.mark.parametrize(
    "name", ["Ada Lovelace", "ada@example.org", "a", "x" * 41, "-team", "team-", "te--am", "team\n"]
)
def test_a_name_that_could_be_a_persons_is_no_teams(token, name):
    (event,) = token.issue(name, ["identity"], expires_at=NOON + timedelta(days=1), now=NOON)
    with pytest.raises(InvalidEvent, match="team"):
        contract_of(ServiceTokenIssued).dump(event)


def test_only_publishers_have_feeds(token):
    (event,) = token.issue("team", ["billing"], expires_at=NOON + timedelta(days=1), now=NOON)
    with pytest.raises(InvalidEvent, match="feeds"):
        contract_of(ServiceTokenIssued).dump(event)
