"""One AMQP connection for sending, shared by the threads of a process."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any, Protocol

import amqp
from kombu import Connection

KEEPALIVE = (
    {socket.TCP_KEEPIDLE: 10, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 3} if hasattr(socket, "TCP_KEEPIDLE") else {}
)

BROKER_ERRORS = (*amqp.Connection.connection_errors, *amqp.Connection.channel_errors, OSError)


def open_connection(url: str, *, name: str, heartbeat: int = 0) -> amqp.Connection:
    """A connected connection of kombu's AMQP transport, named for the broker's own listings.

    Raises one of `BROKER_ERRORS`.
    """
    options = {"client_properties": {"connection_name": name}, "socket_settings": KEEPALIVE, "write_timeout": 10}
    broker = Connection(url, heartbeat=heartbeat, connect_timeout=5, transport_options=options)
    # Not `broker.connect()`, which tries a second time after two seconds: callers have a rhythm of their own.
    connection = broker.transport.establish_connection()
    # py-amqp reads before each publish to see whether it was blocked; where another thread reads, the two would tear
    # frames apart. A copy, because all connections share the dictionary inside.
    connection.client_properties = {**connection.client_properties, "capabilities": {}}
    return connection


class Stopping(Protocol):
    """What a loop of the courier heeds; a `threading.Event` is one."""

    def is_set(self) -> bool:
        """Whether to come to an end."""

    def wait(self, timeout: float) -> bool:
        """Waits that many seconds, or less if `is_set` meanwhile, which is returned."""


class SendingChannel:
    """Publishes from any thread over one connection that is opened at first use and again after it was lost.

    Nothing is confirmed: whoever sends this way has a deadline of its own.
    """

    def __init__(self, url: str, *, name: str) -> None:
        self._url, self._name = url, name
        self._lock = threading.Lock()
        self._connection: amqp.Connection | None = None
        self._channel: Any = None

    def publish(self, message: amqp.Message, *, exchange: str, routing_key: str) -> None:
        """Sends one message. Raises one of `BROKER_ERRORS` if a fresh connection does not take it either."""
        with self._lock:
            try:
                self._publish(message, exchange, routing_key)
            except BROKER_ERRORS:
                self._drop()
                self._publish(message, exchange, routing_key)

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _publish(self, message: amqp.Message, exchange: str, routing_key: str) -> None:
        if self._channel is None:
            self._connection = open_connection(self._url, name=self._name)
            self._channel = self._connection.channel()
        self._channel.basic_publish(message, exchange=exchange, routing_key=routing_key)

    def _drop(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(*BROKER_ERRORS):
                connection.close()


def spawn(target: Callable[[], None], name: str) -> threading.Thread:
    """A started daemon thread; a green one where the process is monkey-patched."""
    thread = threading.Thread(target=target, name=name, daemon=True)
    thread.start()
    return thread
