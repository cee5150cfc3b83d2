"""`okacrm up` is told to stop at any moment of its start: it ends in order, leaves nothing, and starts again."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from signal import Signals

import psutil
import pytest

from deploy.local.state import StateDirectory
from tests.making import eventually

PATIENCE = 180.0
"""Seconds to wait for what must come; a machine that is busy with other tests takes long."""


class Up:
    """`okacrm up` in a process of its own, as a terminal runs it."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self._output = state_dir.with_suffix(".output")
        with self._output.open("wb") as output, socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
            free.close()
            self.process = subprocess.Popen(
                [sys.executable, "-c", "from deploy.start import run; run()", "up"],
                env={"PATH": os.environ["PATH"], "OKACRM_STATE_DIR": str(state_dir), "OKACRM_HTTP_PORT": str(port)},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def has_come_to(self, moment: str) -> bool:
        """Whether a line was printed, or a file made; never again if it has ended."""
        there = moment in self.output or (self.state_dir / moment).exists()
        assert there or self.process.poll() is None, self.output
        return there

    def stop(self, number: Signals) -> None:
        self.process.send_signal(number)
        self.process.wait(PATIENCE)


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """Not under pytest's own folder, which other users, such as the database server's, may not pass through."""
    folder = Path(tempfile.mkdtemp(prefix="okacrm-"))
    yield folder / "state"
    shutil.rmtree(folder)


def belongs_to(process: psutil.Process, state_dir: Path) -> bool:
    with suppress(psutil.Error):
        told = [*process.cmdline(), *process.environ().values(), process.cwd()]
        return any(str(state_dir) in each for each in told)
    return False


def assert_nothing_remains(up: Up) -> None:
    left = [process for process in psutil.process_iter() if belongs_to(process, up.state_dir)]
    assert left == []
    assert "killing" not in up.output
    # The interpreter cannot be kept from showing where it was while it started itself, before any line of ours.
    assert "Traceback" not in up.output or (up.process.returncode != 0 and "deploy" not in up.output)
    assert not (up.state_dir / "platform.json").exists()
    if up.state_dir.exists():
        state = StateDirectory(up.state_dir)
        state.acquire()
        state.release()


@pytest.mark.parametrize(
    ("number", "moments"),
    [
        (
            Signals.SIGINT,
            [
                "Starting PostgreSQL",
                "postgres/draft",
                "run/postgres.json",
                "run/rabbitmq.json",
                "rabbitmq/data",
                "Bringing the database schemas up to date",
                "Starting the gateway",
                "run/courier-audit.json",
                "Okacrm is running",
            ],
        ),
        (Signals.SIGTERM, ["postgres/draft", "run/rabbitmq.json", "Okacrm is running"]),
    ],
    ids=["SIGINT", "SIGTERM"],
)
def test_whatever_it_is_at_it_stops_and_the_next_start_goes_on(
    state_dir: Path, number: Signals, moments: list[str]
) -> None:
    for moment in moments:
        up = Up(state_dir)
        eventually(lambda up=up, moment=moment: up.has_come_to(moment), within=PATIENCE)
        up.stop(number)
        assert up.process.returncode == 0, up.output
        assert up.output.endswith("Everything has stopped\n")
        assert_nothing_remains(up)
        assert list((state_dir / "run").iterdir()) == []


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.15, 0.3, 0.5, 0.8, 1.2, 1.9, 3.1])
def test_it_stops_at_a_moment_that_nobody_chose(state_dir: Path, seconds: float) -> None:
    up = Up(state_dir)
    time.sleep(seconds)
    up.stop(Signals.SIGINT)
    # Before there is anything to stop, the signal itself is the end.
    assert up.process.returncode in (0, 1, -Signals.SIGINT), up.output
    assert_nothing_remains(up)


def test_after_it_was_killed_itself_the_next_start_ends_what_is_left(state_dir: Path) -> None:
    up = Up(state_dir)
    eventually(lambda: up.has_come_to("Okacrm is running"), within=PATIENCE)
    up.process.kill()
    up.process.wait()
    up = Up(state_dir)
    eventually(lambda: up.has_come_to("Okacrm is running"), within=PATIENCE)
    up.stop(Signals.SIGTERM)
    assert_nothing_remains(up)
