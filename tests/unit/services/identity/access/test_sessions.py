"""Given these events, when this command, then these events: sessions, API tokens and security signals."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from services.identity.access.aggregate.sessions import LIFETIME, Origin, Session, idle_limit
from services.identity.access.aggregate.signals import Signal
from services.identity.access.aggregate.tokens import LONGEST_LIFE, Token
from shared.contracts.identity import SessionClosed, TokenRevoked
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import GUARDS
from tests.making import NOON

ACCOUNT = uuid4()
HOME = Origin("192.0.2.7", "Firefox on Linux", "FR")


def play(aggregate, events):
    happened = []
    for event in events:
        aggregate.apply(event)
        happened.append(event)
    return happened


def issue(token: Token, **changes):
    given = {"label": "Export", "expires_at": NOON + timedelta(days=30), "now": NOON} | changes
    return play(token, token.issue(ACCOUNT, "influencer", ["profile:read"], **given))


def test_a_session_says_where_it_was_opened_from():
    session = Session(uuid4())
    (opened,) = play(session, session.open(ACCOUNT, "influencer", HOME, second_factor=False, new_device=True, now=NOON))
    assert (opened.ip_address, opened.device, opened.place) == ("192.0.2.7", "Firefox on Linux", "FR")
    assert (opened.new_device, opened.expires_at) == (True, NOON + LIFETIME)


def test_a_session_ends_once():
    session = Session(uuid4())
    play(session, session.open(ACCOUNT, "influencer", HOME, second_factor=False, new_device=False, now=NOON))
    assert play(session, session.end("idle", now=NOON)) == [
        SessionClosed(session_id=session.id, account_id=ACCOUNT, ending="idle", closed_at=NOON)
    ]
    assert play(session, session.end("revoked", now=NOON)) == []


@pytest.mark.parametrize("guard", GUARDS)
def test_a_session_of_the_house_may_be_left_alone_for_half_an_hour_at_most(guard):
    assert idle_limit(guard) == timedelta(minutes=30 if guard in ("staff", "compliance") else 120)


def test_a_session_that_never_was_cannot_end():
    assert list(Session(uuid4()).end("revoked", now=NOON)) == []


def test_a_token_names_each_scope_once():
    token = Token(uuid4())
    wanted = ["profile:write", "profile:read", "profile:write"]
    (issued,) = play(
        token, token.issue(ACCOUNT, "client", wanted, label="Export", expires_at=NOON + LONGEST_LIFE, now=NOON)
    )
    assert issued.scopes == ["profile:read", "profile:write"]
    assert issued.guard == "client"


@pytest.mark.parametrize("life", [timedelta(0), -timedelta(days=1), LONGEST_LIFE + timedelta(seconds=1)])
def test_a_token_that_would_end_before_it_begins_or_last_too_long_is_refused(life):
    with pytest.raises(Problem, match="token-expiry-refused"):
        issue(Token(uuid4()), expires_at=NOON + life)


def test_a_token_is_revoked_once():
    token = Token(uuid4())
    issue(token)
    assert play(token, token.revoke(ACCOUNT, "influencer", now=NOON)) == [
        TokenRevoked(token_id=token.id, account_id=ACCOUNT, ending="revoked", revoked_at=NOON)
    ]
    assert play(token, token.end("deactivated", now=NOON)) == []
    assert list(Token(uuid4()).end("revoked", now=NOON)) == []


def opened_session() -> Session:
    session = Session(uuid4())
    play(session, session.open(ACCOUNT, "influencer", HOME, second_factor=False, new_device=False, now=NOON))
    return session


def issued_token() -> Token:
    token = Token(uuid4())
    issue(token)
    return token


@pytest.mark.parametrize("make", [opened_session, issued_token])
@pytest.mark.parametrize(("account_id", "guard"), [(uuid4(), "influencer"), (ACCOUNT, "client"), (ACCOUNT, "")])
def test_what_belongs_to_another_person_or_guard_is_not_there(make, account_id, guard):
    with pytest.raises(Problem, match="not-found"):
        list(make().revoke(account_id, guard, now=NOON))


@pytest.mark.parametrize("make", [opened_session, issued_token])
def test_what_was_revoked_is_not_there_any_more(make):
    held = make()
    assert len(play(held, held.revoke(ACCOUNT, "influencer", now=NOON))) == 1
    with pytest.raises(Problem, match="not-found"):
        list(held.revoke(ACCOUNT, "influencer", now=NOON))


@pytest.mark.parametrize("never_was", [Session(uuid4()), Token(uuid4())])
def test_what_never_was_is_not_there(never_was):
    with pytest.raises(Problem, match="not-found"):
        list(never_was.revoke(ACCOUNT, "influencer", now=NOON))


def test_signals_say_what_was_seen_and_of_whom():
    def told(tell):
        signal = Signal(uuid4())
        (event,) = play(signal, tell(signal))
        assert event.signal_id == signal.id
        return event

    network = "n" * 32
    failed = told(lambda signal: signal.fail_sign_in("unknown_address", None, network, now=NOON))
    assert (failed.account_id, failed.reason, failed.network) == (None, "unknown_address", network)
    throttled = told(lambda signal: signal.throttle_sign_in("account", ACCOUNT, network, until=NOON))
    assert (throttled.account_id, throttled.scope, throttled.until) == (ACCOUNT, "account", NOON)
    misused = told(lambda signal: signal.misuse_token("after_its_end", ACCOUNT, network, now=NOON))
    assert (misused.account_id, misused.kind) == (ACCOUNT, "after_its_end")
    session_id = uuid4()
    refused = told(
        lambda signal: signal.refuse_access("csrf", "x", account_id=ACCOUNT, session_id=session_id, now=NOON)
    )
    assert (refused.kind, refused.operation, refused.session_id) == ("csrf", "x", session_id)
