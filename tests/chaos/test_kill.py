"""The short form: with commands in flight, every process dies once, stalls, or has a rival, and nothing shows it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.local.platform import PROCESSES
from tests.chaos.faults import SERVERS, Disturbed, wait_until
from tests.chaos.load import Load

COMMANDS = 100
"""For each victim; over all of them well beyond 500 commands, 40 of them in flight at any time."""
CROWD = 100


@pytest.mark.parametrize("victim", [*PROCESSES, *SERVERS])
def test_kill_9(disturbed: Disturbed, victim: str) -> None:
    if victim not in disturbed.victims:
        pytest.skip("a server that was given to us is not ours to kill")
    load = disturbed.load
    before = len(load.answers)
    with load.running(COMMANDS):
        load.wait_for(before + COMMANDS // 4)
        disturbed.kill(victim)
    assert len(load.answers) == before + COMMANDS
    disturbed.assert_sound()


@pytest.fixture
def crowd(disturbed: Disturbed) -> Iterator[Load]:
    """The same load with 500 commands in flight, of more people, so that they do not all wait for the same streams."""
    load = disturbed.load
    load.admit(max(0, CROWD - len(load.people)))
    usual, load.in_flight = load.in_flight, 500
    yield load
    load.in_flight = usual


@pytest.mark.long
@pytest.mark.parametrize("victim", PROCESSES)
def test_kill_9_with_500_in_flight(disturbed: Disturbed, crowd: Load, victim: str) -> None:
    before = len(crowd.answers)
    with crowd.running(1_000):
        crowd.wait_for(before + 250)
        disturbed.kill(victim)
    assert len(crowd.answers) == before + 1_000
    disturbed.assert_sound()


def test_a_relay_that_stalls_is_replaced_and_numbers_nothing_when_it_wakes(disturbed: Disturbed) -> None:
    load = disturbed.load
    with disturbed.second_courier("identity"):
        load.run(COMMANDS // 2)
        before = disturbed.position()
        with disturbed.frozen("courier identity"):
            load.run(COMMANDS // 2)
            wait_until(
                lambda: disturbed.position() > before and not disturbed.standing()["waiting"],
                lambda: f"nobody took over: {disturbed.standing()}",
            )
        load.run(COMMANDS // 2)
        disturbed.assert_sound()
    disturbed.assert_sound()


def test_two_couriers_of_each_service_at_once(disturbed: Disturbed) -> None:
    load = disturbed.load
    before = len(load.answers)
    with load.running(COMMANDS), disturbed.second_courier("identity"), disturbed.second_courier("audit"):
        load.wait_for(before + COMMANDS // 2)
        disturbed.kill("courier identity")
        disturbed.kill("courier audit")
        load.wait_for(before + COMMANDS)
        disturbed.assert_sound()
    disturbed.assert_sound()


def test_a_purged_queue_followed_by_silence(disturbed: Disturbed) -> None:
    load = disturbed.load
    with disturbed.halted("courier audit"):
        load.run(COMMANDS // 2)
        disturbed.await_relayed()
        assert disturbed.purge() > 0
    disturbed.assert_sound()


def test_messages_that_never_arrive_followed_by_silence(disturbed: Disturbed) -> None:
    load = disturbed.load
    with disturbed.unbound():
        load.run(COMMANDS // 2)
        disturbed.await_relayed()
    disturbed.assert_sound()
