"""Room for connections: when it is full, who is idle for longest makes room."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from eventlet import wsgi

from gateway.connections import Connections
from gateway.perimeter import Perimeter


class Connection:
    """A connection that notes that it was shut."""

    was_shut = False

    def shutdown(self, how: int) -> None:
        self.was_shut = True


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> Connections:
    monkeypatch.setattr("gateway.connections.MOST", 3)
    monkeypatch.setattr("gateway.connections.MOST_OF_ONE_ADDRESS", 2)
    return Connections(Perimeter(trusted_proxies=(ip_network("10.0.0.0/8"),)))


def connect(connections: Connections, address: str, state: str = wsgi.STATE_IDLE) -> list:
    entry = connections.take(Connection(), (address, 1))
    assert entry is not None
    entry[2] = state
    return entry


def test_one_address_is_bounded_and_a_trusted_proxy_is_not(connections: Connections) -> None:
    first = connect(connections, "192.0.2.1", wsgi.STATE_REQUEST)
    connect(connections, "192.0.2.1")
    assert connections.take(Connection(), ("192.0.2.1", 1)) is None
    connections.remove(first)
    connections.remove(connect(connections, "192.0.2.1"))
    for _ in range(3):
        connect(connections, "10.0.0.1")


def test_when_all_is_full_the_oldest_idle_connection_makes_room(connections: Connections) -> None:
    busy = connect(connections, "192.0.2.1", wsgi.STATE_REQUEST)
    idle = connect(connections, "192.0.2.2")
    also_idle = connect(connections, "192.0.2.3")
    connect(connections, "192.0.2.4")
    assert [state[1].was_shut for state in (busy, idle, also_idle)] == [False, True, False]


def test_when_all_is_busy_nobody_is_let_in(connections: Connections) -> None:
    for number in range(3):
        connect(connections, f"192.0.2.{number}", wsgi.STATE_REQUEST)
    assert connections.take(Connection(), ("192.0.2.9", 1)) is None


def test_when_it_stops_those_who_are_idle_go_first(connections: Connections) -> None:
    busy, idle = connect(connections, "192.0.2.1", wsgi.STATE_REQUEST), connect(connections, "192.0.2.2")
    connections.close_idle()
    assert (busy[1].was_shut, idle[1].was_shut) == (False, True)
    for state in (busy, idle):
        connections.remove(state)
    assert not connections
