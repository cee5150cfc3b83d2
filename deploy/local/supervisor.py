"""Keeps child processes running and leaves none behind.

Each child leads a session of its own, so that a Ctrl-C in the terminal reaches the supervisor alone and the children
are stopped in order. Should the supervisor itself be killed, Linux signals its children; whatever outlives it even so
is found by its process file at the next start.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from signal import Signals

import psutil

from deploy.local.interruption import POLL_SECONDS, Interruption
from deploy.local.state import PlatformError, write_durably
from shared.bus.loops import Failure, Loop, keep_running

log = logging.getLogger(__name__)

LONGEST_BACKOFF_SECONDS = 15.0
SETTLED_AFTER_SECONDS = 30.0
LARGEST_LOG_BYTES = 20_000_000
PR_SET_PDEATHSIG = 1
ASK_AGAIN_SECONDS = 0.5
"""A program that has just been started may not listen to signals yet: RabbitMQ loses those that come too early."""
LEFTOVER_SECONDS = 10.0
HURRY_SECONDS = 3.0
"""How long a program may take to end when somebody who asked for the end asks again."""


@dataclass(frozen=True)
class Program:
    """How one child starts, when it counts as ready, and how it is asked to stop."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    ready: Callable[[], bool]
    stop_signal: Signals = Signals.SIGTERM
    stop_within: float = 10.0
    hurry_signal: Signals = Signals.SIGKILL
    """What it is sent when somebody who asked for the end asks again."""
    orphan_signal: Signals = Signals.SIGKILL
    """What the child is sent when the supervisor dies: the surest signal that its data survives."""
    user: str | None = None


@dataclass
class Child:
    program: Program
    process: subprocess.Popen[bytes] | None = None
    kept_running: bool = False
    """False while the child is being started or stopped on purpose: then its exit is no crash."""
    crashes: int = 0
    spawned_at: float = 0.0
    revive_at: float | None = None

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None


@dataclass
class Supervisor:
    """Starts programs in stages and stops the stages in reverse; within a stage programs start and stop together."""

    logs: Path
    process_files: Path
    interruption: Interruption = field(default_factory=Interruption)
    _stages: list[list[Child]] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _closing: threading.Event = field(default_factory=threading.Event)
    _watcher: threading.Thread | None = None
    _spawner: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "spawner"))
    """Linux sends the death signal when the *thread* that started a child ends: this one lives as long as we do."""

    def start(self, *programs: Program, within: float = 90.0) -> None:
        """Start a stage and return when all of it is ready. Raises `Interrupted`."""
        self.interruption.check()
        if self._watcher is None:
            watching = Loop("watcher", self._look_after_children, POLL_SECONDS)
            self._watcher = threading.Thread(
                target=keep_running, args=(watching, self._closing, _Reports()), name=watching.name, daemon=True
            )
            self._watcher.start()
        stage = [Child(program) for program in programs]
        with self._lock:
            self._stages.append(stage)
            for child in stage:
                self._spawn(child)
        for child in stage:
            self._await_ready(child, within)

    def restart(self, name: str, within: float = 90.0) -> None:
        self.halt(name)
        self.resume(name, within=within)

    def halt(self, *names: str) -> None:
        """Stop programs together and keep them stopped."""
        self._end([self._child(name) for name in names])

    def resume(self, *names: str, within: float = 90.0) -> None:
        """Start halted programs together."""
        children = [self._child(name) for name in names]
        with self._lock:
            for child in children:
                self._spawn(child)
        for child in children:
            self._await_ready(child, within)

    def kill(self, name: str, number: Signals = Signals.SIGKILL) -> None:
        """Send a signal as a fault would. Freezing and thawing reach the program's own children too."""
        child = self._child(name)
        if not child.is_running or child.process is None:
            raise PlatformError(f"{name} is not running")
        if number in (Signals.SIGSTOP, Signals.SIGCONT):
            _signal_family(child.process.pid, number)
        else:
            child.process.send_signal(number)

    def pids(self) -> dict[str, int]:
        """The process id of every program that runs now."""
        with self._lock:
            return {
                child.program.name: child.process.pid
                for child in self._children()
                if child.is_running and child.process is not None
            }

    def await_ready(self, name: str, within: float = 60.0) -> None:
        """Wait until a program runs and answers, for instance after a crash from which it is being revived."""
        child = self._child(name)
        self.interruption.wait_until(
            lambda: child.is_running and child.program.ready(), within, f"{name} did not come back"
        )

    def stop(self) -> None:
        """Stop everything, last started first. Returns when no child is left."""
        self._closing.set()
        if self._watcher is not None:
            self._watcher.join()
        while self._stages:
            self._end(self._stages[-1])
            self._stages.pop()
        self._spawner.shutdown()

    def clear_leftovers(self) -> None:
        """End children of an earlier supervisor that died without stopping them; kill those that do not end when asked.

        A process id alone proves nothing, since ids are reused: the start time must match as well.
        """
        leftovers = {}
        for path in self.process_files.glob("*.json"):
            if (process := recorded_process(path)) is not None:
                log.warning("ending process %d, left over from an earlier run", process.pid)
                leftovers[process] = Signals(json.loads(path.read_text()).get("stop", Signals.SIGTERM))
        deadline = time.monotonic() + LEFTOVER_SECONDS
        while leftovers and time.monotonic() < deadline and not self.interruption.asked:
            for process, stop in leftovers.items():
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(stop)
            psutil.wait_procs(leftovers, timeout=ASK_AGAIN_SECONDS)
            leftovers = {process: stop for process, stop in leftovers.items() if _runs(process)}
        for process in leftovers:
            psutil.wait_procs(_signal_family(process.pid, Signals.SIGKILL), timeout=LEFTOVER_SECONDS)
        for path in self.process_files.glob("*.json"):
            path.unlink(missing_ok=True)

    def _children(self) -> list[Child]:
        return [child for stage in self._stages for child in stage]

    def _child(self, name: str) -> Child:
        for child in self._children():
            if child.program.name == name:
                return child
        known = ", ".join(child.program.name for child in self._children())
        raise PlatformError(f"no process is called {name!r}; there are: {known}")

    def _spawn(self, child: Child) -> None:
        program = child.program
        path = self._log_file(program)
        if path.exists() and path.stat().st_size > LARGEST_LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        output = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            child.process = self._spawner.submit(
                subprocess.Popen,
                program.command,
                env=dict(program.environment),
                cwd=program.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                user=program.user,
                group=program.user,
                extra_groups=[] if program.user else None,
                umask=0o077,
                preexec_fn=_before_exec(program.orphan_signal),
            ).result()
        finally:
            os.close(output)
        child.spawned_at = time.monotonic()
        try:
            self._record(child.process.pid, program)
        except Exception:
            # A child without a record would be left behind if we were killed.
            child.process.kill()
            child.process.wait()
            raise
        child.revive_at = None

    def _record(self, pid: int, program: Program) -> None:
        """Keeps which process it is, and how it is asked to stop, for a supervisor after us."""
        try:
            started = psutil.Process(pid).create_time()
        except psutil.NoSuchProcess:
            return
        record = {"name": program.name, "pid": pid, "started": started, "stop": program.stop_signal}
        write_durably(self._process_file(program), json.dumps(record).encode())

    def _process_file(self, program: Program) -> Path:
        return self.process_files / f"{program.name.replace(' ', '-')}.json"

    def _log_file(self, program: Program) -> Path:
        return self.logs / f"{program.name.replace(' ', '-')}.log"

    def _await_ready(self, child: Child, within: float) -> None:
        name, output = child.program.name, self._log_file(child.program)

        def ready() -> bool:
            if not child.is_running:
                tail = "\n".join(output.read_text(errors="replace").splitlines()[-8:])
                raise PlatformError(f"{name} ended while it was starting; {output} says:\n{tail}")
            return child.program.ready()

        self.interruption.wait_until(ready, within, f"{name} was not ready after {within:.0f} seconds; see {output}")
        child.kept_running = True

    def _look_after_children(self) -> None:
        """Revives the children that have ended; one that cannot be revived is tried again, after the others."""
        with self._lock:
            for child in self._children():
                if child.kept_running and not child.is_running:
                    try:
                        self._revive(child)
                    except Exception as error:  # noqa: BLE001 - the other children must not suffer for it
                        log.warning("%s cannot be started (%s)", child.program.name, error)
                        child.revive_at = time.monotonic() + backoff(child.crashes)
                        child.crashes += 1

    def _revive(self, child: Child) -> None:
        """Starts a child again, when it is time to."""
        now = time.monotonic()
        if child.revive_at is None:
            if now - child.spawned_at > SETTLED_AFTER_SECONDS:
                child.crashes = 0
            child.revive_at = now + backoff(child.crashes)
            log.warning("%s has ended; starting it again", child.program.name)
            child.crashes += 1
        elif now >= child.revive_at:
            self._spawn(child)

    def _end(self, children: list[Child]) -> None:
        """Ask all of them to stop, then make those stop that do not."""
        with self._lock:
            for child in children:
                child.kept_running = False
                if child.is_running and child.process is not None:
                    child.process.send_signal(child.program.stop_signal)
                    _signal_family(child.process.pid, Signals.SIGCONT)
        for child in children:
            if child.process is not None:
                self._await_end(child.program, child.process)
                self._process_file(child.program).unlink(missing_ok=True)

    def _await_end(self, program: Program, process: subprocess.Popen[bytes]) -> None:
        """Return when a program that was asked to stop has ended, and nothing is left of what it started."""
        asked = began = time.monotonic()
        patience, signal_again, hurried = program.stop_within, program.stop_signal, False
        while process.poll() is None:
            now = time.monotonic()
            if self.interruption.hurried and not hurried:
                hurried, signal_again = True, program.hurry_signal
                patience, asked = min(patience, now - began + HURRY_SECONDS), 0.0
            if now - began > patience:
                log.warning("%s does not stop when asked; killing it", program.name)
                _signal_family(process.pid, Signals.SIGKILL)
                process.wait()
            elif now - asked > ASK_AGAIN_SECONDS:
                process.send_signal(signal_again)
                asked = now
            time.sleep(POLL_SECONDS / 2)
        # Each child leads a process group: who is left in it after its leader was left behind.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, Signals.SIGKILL)


class _Reports:
    """Tells how the watcher fares where the supervisor tells everything."""

    def failed(self, failure: Failure) -> None:
        log.warning("the watcher failed and goes on (%s)", failure.reason, exc_info=failure.error)

    def recovered(self, loop: str) -> None:
        log.warning("the watcher is well again")


def backoff(crashes: int) -> float:
    """Seconds to wait before reviving a child that crashed this many times in a row before: at once, then doubling."""
    return 0.0 if crashes == 0 else min(0.25 * 2**crashes, LONGEST_BACKOFF_SECONDS)


def recorded_process(path: Path) -> psutil.Process | None:
    """The process a process file speaks of, if that very process still runs."""
    with suppress(FileNotFoundError, ValueError, KeyError, psutil.NoSuchProcess):
        record = json.loads(path.read_text())
        process = psutil.Process(record["pid"])
        if abs(process.create_time() - record["started"]) < 2 and _runs(process):
            return process
    return None


def _runs(process: psutil.Process) -> bool:
    """Whether a process is more than an entry that its parent has not removed yet."""
    try:
        return process.is_running() and bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _signal_family(pid: int, number: Signals) -> list[psutil.Process]:
    """Signal a process and all its descendants, and say which they are."""
    family: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.send_signal(number)
    return family


def _before_exec(orphan_signal: Signals) -> Callable[[], None]:
    """What a child does between fork and exec, prepared in the parent so that the child does little.

    It leaves no core dump, which would hold personal data in the clear, and asks to die with its parent. The kernel
    forgets that wish when a process changes its user, so it is expressed last.
    """
    parent = os.getpid()
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def prepare() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if libc is not None:
            libc.prctl(PR_SET_PDEATHSIG, int(orphan_signal), 0, 0, 0)
            if os.getppid() != parent:
                os.kill(os.getpid(), signal.SIGKILL)

    return prepare
