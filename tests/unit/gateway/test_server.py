"""The web server itself, over real sockets."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from itertools import repeat
from pathlib import Path

import pytest

from gateway.connections import MOST_OF_ONE_ADDRESS
from shared.contracts.vocabulary import TEAM
from tests.making import eventually
from tests.unit.gateway.playing import bearer

SLOW = 1000
"""A tree size at which `serving` takes its time."""
CHECKOUT = Path(__file__).parents[3]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Process:
    """A gateway process on a port of its own."""

    def __init__(self, log: Path, *manners: str) -> None:
        self.port, self.metrics_port = free_port(), free_port()
        self.log = log
        ports = str(self.port), str(self.metrics_port)
        command = [sys.executable, "-W", "ignore", "-m", "tests.unit.gateway.serving", *ports, *manners]
        with log.open("w") as output:
            self.process = subprocess.Popen(command, cwd=CHECKOUT, stderr=output)
        self._await()

    def _await(self) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def talk(self, data: bytes) -> bytes:
        """Everything that is answered to these bytes until the connection ends."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            connection.sendall(data)
            answer = b""
            with suppress(TimeoutError):
                while received := connection.recv(65536):
                    answer += received
            return answer

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    process = Process(tmp_path_factory.mktemp("gateway") / "log")
    yield process
    process.stop()


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[Process]:
    """A gateway whose patience and room are soon at an end."""
    process = Process(tmp_path / "log", "impatient")
    yield process
    process.stop()


@pytest.mark.parametrize(
    "data",
    [
        b"garbage-ada@example.org\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /ada@example.org FTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\xff\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused_and_not_repeated(gateway: Process, data: bytes) -> None:
    answer = gateway.talk(data)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Connection: close\r\n" in answer
    assert b"problems/malformed-request" in answer
    assert b"example.org" not in answer
    assert b"example.org" not in gateway.log.read_bytes()


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /v1/me HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"b" * 70_000 + b"\r\n\r\n",
        b"GET /v1/me HTTP/1.1\r\nHost: localhost\r\n" + b"X-Many: b\r\n" * 500 + b"\r\n",
    ],
)
def test_a_head_that_is_too_large_ends_the_connection(gateway: Process, head: bytes) -> None:
    answer = gateway.talk(head)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"problems/head-too-large" in answer


@pytest.mark.parametrize(
    ("chunked", "status", "code"), [(False, 413, "body-too-large"), (True, 411, "length-required")]
)
def test_a_body_that_is_not_read_is_answered_and_hung_up_on(
    gateway: Process, chunked: bool, status: int, code: str
) -> None:
    connection = gateway.connect()
    body = b"x" * 500_000
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/v1/accounts", iter([body]) if chunked else body, headers, encode_chunked=chunked)
    response = connection.getresponse()
    assert (response.status, response.getheader("Connection")) == (status, "close")
    assert json.loads(response.read())["type"].endswith(f"/{code}")


def test_a_connection_is_kept_over_refusals(gateway: Process) -> None:
    connection = gateway.connect()
    for body in ('{"name": "Ada"}', "x" * 1000):
        connection.request("PATCH", "/v1/me", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        assert response.status == 401
        kept = connection.sock
        assert kept is not None
    connection.request("HEAD", "/v1/audit/log/key")
    response = connection.getresponse()
    assert (response.status, response.read()) == (200, b"")
    assert connection.sock is kept


def test_a_body_is_asked_for_only_when_it_will_be_read(gateway: Process) -> None:
    head = b"POST /v1/accounts HTTP/1.1\r\nHost: localhost\r\n"
    head += b"Content-Type: application/json\r\nExpect: 100-continue\r\n"
    refused = gateway.talk(head + b"Content-Length: 9000000\r\n\r\n")
    assert refused.startswith(b"HTTP/1.1 413 ")
    welcome = gateway.talk(head + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}")
    assert welcome.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 422 ")


@pytest.mark.parametrize(
    ("head", "answers"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n", 2),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: Keep-Alive, Upgrade\r\n", 2),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade, Close\r\n", 1),
        (b"GET /healthz HTTP/1.0\r\n", 1),
        (b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n", 2),
    ],
)
def test_a_connection_is_kept_as_the_client_wishes(gateway: Process, head: bytes, answers: int) -> None:
    last = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert gateway.talk(head + b"\r\n" + last).count(b"HTTP/1.1 200 ") == answers


def test_the_server_does_not_say_what_it_is(gateway: Process) -> None:
    answer = gateway.talk(b"GET /healthz HTTP/1.0\r\n\r\n")
    assert b"200 OK" in answer
    assert b"\r\nServer:" not in answer


def test_it_logs_requests_once_and_without_their_paths(gateway: Process) -> None:
    gateway.talk(b"GET /ada-lovelace?q=ada HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    lines = [json.loads(line) for line in gateway.log.read_text().splitlines()]
    assert lines[-1]["route"] == "unmatched"
    assert not any("lovelace" in json.dumps(line) for line in lines)


HEAD = b"POST /v1/accounts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("at_once", "trickling"),
    [
        pytest.param(b"P", b"O", id="request line"),
        pytest.param(HEAD + b"X-Slow: ", b"x", id="headers"),
        pytest.param(HEAD + b"Content-Length: 60000\r\n\r\n", b" ", id="body"),
        pytest.param(HEAD + b"Content-Length: 60000\r\n\r\n", b"", id="body of which nothing comes"),
    ],
)
def test_who_sends_a_byte_now_and_then_is_hung_up_on(impatient: Process, at_once: bytes, trickling: bytes) -> None:
    """Slowloris: what counts is when all of it must be there, not when something came last."""
    with socket.create_connection(("127.0.0.1", impatient.port), 5) as connection:
        connection.sendall(at_once)
        connection.settimeout(0.2)
        answer, ended = b"", False
        for _ in range(100):
            with suppress(TimeoutError):
                received = connection.recv(65536)
                answer, ended = answer + received, not received
            if ended:
                break
            with suppress(OSError):
                connection.sendall(trickling)
    assert ended
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"problems/request-too-slow" in answer


def test_who_passes_over_a_refused_body_slowly_is_hung_up_on(impatient: Process) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port), 20) as connection:
        connection.sendall(HEAD.replace(b"application/json", b"text/plain") + b"Content-Length: 60000\r\n\r\n")
        answer = b""
        while received := connection.recv(65536):
            answer += received
    assert answer.startswith(b"HTTP/1.1 415 ")
    assert "connection_failed" not in impatient.log.read_text()


def test_who_does_not_take_the_answer_is_cut_off(impatient: Process) -> None:
    """So many requests for the longest page at once that their answers fill all buffers, and nobody reads."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", impatient.port))
        connection.settimeout(20)
        asking = b"GET /docs HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100
        with pytest.raises(OSError, match=r"reset|Broken pipe"):
            deque(map(connection.sendall, repeat(asking)), maxlen=0)


def test_an_idle_connection_is_closed_without_a_word(impatient: Process) -> None:
    assert impatient.talk(b"") == b""


def test_one_address_has_so_many_connections_and_no_more(impatient: Process) -> None:
    def connect() -> socket.socket:
        return socket.create_connection(("127.0.0.1", impatient.port), 5)

    def is_served(connection: socket.socket) -> bool:
        try:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        except OSError:
            return False

    def one_more_is_served() -> bool:
        with connect() as another:
            return is_served(another)

    def four_that_are_served() -> list[socket.socket]:
        """The connection by which this process was found to be there may not be forgotten yet."""
        opened = [connect() for _ in range(4)]
        if all(map(is_served, opened)):
            return opened
        for connection in opened:
            connection.close()
        return []

    connections = eventually(four_that_are_served)
    assert not one_more_is_served()
    connections[0].close()
    eventually(one_more_is_served)
    for connection in connections:
        connection.close()


def test_many_that_come_at_once_have_no_more_room(gateway: Process) -> None:
    """They are accepted one after the other, before any of them is served."""
    asking = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    gateway.process.send_signal(signal.SIGSTOP)
    try:
        connections = [socket.create_connection(("127.0.0.1", gateway.port), 10) for _ in range(400)]
        for connection in connections:
            connection.sendall(asking)
    finally:
        gateway.process.send_signal(signal.SIGCONT)

    def is_served(connection: socket.socket) -> bool:
        try:
            return connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        except ConnectionResetError:
            return False

    served = sum(map(is_served, connections))
    for connection in connections:
        connection.close()
    assert 50 < served <= MOST_OF_ONE_ADDRESS


def test_stopping_finishes_what_is_in_work_and_closes_what_is_idle(tmp_path: Path) -> None:
    process = Process(tmp_path / "log")
    idle = process.connect()
    idle.request("GET", "/healthz")
    idle.getresponse().read()
    statuses: list[tuple[int, str | None]] = []

    def ask_slowly() -> None:
        connection = process.connect()
        connection.request("GET", f"/v1/audit/log/consistency?from=1&to={SLOW}")
        response = connection.getresponse()
        response.read()
        statuses.append((response.status, response.getheader("Connection")))

    asking = threading.Thread(target=ask_slowly)
    asking.start()
    time.sleep(0.5)
    began = time.monotonic()
    assert process.stop() == 0
    asking.join()
    assert statuses == [(200, "close")]
    assert time.monotonic() - began < 4
    assert idle.sock is not None
    assert idle.sock.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", process.port), 1)


def test_stopping_answers_whoever_waits_for_events(tmp_path: Path) -> None:
    process = Process(tmp_path / "log")
    answers: list[tuple[int, bytes]] = []

    def follow() -> None:
        connection = process.connect()
        connection.request("GET", "/v1/feeds/audit?wait=25", headers=bearer(TEAM))
        response = connection.getresponse()
        answers.append((response.status, response.read()))

    def in_flight() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", process.metrics_port, timeout=10)
        connection.request("GET", "/metrics")
        return b"okacrm_http_requests_in_flight 1.0" in connection.getresponse().read()

    following = threading.Thread(target=follow)
    following.start()
    eventually(in_flight)
    assert process.stop() == 0
    following.join()
    assert answers == [(200, b'{"items":[],"next_cursor":null,"head":0}')]
