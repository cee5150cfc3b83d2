"""What can be done to a platform, and how it is judged afterwards."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from signal import Signals
from typing import Any

import amqp
import psutil
import psycopg
from kombu import Connection

from deploy.local.platform import CHECKOUT, PROCESSES, Platform
from tests.chaos.load import Load
from tests.invariants import AUDIT, Findings, check_invariants, owner_connection

SEED = int(os.environ.get("OKACRM_CHAOS_SEED") or random.SystemRandom().randrange(2**32))
"""Of everything that is random here; OKACRM_CHAOS_SEED repeats a run."""
PEOPLE = 16
IN_FLIGHT = 40
PATIENCE = 120.0
PUBLISHER = "identity"
LOG_QUEUE = "audit.log.identity"
SERVERS = ("postgres", "rabbitmq")
EXPECTED_OF_A_LOST_DATABASE = "Exception during reset or similar"
"""SQLAlchemy's pool says so, as an error, of each connection that it finds dead when it is given back."""
QUEUE_LENGTH = 50_000
"""`x-max-length` of audit's queues: one message more and the broker drops the oldest."""


class NotSettled(AssertionError):
    """The platform did not come to rest; the message says where everything stands."""


def wait_until(holds: Callable[[], bool], complaint: Callable[[], str], within: float = PATIENCE) -> None:
    """Waits for a condition, looking often. Raises `NotSettled`."""
    pause, deadline = threading.Event(), time.monotonic() + within
    while not holds():
        if time.monotonic() > deadline:
            raise NotSettled(complaint())
        pause.wait(0.1)


class Disturbed:
    """A platform under load, to which faults are done."""

    def __init__(self, platform: Platform, load: Load) -> None:
        self.platform = platform
        self.load = load

    # --- processes

    def kill(self, name: str) -> None:
        """kill -9; the supervisor starts it again."""
        self.platform.kill(name, Signals.SIGKILL)

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """SIGSTOP while the block runs, then SIGCONT."""
        self.platform.kill(name, Signals.SIGSTOP)
        try:
            yield
        finally:
            self.platform.kill(name, Signals.SIGCONT)

    @contextmanager
    def halted(self, name: str) -> Iterator[None]:
        """Stopped in order while the block runs, then started again."""
        self.platform.supervisor.halt(name)
        try:
            yield
        finally:
            self.platform.supervisor.resume(name)

    @contextmanager
    def second_courier(self, service: str) -> Iterator[subprocess.Popen[bytes]]:
        """One more courier of a service, beside the supervised one, while the block runs."""
        name = f"courier {service}"
        inherited = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR") if key in os.environ}
        with (self.platform.state.logs / f"second-courier-{service}.log").open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "deploy.cli", *name.split()],
                env=inherited | {"PYTHONPATH": str(CHECKOUT), **self.platform.environment(name)},
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def victims(self) -> tuple[str, ...]:
        """Every process and server that is ours to disturb: not a server that was given to us."""
        running = self.platform.pids()
        return tuple(name for name in (*PROCESSES, *SERVERS) if name in running)

    # --- the broker

    def purge(self) -> int:
        """Empties audit's queue; answers how many messages were lost by it."""
        with self._channel() as channel:
            return int(channel.queue_purge(LOG_QUEUE))

    def overflow(self) -> None:
        """Fills audit's queue with foreign messages until the broker has dropped everything that waited in it."""
        with self._channel() as channel:
            message = amqp.Message(b"not an event", delivery_mode=1)
            for _ in range(QUEUE_LENGTH + 1_000):
                channel.basic_publish(message, exchange="", routing_key=LOG_QUEUE)
            wait_until(
                lambda: channel.queue_declare(LOG_QUEUE, passive=True).message_count >= QUEUE_LENGTH,
                lambda: "the queue does not fill",
            )

    @contextmanager
    def unbound(self) -> Iterator[None]:
        """The broker loses every event for audit while the block runs."""
        with self._channel() as channel:
            channel.queue_unbind(LOG_QUEUE, f"{PUBLISHER}.events", routing_key="#")
        try:
            yield
        finally:
            with self._channel() as channel:
                channel.queue_bind(LOG_QUEUE, f"{PUBLISHER}.events", routing_key="#")

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """The broker takes nothing from any publisher while the block runs: its memory alarm is raised."""
        self._control("set_vm_memory_high_watermark", "0.0001")
        try:
            yield
        finally:
            self._control("set_vm_memory_high_watermark", "0.4")

    def _control(self, *arguments: str) -> None:
        """`rabbitmqctl` for the private node, in the node's own environment."""
        node = psutil.Process(self.platform.pids()["rabbitmq"]).environ()
        subprocess.run(["rabbitmqctl", "-q", *arguments], env=node, check=True, timeout=60, capture_output=True)

    @contextmanager
    def _channel(self) -> Iterator[Any]:
        connection = Connection(self.platform.description.amqp_url, connect_timeout=5)
        with closing(connection.connect()) as transport:
            yield transport.channel()

    # --- rest, and judgement

    def await_ready(self) -> None:
        """Waits until every process and server runs and answers."""
        for name in self.platform.pids().keys() | set(PROCESSES):
            self.platform.supervisor.await_ready(name, within=PATIENCE)

    def await_rest(self) -> None:
        """Waits until every committed event is in the log, signed for and archived."""
        self.await_ready()
        wait_until(lambda: _at_rest(self.standing()), lambda: f"no rest: {self.standing()}")

    def await_relayed(self) -> None:
        """Waits until the broker has confirmed every committed event."""
        wait_until(lambda: _relayed(self.standing()), lambda: f"not relayed: {self.standing()}")

    def judge(self) -> Findings:
        self.await_rest()
        return check_invariants(self.platform, self.load.answers)

    def standing(self) -> dict[str, Any]:
        """How far everything has come."""
        try:
            with owner_connection(self.platform, PUBLISHER) as connection:
                feed = connection.execute(
                    "SELECT (SELECT count(*) FROM outbox) AS waiting, (SELECT count(*) FROM events) AS events, "
                    "position, published FROM feed_head"
                ).fetchone()
            with owner_connection(self.platform, AUDIT) as connection:
                log = connection.execute(
                    "SELECT size, (SELECT max(size) FROM checkpoints) AS signed, "
                    "(SELECT count(*) FROM events) AS asked, "
                    "(SELECT coalesce(max(position), 0) FROM cursors WHERE publisher = %s) AS asked_cursor, "
                    "(SELECT position FROM cursors WHERE publisher = %s) AS cursor, "
                    "(SELECT head FROM cursors WHERE publisher = %s) AS head, "
                    "(SELECT halted FROM cursors WHERE publisher = %s) AS halted FROM log_head",
                    [AUDIT, *[PUBLISHER] * 3],
                ).fetchone()
        except psycopg.OperationalError as error:
            return {"away": type(error).__name__}
        assert feed is not None
        assert log is not None
        return {**feed._asdict(), **log._asdict()}

    def assert_sound(self, *, asked_again: int = 20) -> Findings:
        """Comes to rest and finds nothing wrong; commands that are sent again get the answer they got."""
        findings = self.judge()
        about = f"seed: {SEED}\nattempts: {dict(self.load.attempts)}\nalarms: {dict(self.alarms())}"
        assert not findings, f"{findings}\n{about}"
        assert not self.alarms(), f"something failed inside a process\n{about}"
        assert not self.load.failures, f"{self.load.failures} requests were answered with 500\n{about}"
        self.load.ask_again(asked_again)
        return findings

    def position(self) -> int:
        """The head of the feed; 0 while nobody can tell."""
        return int(self.standing().get("position", 0))

    def log_lines(self, process: str) -> Iterator[dict[str, Any]]:
        """What a process has logged since it first ran."""
        for path in sorted(self.platform.state.logs.glob(f"{process.replace(' ', '-')}.log*"), reverse=True):
            for line in path.read_text(errors="replace").splitlines():
                if line.startswith("{"):
                    yield json.loads(line)

    def alarms(self) -> Counter[str]:
        """What processes logged as errors, but for dead connections to a database, by process, event and place."""
        found: Counter[str] = Counter()
        for process in PROCESSES:
            for line in self.log_lines(process):
                expected = (
                    line.get("event") == EXPECTED_OF_A_LOST_DATABASE and line.get("exception") == "OperationalError"
                )
                if line.get("level") in ("error", "critical") and not expected:
                    about = line.get("reason") or line.get("exception") or line.get("error") or ""
                    place = (line.get("raised_at") or [""])[-1]
                    found[f"{process}: {line.get('event')} {about} {place}".strip()] += 1
        return found

    def halts(self) -> Counter[str]:
        """Every time a subscription stopped rather than skip, by the reason it gave."""
        return Counter(
            line["reason"] for line in self.log_lines("courier audit") if line.get("event") == "subscription_halted"
        )


def _relayed(standing: dict[str, Any]) -> bool:
    return "away" not in standing and standing["events"] == standing["position"] == standing["published"]


def _at_rest(standing: dict[str, Any]) -> bool:
    if "away" in standing or standing["waiting"]:
        return False
    events, asked = standing["events"], standing["asked"]
    reached = ("position", "published", "cursor", "head")
    return (
        all(standing[name] == events for name in reached)
        and standing["asked_cursor"] == asked
        and standing["size"] == standing["signed"] == events + asked
        and standing["halted"] is None
    )
