"""The calling side of RPC: nameko's wire protocol, with requests that may be lost but never run late.

A request is transient, unconfirmed, and expires at its deadline; whether it was carried out is known from the reply or
from asking again with the same command id. Works on threads, and on green threads where the process is monkey-patched.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
import uuid
from typing import Any

import amqp
import structlog

from shared.bus.actors import Actor, Call, Client, Signer
from shared.bus.connection import BROKER_ERRORS, open_connection, spawn
from shared.contracts.problems import Problem

log = structlog.get_logger()

EXCHANGE = "nameko-rpc"
REPLY_TO = "amq.rabbitmq.reply-to"
DEFAULT_TIMEOUT = 5.0
_RECONNECT_SECONDS = 0.5
_HEARTBEAT_SECONDS = 10


class _Pending:
    """A call that waits for its reply."""

    def __init__(self) -> None:
        self._done = threading.Event()
        self._reply: Any = None
        self._problem: Problem | None = None

    def answer(self, reply: Any) -> None:
        self._reply = reply
        self._done.set()

    def fail(self, problem: Problem) -> None:
        self._problem = problem
        self._done.set()

    def result(self, timeout: float) -> Any:
        if not self._done.wait(timeout):
            raise Problem("outcome-unknown")
        if self._problem is not None:
            raise self._problem
        return self._reply


class RpcClient:
    """Calls methods of services, signing each call. One per process; any number of threads may call."""

    def __init__(self, amqp_url: str, signer: Signer, *, name: str) -> None:
        self._url = amqp_url
        self._signer = signer
        self._name = name
        self._lock = threading.Lock()
        self._pending: dict[str, _Pending] = {}
        self._connection: amqp.Connection | None = None
        self._channel: Any = None
        self._stopping = threading.Event()
        self._ready = threading.Event()

    def start(self) -> None:
        """Connects in the background, and again whenever the connection is lost."""
        self._reader = spawn(self._read_replies, f"{self._name} replies")

    def stop(self) -> None:
        self._stopping.set()
        self._reader.join(timeout=3)

    @property
    def connected(self) -> bool:
        """Whether a call made now would reach the broker."""
        return self._ready.is_set()

    def wait_until_connected(self, timeout: float) -> bool:
        return self._ready.wait(timeout)

    def call(
        self,
        service: str,
        method: str,
        arguments: dict[str, Any],
        *,
        actor: Actor,
        correlation_id: str,
        command_id: str = "",
        client: Client | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Any:
        """The method's answer: JSON values.

        Raises the `Problem` that the service answered with; `service-unavailable` if the broker is away or the service
        has never run, in which case nothing was done; `outcome-unknown` if no answer came within `timeout` seconds.
        """
        call = Call(service, method, arguments, actor, command_id, correlation_id, time.time() + timeout, client)
        reply_id = str(uuid.uuid4())
        pending = self._pending[reply_id] = _Pending()
        try:
            self._send(call, reply_id, timeout)
            return _opened(pending.result(timeout))
        finally:
            self._pending.pop(reply_id, None)

    def _send(self, call: Call, reply_id: str, timeout: float) -> None:
        message = amqp.Message(
            json.dumps({"args": [], "kwargs": call.arguments}).encode(),
            content_type="application/json",
            content_encoding="utf-8",
            reply_to=REPLY_TO,
            correlation_id=reply_id,
            expiration=str(max(1, round(timeout * 1000))),
            delivery_mode=1,
            application_headers=call.headers(self._signer),
        )
        if not self._ready.is_set():
            raise Problem("service-unavailable")
        with self._lock:
            try:
                self._channel.basic_publish(
                    message, exchange=EXCHANGE, routing_key=f"{call.service}.{call.method}", mandatory=True
                )
            except BROKER_ERRORS:
                self._ready.clear()
                raise Problem("service-unavailable") from None

    def _read_replies(self) -> None:
        while not self._stopping.is_set():
            try:
                self._connect()
                self._drain()
            except Exception as error:  # noqa: BLE001 - the only reader: whatever happens, it must read again
                log.warning("replies_interrupted", client=self._name, error=type(error).__name__)
                self._disconnect()
                self._stopping.wait(_RECONNECT_SECONDS)
        self._disconnect()

    def _connect(self) -> None:
        connection = open_connection(self._url, name=self._name, heartbeat=_HEARTBEAT_SECONDS)
        self._connection = connection
        channel = connection.channel()
        channel.exchange_declare(EXCHANGE, "topic", durable=True, auto_delete=False)
        channel.basic_consume(REPLY_TO, no_ack=True, callback=self._on_reply)
        channel.events["basic_return"].add(self._on_return)
        self._channel = channel
        self._ready.set()

    def _drain(self) -> None:
        assert self._connection is not None
        while not self._stopping.is_set():
            if not self._ready.is_set():
                raise ConnectionError("a request could not be sent")
            with contextlib.suppress(TimeoutError):
                self._connection.drain_events(timeout=1)
            with self._lock:
                self._connection.heartbeat_tick()

    def _disconnect(self) -> None:
        self._ready.clear()
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*BROKER_ERRORS):
                connection.close()
        for pending in list(self._pending.values()):
            pending.fail(Problem("outcome-unknown"))

    def _on_reply(self, message: amqp.Message) -> None:
        pending = self._pending.get(message.properties.get("correlation_id", ""))
        if pending is not None:
            pending.answer(json.loads(message.body))

    def _on_return(self, error: Any, exchange: str, routing_key: str, message: amqp.Message) -> None:
        pending = self._pending.get(message.properties.get("correlation_id", ""))
        if pending is not None:
            pending.fail(Problem("service-unavailable"))


def _opened(reply: dict[str, Any]) -> Any:
    """What a nameko service answered: a result of ours, or an error of nameko's own, such as an unknown method."""
    if reply.get("error"):
        raise Problem("internal")
    result = reply["result"]
    if "problem" in result:
        raise Problem.from_json(result["problem"])
    return result["answer"]
