"""A loop that fails is reported and goes on, and none takes another along."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy.exc import TimeoutError

from shared.bus.loops import (
    LONGEST_PAUSE,
    SETTLED_SECONDS,
    SHORTEST_PAUSE,
    Failure,
    Interrupted,
    Loop,
    keep_running,
    pause_after,
    run_loops,
)
from shared.contracts.problems import Problem
from tests.making import NOON, eventually


class Told:
    """Remembers what it was told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.failures: list[Failure] = []
        self.recoveries: list[str] = []
        self._error = error

    def failed(self, failure: Failure) -> None:
        self.failures.append(failure)
        if self._error:
            raise self._error

    def recovered(self, loop: str) -> None:
        self.recoveries.append(loop)


class Waits:
    """Remembers how long somebody wanted to wait, and says to stop after so many times."""

    def __init__(self, most: int) -> None:
        self.waited: list[float] = []
        self._most = most

    def is_set(self) -> bool:
        return len(self.waited) >= self._most

    def wait(self, timeout: float) -> bool:
        self.waited.append(timeout)
        return self.is_set()


def turns(*outcomes):
    """A function that answers, or raises, one of these after the other, and then answers None."""
    left = list(outcomes)

    def turn():
        outcome = left.pop(0) if left else None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return turn


class TestOneLoop:
    def test_comes_again_after_its_interval(self):
        waits = Waits(2)
        keep_running(Loop("tidy", turns(), 7.0), waits, Told())
        assert waits.waited == [7.0, 7.0]

    def test_comes_again_at_once_while_there_is_more(self):
        waits = Waits(1)
        keep_running(Loop("tidy", turns(True, True, False), 7.0), waits, Told())
        assert waits.waited == [7.0]

    @pytest.mark.parametrize("error", [ValueError(), TimeoutError(), Problem("service-unavailable"), OSError()])
    def test_goes_on_whatever_it_raises(self, error):
        waits, told = Waits(3), Told()
        keep_running(Loop("tidy", turns(error, error), 7.0), waits, told)
        assert waits.waited == [SHORTEST_PAUSE, 2 * SHORTEST_PAUSE, 7.0]
        assert [(each.loop, each.error, each.number) for each in told.failures] == [
            ("tidy", error, 1),
            ("tidy", error, 2),
        ]
        assert told.recoveries == ["tidy"]

    def test_goes_on_when_even_the_report_fails(self):
        waits = Waits(2)
        keep_running(Loop("tidy", turns(ValueError()), 7.0), waits, Told(RuntimeError()))
        assert waits.waited == [SHORTEST_PAUSE, 7.0]

    def test_a_turn_that_went_on_for_long_begins_a_new_row_of_failures(self):
        told, moments = Told(), iter([0.0, 1.0, 1.0 + 2 * SETTLED_SECONDS])
        keep_running(Loop("tidy", turns(ValueError(), ValueError())), Waits(2), told, monotonic=lambda: next(moments))
        assert [each.number for each in told.failures] == [1, 1]

    def test_pauses_grow_and_stay_bounded(self):
        pauses = [pause_after(failures) for failures in (1, 2, 3, 10, 10_000)]
        assert pauses == [SHORTEST_PAUSE, 2 * SHORTEST_PAUSE, 4 * SHORTEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]


class TestManyLoops:
    def test_one_that_always_fails_leaves_its_neighbours_alone(self):
        stopping, told, done = threading.Event(), Told(), []
        loops = [
            Loop("broken", turns(*(ValueError() for _ in range(1000)))),
            Loop("whole", lambda: done.append(1), 0.001),
        ]
        running = threading.Thread(target=run_loops, args=(loops, stopping, told))
        running.start()
        eventually(lambda: len(told.failures) >= 2 and len(done) > 10)
        assert running.is_alive()
        stopping.set()
        running.join()
        assert {each.loop for each in told.failures} == {"broken"}


class TestFailures:
    def test_what_is_known_to_pass_is_no_mistake(self):
        passing = [Problem("service-unavailable"), Interrupted("outage"), TimeoutError(), ConnectionResetError()]
        assert all(Failure("tidy", error, 1, NOON).passes for error in passing)
        mistakes = [ValueError(), Problem("not-found"), KeyError("ada@example.org")]
        assert not any(Failure("tidy", error, 1, NOON).passes for error in mistakes)

    def test_a_reason_quotes_nothing_that_an_error_says(self):
        assert Failure("tidy", KeyError("ada@example.org"), 1, NOON).reason == "KeyError"
        assert Failure("tidy", Problem("service-unavailable"), 1, NOON).reason == "service-unavailable"
        assert Failure("tidy", Interrupted("outage: OSError"), 1, NOON).reason == "Interrupted: outage: OSError"
