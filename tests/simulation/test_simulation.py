"""The relay and the subscriber themselves, in thousands of random schedules: whatever happens, what must hold holds.

docs/simulation.md says how to read what is printed when it does not.
"""

from __future__ import annotations

from hypothesis import given

from tests.simulation.platform import Schedule, Simulation
from tests.simulation.schedules import BUDGET, restores, schedules, searching


@searching(BUDGET)
@given(schedules)
def test_every_committed_event_is_applied_once_and_in_order(schedule: Schedule) -> None:
    Simulation(schedule).run()


@searching(BUDGET // 2)
@given(restores)
def test_a_restored_publisher_is_followed_or_refused_and_never_mixed(schedule: Schedule) -> None:
    Simulation(schedule).run()
