"""Attempts to sign in that are made at the same time are counted one by one, and nothing is left of a person."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from services.identity.access import devices, throttles
from services.identity.access import tokens as access_tokens
from services.identity.access.throttles import FROM_ANYWHERE, FROM_ONE_NETWORK, STUFFING, Attempt
from services.identity.accounts import credentials
from services.identity.erasure import forgetting
from shared.bus.actors import Client
from shared.contracts.problems import Problem
from shared.eventstore.transaction import writing
from shared.privacy.secrets import ServiceSecret
from tests.making import NOON, email

SECRET = ServiceSecret(b"s" * 32)
HERE = Client("192.0.2.7")


def attempt(address: str, client: Client = HERE, *, known_device: bool = False) -> Attempt:
    return Attempt.of(SECRET, SECRET.mailbox_index(address), client, known_device=known_device)


@pytest.fixture
def engine(databases):
    return databases.engine("identity", autocommit=True)


@pytest.fixture
def admitted(engine):
    """Whether an attempt is admitted; it then counts as failed until something else is said of it."""

    def admit(made: Attempt, now=NOON) -> bool:
        try:
            with writing(engine) as connection:
                throttles.admit(connection, made, now)
        except Problem as problem:
            if problem.code != "too-many-attempts" or problem.members["retry_after"] < 1:
                raise
            return False
        return True

    return admit


@pytest.fixture
def settle(engine):
    def settle(how, made: Attempt, *now):
        with writing(engine) as connection:
            return how(connection, made, *now)

    return settle


def test_attempts_at_the_same_time_do_not_overtake_the_count(admitted):
    address = email()
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda _: admitted(attempt(address)), range(40)))
    assert outcomes.count(True) == FROM_ONE_NETWORK.free


def test_after_the_delay_one_more_attempt_is_admitted(admitted):
    made, now = attempt(email()), NOON
    for _ in range(FROM_ONE_NETWORK.free):
        assert admitted(made, now)
    for seconds in (1, 2, 4):
        assert not admitted(made, now + timedelta(seconds=seconds, milliseconds=-1))
        now += timedelta(seconds=seconds)
        assert admitted(made, now)


def test_failures_in_one_network_do_not_hold_up_the_person_in_another(admitted):
    address = email()
    while admitted(attempt(address)):
        pass
    assert admitted(attempt(address, Client("198.51.100.7")))


def test_guessing_from_many_networks_gets_slow_but_a_known_device_gets_in(admitted):
    address = email()
    for number in range(FROM_ANYWHERE.free):
        assert admitted(attempt(address, Client(f"198.51.{number}.7")))
    assert not admitted(attempt(address, Client("203.0.113.7")))
    assert admitted(attempt(address, HERE, known_device=True))


def test_many_addresses_from_one_network_are_stuffing(admitted, settle):
    for _ in range(STUFFING.free):
        made = attempt(email())
        assert admitted(made)
        delays = settle(throttles.fail, made, NOON)
    assert [delay.scope for delay in delays] == ["network"]
    assert not admitted(attempt(email(), Client("192.0.2.200")))
    assert admitted(attempt(email(), Client("198.51.100.7")))
    assert admitted(attempt(email(), known_device=True))


def test_people_who_get_in_are_no_stuffing(admitted, settle):
    for _ in range(STUFFING.free + 5):
        made = attempt(email())
        assert admitted(made)
        settle(throttles.forgive, made)


def test_a_success_takes_back_what_failed_here(admitted, settle):
    made = attempt(email())
    for _ in range(3):
        for _ in range(FROM_ONE_NETWORK.free):
            assert admitted(made)
        settle(throttles.forgive, made)


def test_what_is_withdrawn_does_not_count(admitted, settle):
    made = attempt(email())
    for _ in range(3 * FROM_ONE_NETWORK.free):
        assert admitted(made)
        settle(throttles.withdraw, made)


def test_of_an_erased_person_no_row_is_left_by_which_to_recognise_them(engine, databases, admitted, settle):
    address, account_id, session_id, token_id = email(), uuid4(), uuid4(), uuid4()
    email_index = SECRET.mailbox_index(address)
    made = attempt(address)
    admitted(made)
    settle(throttles.fail, made, NOON)
    with engine.connect() as connection:
        credentials.claim_email(connection, email_index, account_id)
        credentials.keep_password(connection, account_id, "hash")
        devices.remember(connection, account_id, devices.device_index(SECRET, account_id, HERE), NOON)
        kept = {
            "account_id": account_id,
            "guard": "influencer",
            "second_factor": False,
            "expires_at": NOON,
            "now": NOON,
        }
        access_tokens.keep_session(connection, session_id=session_id, token="first", **kept)
        access_tokens.change_token(connection, session_id, "second", NOON)
        access_tokens.keep_api_token(connection, token_id, account_id, "third")
        assert found(connection, account_id, email_index) == {
            "api_token_hashes",
            "email_index",
            "ended_tokens",
            "failed_addresses",
            "known_devices",
            "passwords",
            "session_tokens",
            "throttles",
        }
        forgetting.forget_person(connection, account_id)
        assert found(connection, account_id, email_index) == set()


def found(connection, account_id, email_index) -> set[str]:
    """The tables that hold anything under a person's id or the index of their address, whichever tables there are."""
    columns = connection.execute(
        text("""
            SELECT table_name, column_name FROM information_schema.columns
            WHERE table_schema = 'public' AND column_name IN ('account_id', 'email_index')
        """)
    ).all()
    values = {"account_id": account_id, "email_index": email_index}
    return {
        table
        for table, column in columns
        if connection.scalar(text(f"SELECT count(*) FROM {table} WHERE {column} = :value"), {"value": values[column]})
    }
