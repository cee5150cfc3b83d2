"""What waits or runs while a platform starts gives up when somebody asks for the end, and not before."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest

from deploy.local.interruption import Interrupted, Interruption
from deploy.local.machine import changing_the_machine
from deploy.local.state import PlatformError


def test_asking_once_is_no_hurry_and_asking_again_is() -> None:
    interruption = Interruption()
    assert (interruption.asked, interruption.hurried) == (False, False)
    interruption.ask()
    assert (interruption.asked, interruption.hurried) == (True, False)
    interruption.ask()
    assert (interruption.asked, interruption.hurried) == (True, True)


def test_a_command_that_runs_is_told_and_awaited(tmp_path: Path) -> None:
    """It may have to leave things whole, as a package manager does."""
    interruption, ready, done = Interruption(), tmp_path / "ready", tmp_path / "done"
    script = f"trap 'sleep 0.2; touch {done}; exit 1' INT; touch {ready}; while :; do sleep 0.02; done"
    asking = threading.Thread(target=lambda: (_await(ready), interruption.ask()))
    asking.start()

    with pytest.raises(Interrupted):
        interruption.run(["/bin/sh", "-c", script])
    asking.join()
    assert done.exists()


def test_a_command_that_fails_is_told_with_its_last_words() -> None:
    with pytest.raises(PlatformError, match=r"(?s)`/bin/sh .*failed:.*no such thing"):
        Interruption().run(["/bin/sh", "-c", "echo no such thing >&2; exit 3"])


def test_waiting_for_another_platform_ends_when_somebody_asks() -> None:
    interruption = Interruption()
    other = os.open("/", os.O_RDONLY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX)
        interruption.ask()
        with pytest.raises(Interrupted), changing_the_machine(interruption):
            raise AssertionError("the machine was not ours")
    finally:
        os.close(other)


def _await(path: Path) -> None:
    Interruption().wait_until(path.exists, within=10)
