"""Loops: what a process does again and again, each on a thread of its own, and none at the cost of another.

A loop is a name, a function and an interval. Whatever its function raises ends that turn and nothing else: it is
reported, and the next turn comes after a pause that grows while it goes on failing. So a function need not be careful
about what it lets out, and need not wait or count by itself (docs/decisions/0045-loops-run-by-one-thing.md).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol

import structlog
from sqlalchemy import Engine, text

from shared.bus.connection import BROKER_ERRORS, Stopping
from shared.contracts.problems import Problem
from shared.runtime import clock
from shared.runtime.faults import Fault, fault_of

log = structlog.get_logger()

SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
"""Between a turn that failed and the next one: twice as long after each further failure."""
SETTLED_SECONDS = 10.0
"""A turn that went on for so long before it failed begins a new row of failures."""


@dataclass(frozen=True)
class Loop:
    """Something to be done again and again.

    `turn` is called anew `interval` seconds after it returned, or at once if it answered True: then there is more to
    do. It may take as long as it likes; one that follows something goes on until the process is to stop.
    """

    name: str
    turn: Callable[[], object]
    interval: float = 0.0


class Interrupted(Exception):
    """A turn ends because of something that is known and passes; the text says what, and holds no value of a person."""


@dataclass(frozen=True)
class Failure:
    """That a turn of a loop failed: for the how-manieth time in a row, and since when."""

    loop: str
    error: Exception
    number: int
    since: datetime

    @property
    def passes(self) -> bool:
        """Whether this is known to come and go, as a server that is away; else somebody has made a mistake."""
        if isinstance(self.error, Problem):
            return self.error.type.status >= 500
        fault = fault_of(self.error)
        return fault not in (None, Fault.OURS, Fault.SLOW) or isinstance(self.error, (Interrupted, *BROKER_ERRORS))

    @property
    def reason(self) -> str:
        """What happened, without anything that an error may quote."""
        if isinstance(self.error, Interrupted):
            return f"{type(self.error).__name__}: {self.error}"
        if isinstance(self.error, Problem):
            return self.error.code
        state = getattr(getattr(self.error, "orig", self.error), "sqlstate", None)
        return f"{type(self.error).__name__} ({state})" if state else type(self.error).__name__


class Reports(Protocol):
    """Where it is told how loops fare."""

    def failed(self, failure: Failure) -> None:
        """A turn failed."""

    def recovered(self, loop: str) -> None:
        """A turn came to its end after one that had failed."""


class LoggedReports:
    """Reports in the log of the process."""

    def failed(self, failure: Failure) -> None:
        facts = {"loop": failure.loop, "failures": failure.number, "reason": failure.reason}
        if failure.passes:
            log.warning("loop_interrupted", **facts)
        else:
            log.error("loop_failed", **facts, exc_info=failure.error)

    def recovered(self, loop: str) -> None:
        log.info("loop_recovered", loop=loop)


class StoredReports(LoggedReports):
    """Reports that are kept in the table `loops` as well, for whoever asks how the platform stands."""

    def __init__(self, engine: Engine) -> None:
        """Forgets what a process before this one reported."""
        self._engine = engine
        self._execute("DELETE FROM loops", {})

    def failed(self, failure: Failure) -> None:
        super().failed(failure)
        self._execute(
            """
            INSERT INTO loops (name, failures, reason, failing_since, failed_at)
            VALUES (:name, :failures, :reason, :since, :now)
            ON CONFLICT (name) DO UPDATE SET
                failures = :failures, reason = :reason, failing_since = :since, failed_at = :now
            """,
            {
                "name": failure.loop,
                "failures": failure.number,
                "reason": failure.reason,
                "since": failure.since,
                "now": clock.now(),
            },
        )

    def recovered(self, loop: str) -> None:
        super().recovered(loop)
        self._execute("DELETE FROM loops WHERE name = :name", {"name": loop})

    def _execute(self, statement: str, parameters: dict[str, object]) -> None:
        try:
            with self._engine.begin() as connection:
                connection.execute(text(statement), parameters)
        except Exception as error:
            # A database that takes no report is what most reports would be about; it shows by itself.
            if fault_of(error) is None:
                raise
            log.warning("report_not_kept", error=type(error).__name__)


def run_loops(loops: Sequence[Loop], stopping: threading.Event, reports: Reports) -> None:
    """Runs loops, each on a thread of its own, and returns when all have ended after `stopping` was set."""
    threads = [
        threading.Thread(target=keep_running, args=(loop, stopping, reports), name=loop.name, daemon=True)
        for loop in loops
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def keep_running(
    loop: Loop,
    stopping: Stopping,
    reports: Reports | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Runs one loop until `stopping` is set, whatever its turns raise."""
    reports = reports or LoggedReports()
    failures, since = 0, clock.now()
    while not stopping.is_set():
        began = monotonic()
        try:
            more = loop.turn()
        except Exception as error:  # noqa: BLE001 - whatever it is, the next turn comes
            if not failures or monotonic() - began > SETTLED_SECONDS:
                failures, since = 0, clock.now()
            failures += 1
            _tell(partial(reports.failed, Failure(loop.name, error, failures, since)))
            stopping.wait(pause_after(failures))
        else:
            if failures:
                _tell(partial(reports.recovered, loop.name))
            failures = 0
            if more is not True:
                stopping.wait(loop.interval)


def pause_after(failures: int) -> float:
    """Return the seconds to wait after so many failures in a row."""
    return float(min(SHORTEST_PAUSE * 2 ** min(failures - 1, 30), LONGEST_PAUSE))


def _tell(report: Callable[[], None]) -> None:
    """Reports; a report that fails itself must not end what it is about."""
    try:
        report()
    except Exception as error:  # noqa: BLE001 - the loop goes on
        log.error("report_failed", error=type(error).__name__)
