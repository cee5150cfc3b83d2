"""The web server: nameko's, with bounds, plain refusals for what is not HTTP, and an orderly end.

To be imported in a process that is monkey-patched.
"""

from __future__ import annotations

import logging
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http.client import HTTPMessage
from socket import SHUT_RDWR, SHUT_WR, socket
from typing import Any

import eventlet
import structlog
from eventlet import wsgi
from eventlet.hubs import get_hub
from nameko.constants import WEB_SERVER_CONFIG_KEY
from nameko.containers import ServiceContainer
from nameko.extensions import DependencyProvider
from nameko.web.server import HttpOnlyProtocol, WebServer

from gateway.application import Application
from gateway.connections import Connections
from gateway.cursors import Cursors
from gateway.http1 import Head, read_head
from gateway.metrics import MetricsPage
from gateway.perimeter import Perimeter
from gateway.problems import problem_response
from gateway.request import HANG_UP
from gateway.response import Sender
from gateway.sessions import Rpc
from shared.contracts.problems import Problem
from shared.service.processes import run_container

APPLICATION = "APPLICATION"
"""Key of the container's configuration under which it finds the WSGI application."""
METRICS = "METRICS"
"""Key of the container's configuration under which it finds where and by which application metrics are told."""
PERIMETER = "PERIMETER"
"""Key of the container's configuration under which it finds how the gateway faces whoever connects."""
BACKLOG = 1024
KEEP_ALIVE_SECONDS = 75
HEAD_SECONDS = 10
"""From the first byte of a request to the end of its headers."""
BODY_SECONDS = 20
REQUEST_SECONDS = 60
"""From the end of the headers to the last byte of the answer, however slowly it is taken."""
SOCKET_SECONDS = 20
DRAIN_SECONDS = 8.0
LINGER_SECONDS = 1.0
LINGER_BYTES = 1024 * 1024

log = structlog.get_logger()


class Protocol(HttpOnlyProtocol):
    """HTTP on one connection."""

    _lingers = False
    _head: Head
    requestline = ""
    """What eventlet would write to its log. It is told nothing."""

    def _read_request_line(self) -> bytes:
        """Waits for a request and reads all of its head. The caller needs to know no more than whether there is one."""
        try:
            if not self._await_request():
                return b""
            with eventlet.Timeout(HEAD_SECONDS, TimeoutError):
                self._head = read_head(self.rfile)
        except TimeoutError:
            self._refuse(Problem("request-too-slow"))
        except ConnectionError:
            pass
        except Problem as problem:
            self._refuse(problem)
        else:
            return b"read"
        return b""

    def _await_request(self) -> bool:
        """Whether another request begins before the time for being idle is over."""
        self.connection.settimeout(KEEP_ALIVE_SECONDS)
        try:
            return bool(self.rfile.peek(1))
        except TimeoutError:
            return False
        finally:
            self.connection.settimeout(SOCKET_SECONDS)

    def parse_request(self) -> bool:
        """Takes over what was read: nobody reads the head a second time, in another way."""
        head = self._head
        self.command, self.path, self.request_version = head.method, head.target, head.version
        self.headers = HTTPMessage()
        for name, value in head.headers:
            self.headers.add_header(name, value)
        wishes = {wish.strip() for wish in self.headers.get("Connection", "").lower().split(",")}
        self.close_connection = "close" in wishes or (head.version == "HTTP/1.0" and "keep-alive" not in wishes)
        return True

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        environ[HANG_UP] = self._hang_up
        environ["wsgi.input"].rfile = PunctualFile(self.rfile, BODY_SECONDS)
        return environ

    def handle_one_response(self) -> None:
        overdue = get_hub().schedule_call_global(REQUEST_SECONDS, self._cut)
        try:
            super().handle_one_response()
        finally:
            overdue.cancel()

    def _refuse(self, problem: Problem) -> None:
        """An answer to what was no request, and the end of the connection: what follows cannot be trusted either."""
        request_id = str(uuid.uuid4())
        log.info("unreadable", problem=problem.code, request_id=request_id)
        response = problem_response(problem, request_id)
        response.headers.append(("X-Request-Id", request_id))
        sender: Sender = self.server.sender
        with suppress(OSError):
            self.wfile.write(sender.raw(response))
        self._hang_up()

    def _cut(self) -> None:
        with suppress(OSError):
            self.connection.shutdown(SHUT_RDWR)

    def _hang_up(self) -> None:
        self.close_connection = True
        self._lingers = True

    def finish(self) -> None:
        if self._lingers:
            with suppress(OSError):
                self._linger()
        try:
            super().finish()
        finally:
            # Left open where the rest of an answer cannot be sent; and while it is, the socket is not closed either.
            self.rfile.close()

    def _linger(self) -> None:
        """Reads a little of what is still being sent: closing at once would reset the connection under our answer."""
        self.wfile.flush()
        self.connection.shutdown(SHUT_WR)
        self.connection.settimeout(LINGER_SECONDS)
        deadline, left = time.monotonic() + LINGER_SECONDS, LINGER_BYTES
        while left > 0 and time.monotonic() < deadline:
            received = len(self.connection.recv(64 * 1024))
            if not received:
                return
            left -= received


class PunctualFile:
    """The rest of a request, all of which must be there by a deadline: a byte now and then keeps nothing open."""

    def __init__(self, file: Any, seconds: float) -> None:
        self._file = file
        self._deadline = time.monotonic() + seconds

    def read(self, size: int) -> bytes:
        with eventlet.Timeout(max(self._deadline - time.monotonic(), 0), TimeoutError):
            received: bytes = self._file.read(size)
        return received


class Server(WebServer):
    """Accepts connections until it is stopped; then lets requests in work finish and closes the rest."""

    def get_wsgi_app(self) -> Any:
        return self.container.config[APPLICATION]

    def get_wsgi_server(self, sock: socket, wsgi_app: Any, protocol: Any = Protocol, debug: bool = False) -> Any:
        server = wsgi.Server(
            sock,
            sock.getsockname(),
            wsgi_app,
            protocol=protocol,
            debug=debug,
            log=logging.getLogger(__name__),
            log_output=False,
            keepalive=KEEP_ALIVE_SECONDS,
            socket_timeout=SOCKET_SECONDS,
        )
        server.sender = Sender(local=self.container.config[PERIMETER].local)
        return server

    def start(self) -> None:
        self._starting = True
        self._connections = Connections(self.container.config[PERIMETER])
        self._sock = eventlet.listen(self.bind_addr, backlog=BACKLOG)
        self._sock.settimeout(None)
        self._serv = self.get_wsgi_server(self._sock, self.get_wsgi_app())
        self._gt = self.container.spawn_managed_thread(self.run)

    def run(self) -> None:
        while self._is_accepting:
            try:
                connection, address = self._sock.accept()
            except OSError as error:  # the client is gone again, or there are no more file descriptors
                log.warning("accept_failed", error=type(error).__name__)
                eventlet.sleep(0.05)
                continue
            # Its room is taken before anything else may run: many that come at once are bounded like others.
            state = self._connections.take(connection, address)
            if state is None:
                connection.close()
                continue
            connection.settimeout(self._serv.socket_timeout)
            self.container.spawn_managed_thread(partial(self.process_request, state))

    def process_request(self, state: list[Any]) -> None:
        """One connection. Whatever happens on it must not end the container."""
        try:
            self._serv.process_request(state)
        except Exception as error:  # noqa: BLE001 - a broken connection is the client's affair
            log.warning("connection_failed", error=type(error).__name__)
        finally:
            self._connections.remove(state)
            with suppress(OSError):
                state[1].close()

    def stop(self) -> None:
        self._is_accepting = False
        self._gt.kill()
        self._sock.close()
        self._serv.keepalive = False
        self._let_waiting_go()
        deadline = time.monotonic() + DRAIN_SECONDS
        while self._connections and time.monotonic() < deadline:
            self._connections.close_idle()
            eventlet.sleep(0.02)
        super(WebServer, self).stop()

    def _let_waiting_go(self) -> None:
        self.container.config[APPLICATION].close()


@dataclass(frozen=True)
class Telling:
    """Where metrics are told, and the application that does it."""

    address: tuple[str, int]
    application: MetricsPage


class MetricsServer(Server):
    """The same server on the port of the metrics, under the same bounds."""

    @property
    def bind_addr(self) -> tuple[str, int]:
        address: tuple[str, int] = self.container.config[METRICS].address
        return address

    def get_wsgi_app(self) -> Any:
        return self.container.config[METRICS].application

    def _let_waiting_go(self) -> None:
        """Nobody waits here."""


class Http(DependencyProvider):
    """What makes a container serve HTTP."""

    server = Server()

    def setup(self) -> None:
        self.server.register_provider(self)

    def stop(self) -> None:
        self.server.unregister_provider(self)


class HttpOfMetrics(Http):
    """What makes a container tell its metrics over HTTP."""

    server = MetricsServer()


class Gateway:
    """The gateway as nameko sees it: a service with no method, only web servers."""

    name = "gateway"
    http = Http()
    metrics = HttpOfMetrics()


def serve(rpc: Rpc, perimeter: Perimeter, cursors: Cursors, *, host: str, port: int, metrics: tuple[str, int]) -> None:
    """Serves until SIGTERM or SIGINT, people at `host` and `port`, and those who measure at `metrics`."""
    application = Application(rpc, perimeter, cursors)
    configuration = {
        WEB_SERVER_CONFIG_KEY: f"{host}:{port}",
        APPLICATION: application,
        METRICS: Telling(metrics, MetricsPage(application.metrics)),
        PERIMETER: perimeter,
    }
    container = ServiceContainer(Gateway, configuration)
    run_container(container)
