from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from deploy.local.state import PORTS, PlatformError, StateDirectory, is_free


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    state = StateDirectory(tmp_path / "state")
    state.prepare()
    return state


def test_a_secret_is_made_once_and_for_its_owner_alone(state: StateDirectory) -> None:
    first = state.secret("some.key", lambda: os.urandom(32))

    assert state.secret("some.key", lambda: os.urandom(32)) == first
    assert stat.S_IMODE((state.secrets / "some.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(state.secrets.stat().st_mode) == 0o700


def test_a_port_is_kept_between_runs(state: StateDirectory) -> None:
    port = state.port("postgres")

    assert port in PORTS
    assert StateDirectory(state.root).port("postgres") == port
    assert state.port("rabbitmq") != port


def test_a_port_that_someone_else_took_is_chosen_anew(state: StateDirectory) -> None:
    port = state.port("postgres")
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)
        moved = state.port("postgres")

    assert moved != port
    assert state.port("postgres") == moved


def test_a_state_directory_has_one_platform_at_a_time(state: StateDirectory) -> None:
    state.acquire()
    with pytest.raises(PlatformError, match=f"already runs .*process {os.getpid()}.*OKACRM_STATE_DIR"):
        StateDirectory(state.root).acquire()

    state.release()
    StateDirectory(state.root).acquire()


def test_two_state_directories_differ_in_identity(state: StateDirectory, tmp_path: Path) -> None:
    other = StateDirectory(tmp_path / "other")
    other.prepare()

    assert len(state.identity) == 8
    assert state.identity == StateDirectory(state.root).identity
    assert state.identity != other.identity
