"""The web server: nameko's, with bounds, plain refusals for what is not HTTP, and an orderly end.

To be imported in a process that is monkey-patched.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from functools import partial
from socket import SHUT_RDWR, SHUT_WR, socket
from typing import Any

import eventlet
import structlog
from eventlet import wsgi
from nameko.constants import WEB_SERVER_CONFIG_KEY
from nameko.containers import ServiceContainer
from nameko.extensions import DependencyProvider
from nameko.web.server import HttpOnlyProtocol, WebServer

from gateway.application import Application
from gateway.problems import problem_response
from gateway.request import HANG_UP, LONGEST_URL
from gateway.sessions import Rpc
from shared.contracts.problems import Problem
from shared.runtime.processes import run_container

APPLICATION = "APPLICATION"
"""Key of the container's configuration under which it finds the WSGI application."""
BACKLOG = 1024
KEEP_ALIVE_SECONDS = 75
READ_SECONDS = 20
DRAIN_SECONDS = 8.0
LINGER_SECONDS = 1.0
LINGER_BYTES = 1024 * 1024

log = structlog.get_logger()


class Protocol(HttpOnlyProtocol):
    """HTTP on one connection."""

    _lingers = False

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        environ[HANG_UP] = self._hang_up
        return environ

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuses what is not HTTP, without repeating it as the standard library would."""
        response = problem_response(Problem("malformed-request"), "unread")
        self.close_connection = True
        self.wfile.write(
            b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b"
            % (response.media_type.encode(), len(response.body), response.body)
        )

    def _hang_up(self) -> None:
        self.close_connection = True
        self._lingers = True

    def finish(self) -> None:
        if self._lingers:
            with suppress(OSError):
                self._linger()
        super().finish()

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


class Server(WebServer):
    """Accepts connections until it is stopped; then lets requests in work finish and closes the rest."""

    def __init__(self) -> None:
        super().__init__()
        self._connections: dict[int, list[Any]] = {}

    def get_wsgi_app(self) -> Any:
        return self.container.config[APPLICATION]

    def get_wsgi_server(self, sock: socket, wsgi_app: Any, protocol: Any = Protocol, debug: bool = False) -> Any:
        return wsgi.Server(
            sock,
            sock.getsockname(),
            wsgi_app,
            protocol=protocol,
            debug=debug,
            log=logging.getLogger(__name__),
            log_output=False,
            keepalive=KEEP_ALIVE_SECONDS,
            socket_timeout=READ_SECONDS,
            url_length_limit=2 * LONGEST_URL,
        )

    def start(self) -> None:
        self._starting = True
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
            connection.settimeout(self._serv.socket_timeout)
            self.container.spawn_managed_thread(partial(self.process_request, connection, address))

    def process_request(self, sock: Any, address: Any) -> None:
        """One connection. Whatever happens on it must not end the container."""
        state = self._connections[id(sock)] = [address, sock, wsgi.STATE_IDLE]
        try:
            self._serv.process_request(state)
        except Exception as error:  # noqa: BLE001 - a broken connection is the client's affair
            log.warning("connection_failed", error=type(error).__name__)
        finally:
            del self._connections[id(sock)]
            with suppress(OSError):
                sock.close()

    def stop(self) -> None:
        self._is_accepting = False
        self._gt.kill()
        self._sock.close()
        self._serv.keepalive = False
        deadline = time.monotonic() + DRAIN_SECONDS
        while self._connections and time.monotonic() < deadline:
            self._close_idle()
            eventlet.sleep(0.02)
        super(WebServer, self).stop()

    def _close_idle(self) -> None:
        for _, sock, state in list(self._connections.values()):
            if state == wsgi.STATE_IDLE:
                with suppress(OSError):
                    sock.shutdown(SHUT_RDWR)


class Http(DependencyProvider):
    """What makes a container serve HTTP."""

    server = Server()

    def setup(self) -> None:
        self.server.register_provider(self)

    def stop(self) -> None:
        self.server.unregister_provider(self)


class Gateway:
    """The gateway as nameko sees it: a service with no method, only a web server."""

    name = "gateway"
    http = Http()


def serve(rpc: Rpc, *, host: str, port: int, local: bool) -> None:
    """Serves until SIGTERM or SIGINT."""
    application = Application(rpc, local=local)
    container = ServiceContainer(Gateway, {WEB_SERVER_CONFIG_KEY: f"{host}:{port}", APPLICATION: application})
    run_container(container)
