"""A token reminds of its end once, in time, and only while it is worth something."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from services.identity.access.aggregate.tokens import REMINDED_BEFORE, Token
from shared.contracts.identity import TokenExpiryNoticed
from tests.making import NOON

SOON = NOON + timedelta(days=10)


def issued(expires_at=SOON):
    token = Token(uuid4())
    for event in token.issue(uuid4(), "influencer", ["profile:read"], label="Export", expires_at=expires_at, now=NOON):
        token.apply(event)
    return token


def test_a_token_that_expires_soon_reminds_once():
    token = issued()
    (event,) = token.remind(now=NOON)
    assert event == TokenExpiryNoticed(token_id=token.id, account_id=token.account_id, expires_at=SOON, noticed_at=NOON)
    token.apply(event)
    assert list(token.remind(now=NOON + timedelta(days=1))) == []


@pytest.mark.parametrize("moment", [SOON, SOON + timedelta(days=1), SOON - REMINDED_BEFORE - timedelta(seconds=1)])
def test_it_does_not_too_early_and_not_when_it_has_expired(moment):
    assert list(issued().remind(now=moment)) == []


def test_one_that_was_revoked_reminds_nobody():
    token = issued()
    for event in token.end("revoked", now=NOON):
        token.apply(event)
    assert list(token.remind(now=NOON)) == []
    assert list(Token(uuid4()).remind(now=NOON)) == []
