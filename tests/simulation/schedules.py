"""Random schedules, made so that they shrink to few and early faults in a small cast."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from tests.simulation import broker, platform, world
from tests.simulation.broker import MessageFault
from tests.simulation.platform import Command, Happening, Restore, Schedule
from tests.simulation.world import Fault

LONG = os.environ.get("OKACRM_CHAOS") == "long"
BUDGET = 50_000 if LONG else 500
"""How many schedules the simulation tries."""


def searching(number: int, *, shrink: bool = True, **options: Any) -> settings:
    """The settings of a search through that many schedules."""
    return settings(
        max_examples=number,
        deadline=None,
        database=None,
        print_blob=True,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
        suppress_health_check=list(HealthCheck),
        **options,
    )


OFTEN = {
    "relay": ("number", "read feed", "publish", "receive"),
    "subscriber": ("commit", "apply", "move cursor", "acknowledge", "receive", "lock", "ask", "hear the answer"),
}
"""The calls where something can be lost; faults stand there three times as often as elsewhere."""
SELDOM = {
    "relay": ("lead", "read progress", "connect", "keep leading", "peek", "idle", "wait", "close"),
    "subscriber": (
        "note head", "connect", "declare queue", "bind queue", "consume", "idle", "wait", "close", "wait for lock",
    ),
}  # fmt: skip
PLACES = [
    (f"{kind} {name}", call)
    for name in "AB"
    for kind in ("subscriber", "relay")
    for call in (*OFTEN[kind] * 3, *SELDOM[kind])
]
KINDS = (world.KILL, world.STALL, world.LOSE_ANSWER, world.LOSE, world.STOP)
SECONDS = (0.0, 0.01, 0.3, 1.5, 4.0, 20.0)

moments = st.integers(0, 40).map(lambda n: n / 10)
commands = st.builds(
    Command,
    at=st.integers(0, 30).map(lambda n: n / 10),
    stream=st.sampled_from("ab"),
    events=st.integers(1, 2),
    held=st.sampled_from((0.0, 0.01, 0.2, 1.0, 3.0)),
    commits=st.sampled_from((True, True, True, False)),
)
faults = st.builds(
    lambda place, nth, kind, seconds: Fault(*place, nth, kind, seconds),
    st.sampled_from(PLACES), st.integers(1, 4), st.sampled_from(KINDS), st.sampled_from(SECONDS),
)  # fmt: skip
message_faults = st.builds(
    MessageFault,
    nth=st.integers(1, 12),
    kind=st.sampled_from((broker.DROP, broker.TWICE, broker.LATE, broker.NACK, broker.UNCONFIRMED)),
    seconds=st.sampled_from(SECONDS[:-1]),
)
happenings = st.builds(
    Happening,
    at=moments,
    kind=st.sampled_from(
        (platform.PURGE, platform.BROKER_RESTART, platform.PUBLISHER_RESTART, platform.SUBSCRIBER_RESTART,
         platform.AWAY)
    ),
    seconds=st.sampled_from((0.0, 1.5, 4.0)),
)  # fmt: skip


def _cast(schedule: Schedule) -> Schedule:
    """Whatever would happen to a second process that is not there happens to the first."""
    there = {f"relay {name}" for name in "AB"[: schedule.relays]}
    there |= {f"subscriber {name}" for name in "AB"[: schedule.subscribers]}
    faults = [
        fault if fault.actor in there else replace(fault, actor=fault.actor.replace("B", "A"))
        for fault in schedule.faults
    ]
    return replace(schedule, faults=faults)


schedules = st.builds(
    Schedule,
    commands=st.lists(commands, min_size=1, max_size=6),
    relays=st.integers(1, 2),
    subscribers=st.integers(1, 2),
    faults=st.lists(faults, max_size=10),
    messages=st.lists(message_faults, max_size=4),
    happenings=st.lists(happenings, max_size=3),
).map(_cast)
restores = st.builds(
    Schedule,
    commands=st.lists(commands, min_size=2, max_size=8),
    relays=st.integers(1, 2),
    subscribers=st.integers(1, 2),
    faults=st.lists(faults, max_size=4),
    messages=st.lists(message_faults, max_size=3),
    restore=st.builds(
        lambda of, later: Restore(of, of + later),
        st.integers(0, 25).map(lambda n: n / 10), st.integers(1, 20).map(lambda n: n / 10),
    ),
)  # fmt: skip
