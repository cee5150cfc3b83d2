"""A second factor is asked for once it is enabled; each of its codes counts once; what is sensitive needs it afresh."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest
from pyotp import TOTP

from services.identity.access.aggregate.sessions import STEP_UP_LIFETIME
from tests.component.services.identity.conftest import at_once, refusal
from tests.making import PASSWORD, email

STEP = timedelta(seconds=30)


class Device:
    """An authenticator that goes by the clock of the test, or by one that is off."""

    def __init__(self, clock, secret):
        self._clock, self._totp = clock, TOTP(secret)

    def code(self, off=timedelta(0)):
        return self._totp.at(self._clock() + off)


@pytest.fixture
def enrolled(ask, clock, person):
    """The authenticator of somebody who has not confirmed it yet."""
    ask.step_up(person)
    return Device(clock, ask("enrol_authenticator", person.actor)["secret"])


@pytest.fixture
def codes(ask, person, enrolled):
    """The recovery codes of somebody who has enabled a second factor."""
    return ask("enable_second_factor", person.actor, one_time_code=enrolled.code())["recovery_codes"]


@pytest.fixture
def device(codes, enrolled, clock):
    """The authenticator of somebody who signs in with it."""
    clock.pass_time(STEP)
    return enrolled


def test_the_code_is_asked_for_only_once_the_authenticator_was_confirmed(ask, person, enrolled):
    ask.signed_in(person.email)
    wrong = "000000" if enrolled.code() != "000000" else "000001"
    assert refusal(lambda: ask("enable_second_factor", person.actor, one_time_code=wrong)) == "second-factor-refused"
    ask.signed_in(person.email)
    ask("enable_second_factor", person.actor, one_time_code=enrolled.code())
    assert ask("read_profile", person.actor)["second_factor"] is True
    assert refusal(lambda: ask.signed_in(person.email)) == "second-factor-required"


def test_signing_in_takes_password_and_code(ask, person, device):
    session = ask.signed_in(person.email, one_time_code=device.code())
    assert session.id == person.id
    (opened,) = [
        row.body
        for row in ask.rows("SELECT body FROM events WHERE stream = :s", s=f"session-{session.actor.session_id}")
    ]
    assert b'"second_factor":true' in bytes(opened)


def test_a_wrong_password_learns_nothing_of_a_second_factor(ask, person, device):
    for code in (None, device.code(), "000000"):
        attempt = {"password": "not my password at all", "one_time_code": code}
        assert refusal(lambda a=attempt: ask.signed_in(person.email, **a)) == "sign-in-refused"
    ask.signed_in(person.email, one_time_code=device.code())


def test_a_code_counts_once(ask, person, device):
    code = device.code()
    ask.signed_in(person.email, one_time_code=code)
    assert refusal(lambda: ask.signed_in(person.email, one_time_code=code)) == "second-factor-refused"


def test_a_code_that_is_replayed_is_a_signal_of_its_own_kind(ask, clock, person, device):
    session, replayed = ask.signed_in(person.email, one_time_code=device.code()), device.code()
    refused = [
        refusal(lambda: ask.signed_in(person.email, one_time_code=replayed)),
        refusal(lambda: ask.step_up(session, one_time_code=replayed)),
        refusal(lambda: ask.signed_in(person.email, one_time_code="wrong")),
    ]
    assert refused == ["second-factor-refused"] * 3
    signals = ask.rows("SELECT kind, detail FROM security_signals WHERE kind <> 'signin_throttled' ORDER BY signal_id")
    assert [(row.kind, row.detail) for row in signals] == [
        ("signin_code_replayed", None),
        ("signin_code_replayed", None),
        ("signin_failed", "wrong_second_factor"),
    ]


def test_of_two_who_sign_in_with_one_code_at_once_one_does(ask, person, device):
    code = device.code()
    outcomes = at_once(*(lambda: ask.signed_in(person.email, one_time_code=code) for _ in range(2)))
    assert outcomes == ["done", "second-factor-refused"]


def test_the_code_that_enabled_the_factor_opens_no_session(ask, person, enrolled):
    code = enrolled.code()
    ask("enable_second_factor", person.actor, one_time_code=code)
    assert refusal(lambda: ask.signed_in(person.email, one_time_code=code)) == "second-factor-refused"


def test_a_clock_may_be_off_by_one_step_and_no_more(ask, clock, person, device):
    ask.signed_in(person.email, one_time_code=device.code(-STEP + STEP))
    for off, outcome in ((2 * STEP, "second-factor-refused"), (STEP, None), (-STEP, "second-factor-refused")):
        code = device.code(off)
        if outcome is None:
            ask.signed_in(person.email, one_time_code=code)
        else:
            assert refusal(lambda c=code: ask.signed_in(person.email, one_time_code=c)) == outcome
    clock.pass_time(10 * STEP)
    ask.signed_in(person.email, one_time_code=device.code(-STEP))


def test_a_code_that_came_too_early_for_its_turn_makes_earlier_ones_worthless(ask, person, device):
    ask.signed_in(person.email, one_time_code=device.code(STEP))
    assert refusal(lambda: ask.signed_in(person.email, one_time_code=device.code())) == "second-factor-refused"


def test_a_sign_in_that_is_refused_uses_up_no_code(ask, person, device):
    code = device.code()
    refused = refusal(lambda: ask.signed_in(person.email, guard="staff", one_time_code=code))
    assert refused == "guard-not-held"
    ask.signed_in(person.email, one_time_code=code)


def test_a_sign_in_that_comes_again_is_answered_again(ask, person, device):
    credentials = {"email": person.email, "password": PASSWORD, "guard": "influencer", "one_time_code": device.code()}
    command_id = uuid4()
    first = ask("open_session", command_id=command_id, **credentials)
    assert ask("open_session", command_id=command_id, **credentials) == first


@pytest.mark.parametrize("spelled", [str, str.lower, lambda code: code.replace("-", "")])
def test_a_recovery_code_stands_in_once_however_it_is_spelled(ask, person, codes, spelled):
    code = spelled(codes[0])
    ask.signed_in(person.email, one_time_code=code)
    assert refusal(lambda: ask.signed_in(person.email, one_time_code=code)) == "second-factor-refused"
    ask.signed_in(person.email, one_time_code=codes[1])
    assert len(ask.rows("SELECT FROM recovery_codes WHERE account_id = :id", id=person.id)) == len(codes) - 2


def test_of_two_who_use_one_recovery_code_at_once_one_does(ask, person, codes):
    outcomes = at_once(*(lambda: ask.signed_in(person.email, one_time_code=codes[0]) for _ in range(2)))
    assert outcomes == ["done", "second-factor-refused"]


def test_ten_recovery_codes_are_told_and_told_again_to_the_same_command(ask, person, enrolled):
    command_id, code = uuid4(), enrolled.code()
    told = [
        ask("enable_second_factor", person.actor, command_id=command_id, one_time_code=code)["recovery_codes"]
        for _ in range(2)
    ]
    assert told[0] == told[1]
    assert len(set(told[0])) == 10


def test_renewed_codes_replace_the_old_ones(ask, person, codes):
    renewed = ask("renew_recovery_codes", person.actor)["recovery_codes"]
    assert set(renewed).isdisjoint(codes)
    assert refusal(lambda: ask.signed_in(person.email, one_time_code=codes[0])) == "second-factor-refused"
    ask.signed_in(person.email, one_time_code=renewed[0])


def test_codes_are_of_one_account(ask, clock, person, codes):
    other = ask.person()
    ask.step_up(other)
    secret = ask("enrol_authenticator", other.actor)["secret"]
    ask("enable_second_factor", other.actor, one_time_code=TOTP(secret).at(clock()))
    assert refusal(lambda: ask.signed_in(other.email, one_time_code=codes[0])) == "second-factor-refused"


def test_a_secret_is_told_again_to_the_same_command_until_it_is_confirmed(ask, clock, person):
    ask.step_up(person)
    command_id = uuid4()
    first = ask("enrol_authenticator", person.actor, command_id=command_id)
    assert ask("enrol_authenticator", person.actor, command_id=command_id) == first
    assert first["uri"].startswith("otpauth://totp/Okacrm:")
    ask("enable_second_factor", person.actor, one_time_code=TOTP(first["secret"]).at(clock()))
    assert refusal(lambda: ask("enrol_authenticator", person.actor, command_id=command_id)) == "conflict"
    assert refusal(lambda: ask("enrol_authenticator", person.actor)) == "second-factor-enabled"


def test_enrolling_again_before_confirming_makes_the_first_secret_worthless(ask, person, enrolled):
    ask("enrol_authenticator", person.actor)
    refused = refusal(lambda: ask("enable_second_factor", person.actor, one_time_code=enrolled.code()))
    assert refused == "second-factor-refused"


def test_neither_secret_nor_codes_are_in_any_row(ask, databases, person):
    ask.step_up(person)
    secret = ask("enrol_authenticator", person.actor)["secret"]
    device = Device(ask.clock, secret)
    codes = ask("enable_second_factor", person.actor, one_time_code=device.code())["recovery_codes"]
    content = b""
    with psycopg.connect(databases.url("identity", "superuser")) as connection:
        for row in ask.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
            with connection.cursor().copy(f"COPY {row.tablename} TO STDOUT") as rows:
                content += b"".join(bytes(each) for each in rows)
    assert str(person.id).encode() in content
    for hidden in (secret, *codes, *(code.replace("-", "") for code in codes)):
        assert hidden.encode() not in content


def test_turning_the_factor_off_ends_the_other_sessions(ask, person, codes):
    ask.signed_in(person.email, one_time_code=codes[0])
    ask("disable_own_second_factor", person.actor)
    assert ask.sessions_of(person) == [person.actor.session_id]


def test_without_the_factor_the_password_is_enough_again(ask, person, codes):
    ask("disable_own_second_factor", person.actor)
    ask.signed_in(person.email)
    assert ask.rows("SELECT FROM authenticators") == ask.rows("SELECT FROM recovery_codes") == []
    assert refusal(lambda: ask("renew_recovery_codes", person.actor)) == "second-factor-not-enabled"


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("enrol_authenticator", {}),
        ("enable_second_factor", {"one_time_code": "000000"}),
        ("disable_own_second_factor", {}),
        ("renew_recovery_codes", {}),
        ("request_email_change", {"new_email": email()}),
        ("deactivate_own_account", {}),
        ("issue_token", {"label": "Export", "scopes": ["profile:read"], "expires_at": "2026-11-30T00:00:00.000000Z"}),
    ],
)
def test_what_is_sensitive_needs_a_fresh_proof(ask, clock, person, operation, arguments):
    assert refusal(lambda: ask(operation, person.actor, **arguments)) == "step-up-required"
    ask.step_up(person)
    clock.pass_time(STEP_UP_LIFETIME)
    assert refusal(lambda: ask(operation, person.actor, **arguments)) == "step-up-required"


def test_a_proof_counts_in_its_own_session_only(ask, person):
    other = ask.signed_in(person.email)
    ask.step_up(person)
    assert refusal(lambda: ask("enrol_authenticator", other.actor)) == "step-up-required"
    ask("enrol_authenticator", person.actor)


def test_a_wrong_password_is_no_proof(ask, person):
    assert refusal(lambda: ask.step_up(person, password="not my password at all")) == "password-refused"
    assert refusal(lambda: ask.step_up(person, one_time_code="000000")) == "password-refused"
    assert refusal(lambda: ask("enrol_authenticator", person.actor)) == "step-up-required"


def test_with_a_second_factor_the_password_alone_is_no_proof(ask, clock, person, device):
    session = ask.signed_in(person.email, one_time_code=device.code())
    assert refusal(lambda: ask.step_up(session)) == "second-factor-required"
    clock.pass_time(STEP)
    code = device.code()
    ask.step_up(session, one_time_code=code)
    assert refusal(lambda: ask.step_up(session, one_time_code=code)) == "second-factor-refused"


def test_a_session_that_has_ended_cannot_be_stepped_up(ask, person):
    ask("close_session", person.actor)
    assert refusal(lambda: ask.step_up(person)) == "not-signed-in"


def test_what_the_gateway_is_told_of_a_session_says_how_long_the_proof_counts(ask, clock, person, monkeypatch):
    monkeypatch.setattr("services.identity.access.methods.sessions.now", clock)

    def told():
        (row,) = ask.rows("SELECT token_hash FROM session_tokens WHERE account_id = :id", id=person.id)
        return bytes(row.token_hash).hex(), ask("resolve_session", token_hash=bytes(row.token_hash).hex())

    old_token, before = told()
    ask.step_up(person)
    new_token, after = told()
    assert new_token != old_token
    assert refusal(lambda: ask("resolve_session", token_hash=old_token)) == "not-signed-in"
    assert before["stepped_up_until"] is None
    assert after["stepped_up_until"].startswith("2026-11-01T12:10:00")
