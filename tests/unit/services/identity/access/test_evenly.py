"""What is answered evenly is answered at the same time, however long it took and whatever came of it."""

from __future__ import annotations

import pytest

from services.identity.access.evenly import EVEN_SECONDS, evenly
from shared.contracts.problems import Problem


class Time:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds

    def pass_seconds(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.mark.parametrize("work", [0.0, 0.01, EVEN_SECONDS])
def test_less_and_more_work_come_out_at_the_same_time(work: float) -> None:
    time = Time()
    with evenly(monotonic=time, sleep=time.pass_seconds):
        time.pass_seconds(work)
    assert time.seconds == pytest.approx(100 + EVEN_SECONDS)


def test_a_refusal_comes_out_no_earlier() -> None:
    time = Time()
    with pytest.raises(Problem), evenly(monotonic=time, sleep=time.pass_seconds):
        raise Problem("service-unavailable")
    assert time.seconds == pytest.approx(100 + EVEN_SECONDS)


def test_what_takes_longer_is_not_held_up() -> None:
    time = Time()
    with evenly(monotonic=time, sleep=time.pass_seconds):
        time.pass_seconds(2 * EVEN_SECONDS)
    assert time.seconds == 100 + 2 * EVEN_SECONDS
