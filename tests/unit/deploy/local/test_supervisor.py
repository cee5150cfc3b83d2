"""The supervisor against real children: small shell and Python programs that behave well or badly."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import Signals

import psutil
import pytest

from deploy.local import state
from deploy.local import supervisor as supervising
from deploy.local.interruption import Interrupted
from deploy.local.state import PlatformError
from deploy.local.supervisor import Program, Supervisor, backoff, recorded_process


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    logs, run = tmp_path / "logs", tmp_path / "run"
    logs.mkdir()
    run.mkdir()
    supervisor = Supervisor(logs, run)
    yield supervisor
    supervisor.stop()


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., Program]:
    def program(
        script: str, name: str = "child", ready: Callable[[], bool] = lambda: True, stop_within: float = 5.0
    ) -> Program:
        environment = {"PATH": "/usr/bin:/bin"}
        return Program(name, ("/bin/sh", "-c", script), environment, tmp_path, ready, stop_within=stop_within)

    return program


def eventually(condition: Callable[[], bool], within: float = 5.0) -> bool:
    deadline = time.monotonic() + within
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def test_a_stage_is_started_when_all_of_it_is_ready(supervisor: Supervisor, program, tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    supervisor.start(program(f"sleep 0.3; touch {sign}; exec sleep 60", ready=sign.exists))

    assert sign.exists()
    assert set(supervisor.pids()) == {"child"}


def test_a_child_that_ends_while_starting_is_reported_with_its_last_words(supervisor: Supervisor, program) -> None:
    with pytest.raises(PlatformError, match=r"(?s)child ended while it was starting.*no such setting"):
        supervisor.start(program("echo no such setting >&2; exit 1", ready=lambda: False))


def test_a_child_that_crashes_is_started_again(supervisor: Supervisor, program) -> None:
    supervisor.start(program("exec sleep 60"))
    first = supervisor.pids()["child"]

    supervisor.kill("child", Signals.SIGKILL)

    assert eventually(lambda: supervisor.pids().get("child", first) != first)


def test_a_child_that_cannot_be_revived_leaves_the_others_alone(supervisor: Supervisor, program, monkeypatch) -> None:
    supervisor.start(program("exec sleep 60", name="unlucky"), program("exec sleep 60", name="neighbour"))
    before = supervisor.pids()
    refused = []

    def write(path: Path, data: bytes) -> None:
        if path.name == "unlucky.json" and len(refused) < 2:
            refused.append(path)
            raise OSError(errno.ENOSPC, "no space left on device")
        state.write_durably(path, data)

    monkeypatch.setattr(supervising, "write_durably", write)
    for name in before:
        supervisor.kill(name, Signals.SIGKILL)

    assert eventually(lambda: supervisor.pids().get("neighbour", 0) not in (0, before["neighbour"]))
    assert eventually(lambda: supervisor.pids().get("unlucky", 0) not in (0, before["unlucky"]) and len(refused) == 2)
    assert recorded_process(supervisor.process_files / "unlucky.json") is not None


def test_a_child_that_is_halted_stays_away_until_it_is_resumed(supervisor: Supervisor, program) -> None:
    supervisor.start(program("exec sleep 60"))
    supervisor.halt("child")
    time.sleep(0.4)
    assert supervisor.pids() == {}

    supervisor.resume("child")
    assert set(supervisor.pids()) == {"child"}


def test_a_child_that_crashes_again_and_again_is_given_more_and_more_time() -> None:
    pauses = [backoff(crashes) for crashes in range(12)]

    assert pauses[0] == 0
    assert pauses == sorted(pauses)
    assert pauses[-1] == pauses[-2] == 15


@pytest.mark.parametrize("fault", ["deaf", "frozen", "with children of its own"])
def test_no_child_survives_a_stop(supervisor: Supervisor, program, fault: str) -> None:
    script = {
        "deaf": "trap '' TERM; while :; do sleep 0.05; done",
        "frozen": "exec sleep 60",
        "with children of its own": "trap '' TERM; sleep 60 & sleep 61 & wait; wait",
    }[fault]
    supervisor.start(program(script, stop_within=0.3))
    time.sleep(0.1)
    leader = psutil.Process(supervisor.pids()["child"])
    family = [leader, *leader.children(recursive=True)]
    if fault == "frozen":
        supervisor.kill("child", Signals.SIGSTOP)

    supervisor.stop()

    assert psutil.wait_procs(family, timeout=2)[1] == []


def test_stages_are_stopped_in_reverse(supervisor: Supervisor, program, tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    for name in ("first", "second"):
        supervisor.start(
            program(
                f"trap 'echo {name} >> {diary}; exit' TERM; touch {name}; while :; do sleep 0.02; done",
                name=name,
                ready=(tmp_path / name).exists,
            )
        )

    supervisor.stop()

    assert diary.read_text().split() == ["second", "first"]


def test_an_interrupt_ends_the_wait_for_readiness(supervisor: Supervisor, program) -> None:
    def ready() -> bool:
        supervisor.interruption.ask()
        return False

    with pytest.raises(Interrupted):
        supervisor.start(program("exec sleep 60", ready=ready))
    supervisor.stop()
    with pytest.raises(Interrupted):
        supervisor.start(program("exec sleep 60"))


def test_who_asks_twice_does_not_wait_for_what_is_deaf(supervisor: Supervisor, program, tmp_path: Path) -> None:
    deaf = f"trap '' TERM; touch {tmp_path / 'deaf'}; while :; do sleep 0.05; done"
    supervisor.start(program(deaf, ready=(tmp_path / "deaf").exists, stop_within=600))
    supervisor.interruption.ask()
    supervisor.interruption.ask()

    supervisor.stop()

    assert supervisor.pids() == {}


def test_a_child_that_missed_the_signal_is_asked_again(supervisor: Supervisor, program, tmp_path: Path) -> None:
    """As RabbitMQ does while it boots: what comes before it listens is lost."""
    asked, listening = tmp_path / "asked", tmp_path / "listening"
    lost = f"trap 'touch {asked}' TERM; touch {listening}; while [ ! -e {asked} ]; do sleep 0.02; done"
    heeded = f"trap 'echo ended > {tmp_path / 'diary'}; exit' TERM; while :; do sleep 0.02; done"
    supervisor.start(program(f"{lost}; {heeded}", ready=listening.exists, stop_within=600))

    supervisor.stop()

    assert (tmp_path / "diary").read_text() == "ended\n"


def test_what_a_child_leaves_behind_ends_with_it(supervisor: Supervisor, program, tmp_path: Path) -> None:
    supervisor.start(program(f"sleep 600 & touch {tmp_path / 'ready'}; wait", ready=(tmp_path / "ready").exists))
    (left,) = psutil.Process(supervisor.pids()["child"]).children()

    supervisor.stop()

    assert psutil.wait_procs([left], timeout=10)[1] == []


def test_what_an_earlier_supervisor_left_is_asked_to_end(supervisor: Supervisor, tmp_path: Path) -> None:
    script = f"trap 'touch {tmp_path / 'asked'}; exit' INT; touch {tmp_path / 'ready'}; while :; do sleep 0.02; done"
    leftover = psutil.Popen(["/bin/sh", "-c", script], start_new_session=True)
    assert eventually((tmp_path / "ready").exists)
    record = {"name": "child", "pid": leftover.pid, "started": leftover.create_time(), "stop": Signals.SIGINT}
    (tmp_path / "run" / "child.json").write_text(json.dumps(record))

    supervisor.clear_leftovers()

    assert (tmp_path / "asked").exists()


def test_what_an_earlier_supervisor_left_is_ended(supervisor: Supervisor, tmp_path: Path) -> None:
    leftover = psutil.Popen(["/bin/sleep", "60"], start_new_session=True)
    record = {"name": "child", "pid": leftover.pid, "started": leftover.create_time()}
    (tmp_path / "run" / "child.json").write_text(json.dumps(record))

    supervisor.clear_leftovers()

    assert not leftover.is_running()
    assert list((tmp_path / "run").iterdir()) == []


def test_a_stranger_under_a_reused_process_id_is_left_alone(supervisor: Supervisor, tmp_path: Path) -> None:
    stranger = subprocess.Popen(["/bin/sleep", "60"])
    record = tmp_path / "run" / "child.json"
    record.write_text(json.dumps({"name": "child", "pid": stranger.pid, "started": time.time() - 3600}))

    assert recorded_process(record) is None
    supervisor.clear_leftovers()

    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent has died")
def test_no_child_survives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    script = f"""
        import time
        from pathlib import Path
        from deploy.local.supervisor import Program, Supervisor

        here = Path({str(tmp_path)!r})
        supervisor = Supervisor(here, here)
        supervisor.start(Program("child", ("/bin/sleep", "60"), {{}}, here, lambda: True))
        print(supervisor.pids()["child"], flush=True)
        time.sleep(60)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True
    ) as supervising:
        assert supervising.stdout is not None
        child = psutil.Process(int(supervising.stdout.readline()))
        supervising.kill()

    assert eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
