"""The long form: faults in an order drawn from a seed, for as long as OKACRM_CHAOS_SECONDS says.

People come, change their minds while things break, and leave. After each round of faults there is silence, the platform
comes to rest and is judged as a whole.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from shared.contracts.services import SERVICE_NAMES
from tests.chaos.faults import PEOPLE, SEED, SERVERS, Disturbed
from tests.invariants import Findings

SECONDS = float(os.environ.get("OKACRM_CHAOS_SECONDS", "600"))
FAULTS_IN_A_ROUND = 6
LONGEST_FREEZE = 5.0


@dataclass
class Chaos:
    """One run: what is drawn, what was done, and what it came to."""

    disturbed: Disturbed
    random: random.Random
    injected: Counter[str] = field(default_factory=Counter)
    findings: Findings = field(default_factory=Findings)
    rounds: int = 0

    def round(self) -> None:
        load = self.disturbed.load
        with ExitStack() as rivals:
            for service in self.random.sample(SERVICE_NAMES, self.random.randint(0, len(SERVICE_NAMES))):
                self._count(f"second courier {service}")
                rivals.enter_context(self.disturbed.second_courier(service))
            with load.running():
                for _ in range(FAULTS_IN_A_ROUND):
                    load.wait_for_more(self.random.randint(1, 60))
                    self._disturb()
                load.wait_for_more(self.random.randint(1, 60))
        self._fall_silent()
        self.findings = self.disturbed.assert_sound(asked_again=100)
        self.rounds += 1

    def _disturb(self) -> None:
        self.disturbed.await_ready()
        kind = self.random.choices(("kill", "freeze", "restart", "blocked"), (8, 5, 2, 1))[0]
        victims = [name for name in self.disturbed.victims if kind != "restart" or name in SERVERS]
        victim = self.random.choice(sorted(victims))
        span = self.random.uniform(0.1, LONGEST_FREEZE)
        faults: dict[str, Callable[[], None]] = {
            "kill": lambda: self.disturbed.kill(victim),
            "freeze": lambda: self._freeze(victim, span),
            "restart": lambda: self.disturbed.platform.restart(victim),
            "blocked": lambda: self._block(span),
        }
        self._count("broker blocked" if kind == "blocked" else f"{kind} {victim}")
        faults[kind]()

    def _freeze(self, victim: str, span: float) -> None:
        with self.disturbed.frozen(victim):
            threading.Event().wait(span)

    def _block(self, span: float) -> None:
        with self.disturbed.blocked():
            threading.Event().wait(span)

    def _fall_silent(self) -> None:
        """What was sent last is lost on its way to audit, and nothing is sent after it."""
        kind = self.random.choice(("queue purged", "queue overflown", "queue unbound"))
        self._count(kind)
        self.disturbed.await_ready()
        commands = self.random.randint(20, 80)
        if kind == "queue unbound":
            with self.disturbed.unbound():
                self.disturbed.load.run(commands)
                self.disturbed.await_relayed()
        else:
            with self.disturbed.halted("courier audit"):
                self.disturbed.load.run(commands)
                self.disturbed.await_relayed()
                if kind == "queue purged":
                    self.disturbed.purge()
                else:
                    self.disturbed.overflow()

    def _count(self, fault: str) -> None:
        self.injected[fault] += 1

    def summary(self, seconds: float) -> str:
        load, halts = self.disturbed.load, self.disturbed.halts()
        lines = {
            "seed": SEED,
            "duration": f"{seconds:.0f} s, {self.rounds} rounds",
            "commands accepted": load.accepted,
            "commands refused": load.refused,
            "attempts": _listed(load.attempts),
            "faults injected": f"{self.injected.total()}: {_listed(self.injected)}",
            "looked at": _listed(self.findings.looked_at),
            "lost": self.findings.lost,
            "duplicated": self.findings.duplicated,
            "forks": self.findings.forks,
            "halts": f"{halts.total()} {_listed(halts)}",
            "alarms": _listed(self.disturbed.alarms()) or "none",
        }
        return "\n".join(f"  {name:18} {value}" for name, value in lines.items())


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


@pytest.mark.long
def test_random_faults(disturbed: Disturbed, capsys: pytest.CaptureFixture[str]) -> None:
    chaos = Chaos(disturbed, random.Random(SEED))
    started = time.monotonic()
    load = disturbed.load
    try:
        while time.monotonic() - started < SECONDS:
            chaos.round()
            load.dismiss()
            load.admit(PEOPLE)
    finally:
        with capsys.disabled():
            print(f"\nChaos\n{chaos.summary(time.monotonic() - started)}")
    assert not disturbed.halts(), "nothing that was done here is a reason to halt"
