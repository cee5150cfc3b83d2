"""Workers: who does scheduled work. Any number of them, in any number of processes, share it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, Engine

from shared.contracts.problems import Problem
from shared.eventstore.transaction import writing
from shared.work.jobs import Held, LeaseLost, database_time, schedule_if_absent, take

log = structlog.get_logger()

LONGEST_PAUSE = timedelta(hours=1)
POLL_SECONDS = 5.0
"""How often is looked whether a job is due."""


class Later(Exception):
    """A job cannot be done yet, as the outsider that it needs has said: it is tried again after so long a time."""

    def __init__(self, reason: str, after: timedelta) -> None:
        super().__init__(reason)
        self.after = after


@dataclass(frozen=True)
class Duty:
    """One kind of job, and how it is done.

    `do` ends the job in the transaction of its effect, by `Held.finish` or `Held.repeat`; if it returns without, the
    job ends afterwards, or comes again after `every`. A job whose `do` raises is tried again after a pause that begins
    with `pause`, doubles and is drawn between half and all of that, and is parked after so many `attempts`. A job that
    is in somebody's hands longer than it is `leased` goes to somebody else. With `every`, there is always one such job.
    """

    kind: str
    do: Callable[[Held], None]
    leased: timedelta = timedelta(minutes=1)
    attempts: int = 8
    pause: timedelta = timedelta(seconds=10)
    every: timedelta | None = None


class Worker:
    """Does the jobs of some kinds, one at a time. Several workers for the same kinds do no harm."""

    def __init__(
        self,
        engine: Engine,
        duties: Sequence[Duty],
        *,
        random: Callable[[], float],
        time_of: Callable[[Connection], datetime] = database_time,
    ) -> None:
        """`random` draws from 0 to 1, for pauses that are not the same for all that failed together."""
        self._engine = engine
        self._duties = duties
        self._random = random
        self._time_of = time_of
        self._prepared = False

    def _prepare(self) -> None:
        """Sees to it that there is a job for each duty that comes again and again."""
        with writing(self._engine) as connection:
            now = self._time_of(connection)
            for duty in self._duties:
                if duty.every:
                    schedule_if_absent(connection, duty.kind, key="", due_at=now)

    def turn(self) -> bool:
        """Do one job of each kind that has one that is due; return whether there was any."""
        if not self._prepared:
            self._prepare()
            self._prepared = True
        done = [self._do_next(duty) for duty in self._duties]
        return any(done)

    def _do_next(self, duty: Duty) -> bool:
        with writing(self._engine) as connection:
            held = take(connection, duty.kind, self._time_of(connection), duty.leased)
        if held is None:
            return False
        try:
            # Whoever took it before and died each time was never heard of again.
            if held.attempt > duty.attempts and not duty.every:
                self._park(held, "worker-died")
            else:
                self._do(duty, held)
        except LeaseLost:
            log.warning("job_lost", kind=held.kind, key=held.key, attempt=held.attempt)
        return True

    def _do(self, duty: Duty, held: Held) -> None:
        try:
            duty.do(held)
        except LeaseLost:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the others are done
            self._fail(duty, held, error)
            return
        with writing(self._engine) as connection:
            if not held.is_open(connection):
                return
            if duty.every:
                held.repeat(connection, self._time_of(connection) + duty.every)
            else:
                held.finish(connection)

    def _fail(self, duty: Duty, held: Held, error: Exception) -> None:
        reason = error.code if isinstance(error, Problem) else type(error).__name__
        log.warning("job_failed", kind=held.kind, key=held.key, attempt=held.attempt, reason=reason)
        if held.attempt >= duty.attempts and not duty.every:
            self._park(held, reason)
            return
        with writing(self._engine) as connection:
            held.retry(connection, self._time_of(connection) + self._pause_after(duty, held.attempt, error))

    def _park(self, held: Held, reason: str) -> None:
        log.error("job_parked", kind=held.kind, key=held.key, attempts=held.attempt, reason=reason)
        with writing(self._engine) as connection:
            held.park(connection, self._time_of(connection), reason)

    def _pause_after(self, duty: Duty, attempt: int, error: Exception) -> timedelta:
        if isinstance(error, Later):
            return error.after
        doublings: int = 2 ** min(attempt - 1, 20)
        return min(duty.pause * doublings, LONGEST_PAUSE) * (0.5 + self._random() / 2)
