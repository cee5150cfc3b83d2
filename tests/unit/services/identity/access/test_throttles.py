"""Delays grow with failures, have an end, and are forgotten."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.identity.access.throttles import FROM_ONE_NETWORK, Allowance, Attempt, Counted
from shared.bus.actors import Client
from shared.privacy.secrets import ServiceSecret
from tests.making import NOON

SECRET = ServiceSecret(b"s" * 32)
HERE, ELSEWHERE = Client("192.0.2.7"), Client("198.51.100.7")


def keys(email="ada@example.org", client=HERE, known_device=False):
    attempt = Attempt.of(SECRET, SECRET.mailbox_index(email), client, known_device=known_device)
    return {throttle.key for throttle in attempt.throttles}


def test_some_failures_are_free_and_every_further_one_doubles_the_delay():
    allowance = Allowance(free=3)
    delays = [allowance.delay(failures) / timedelta(seconds=1) for failures in range(7)]
    assert delays == [0, 0, 0, 1, 2, 4, 8]


def test_no_delay_is_longer_than_the_longest():
    for failures in (40, 10_000, 10**9):
        assert FROM_ONE_NETWORK.delay(failures) == FROM_ONE_NETWORK.longest


def test_a_hundred_guesses_an_hour_are_never_reached():
    now, guesses = NOON, 0
    counted = Counted(0, now)
    while now < NOON + timedelta(hours=1):
        counted = Counted(counted.current(FROM_ONE_NETWORK, now).failures + 1, now)
        guesses += 1
        now = max(counted.until(FROM_ONE_NETWORK), now)
    assert guesses < 25


def test_failures_are_forgotten_after_a_while():
    counted = Counted(9, NOON)
    forgotten_at = NOON + FROM_ONE_NETWORK.forgotten_after
    assert counted.current(FROM_ONE_NETWORK, forgotten_at - timedelta(seconds=1)).failures == 9
    assert counted.current(FROM_ONE_NETWORK, forgotten_at).failures == 0
    assert counted.current(FROM_ONE_NETWORK, forgotten_at).until(FROM_ONE_NETWORK) <= forgotten_at


def test_failures_elsewhere_do_not_count_for_a_known_device():
    assert len(keys()) == 2
    assert len(keys() & keys(client=ELSEWHERE)) == 1
    assert keys(known_device=True) < keys()
    assert keys(known_device=True).isdisjoint(keys(client=ELSEWHERE))


def test_spellings_of_an_address_count_together():
    assert keys("Ada@Example.org") == keys()
    assert keys("ada@example.com").isdisjoint(keys())


@pytest.mark.parametrize("email", ["ada@example.org", "nobody@example.org"])
def test_locks_are_taken_in_one_order(email):
    throttles = Attempt.of(SECRET, SECRET.mailbox_index(email), HERE, known_device=False).throttles
    assert [each.key for each in throttles] == sorted(keys(email))


def test_an_attempt_that_is_free_never_waits_for_one_that_was_dated_later():
    counted = Counted(FROM_ONE_NETWORK.free - 1, NOON + timedelta(milliseconds=1))
    assert counted.until(FROM_ONE_NETWORK) <= NOON
