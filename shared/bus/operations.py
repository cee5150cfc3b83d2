"""The answering side of RPC: nameko entrypoints that verify the caller, keep to deadlines and never leak an exception.

This module, and nothing below it, knows nameko and eventlet.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import amqp
import structlog
from eventlet import tpool
from nameko.exceptions import ContainerBeingKilled
from nameko.extensions import DependencyProvider
from nameko.messaging import QueueConsumer
from nameko.rpc import Rpc, RpcConsumer

from shared.bus.actors import GATEWAY, Call, Verifier
from shared.bus.connection import BROKER_ERRORS, SendingChannel
from shared.contracts.problems import Problem
from shared.runtime.config import Settings

log = structlog.get_logger()


class DrainingQueueConsumer(QueueConsumer):
    """A queue consumer that, when it is stopped, keeps its connection until the last message in work is acknowledged.

    Closing earlier would make the broker deliver finished requests a second time.
    """

    def __init__(self) -> None:
        super().__init__()
        self._in_work: set[int] = set()

    def handle_message(self, provider: Any, body: Any, message: Any) -> None:
        self._in_work.add(id(message))
        super().handle_message(provider, body, message)

    def ack_message(self, message: Any) -> None:
        self._in_work.discard(id(message))
        with contextlib.suppress(*BROKER_ERRORS):  # what cannot be acknowledged any more, the broker delivers again
            super().ack_message(message)

    def requeue_message(self, message: Any) -> None:
        self._in_work.discard(id(message))
        with contextlib.suppress(*BROKER_ERRORS):
            super().requeue_message(message)

    def on_iteration(self) -> None:
        self._cancel_consumers_if_requested()
        if not self._consumers and not self._in_work:
            self.should_stop = True

    @contextmanager
    def establish_connection(self) -> Iterator[Any]:
        """Connects as soon as the broker is back; kombu's own pauses grow to half a minute."""
        with self.connection.clone() as connection:
            connection.ensure_connection(
                self.on_connection_error, interval_start=0.2, interval_step=0.2, interval_max=1
            )
            yield connection

    def on_connection_revived(self) -> None:
        # What was in work over the lost connection can no longer be acknowledged; the broker delivers it again.
        self._in_work.clear()


class OperationConsumer(RpcConsumer):
    """Receives the requests for one service and answers them over one unconfirmed channel."""

    queue_consumer = DrainingQueueConsumer()

    def setup(self) -> None:
        super().setup()
        self._replies = SendingChannel(Settings.from_environment().amqp_url, name="replies")

    def handle_result(self, message: Any, result: Any, exc_info: Any) -> tuple[Any, Any]:
        if exc_info is not None:
            result = {"problem": Problem("internal").to_json()}
        try:
            self._reply(message, result)
        finally:
            self.queue_consumer.ack_message(message)
        return result, None

    def discard(self, message: Any) -> None:
        """Drops a request whose caller has stopped waiting."""
        self.queue_consumer.ack_message(message)

    def _reply(self, message: Any, result: Any) -> None:
        reply_to = message.properties.get("reply_to")
        if not reply_to:
            log.warning("call_without_reply_address")
            return
        reply = amqp.Message(
            json.dumps({"result": result, "error": None}).encode(),
            content_type="application/json",
            content_encoding="utf-8",
            correlation_id=message.properties.get("correlation_id"),
            delivery_mode=1,
        )
        try:
            self._replies.publish(reply, exchange="", routing_key=reply_to)
        except BROKER_ERRORS:
            log.warning("reply_lost")


class Operation(Rpc):
    """An RPC method. Its first argument is the verified `Call`; `principals` says who may sign for it."""

    rpc_consumer = OperationConsumer()

    def __init__(self, *, principals: Iterable[str] = (GATEWAY,), **options: Any) -> None:
        self._principals = frozenset(principals)
        super().__init__(**options)

    def setup(self) -> None:
        super().setup()
        self._verifier = Verifier(Settings.from_environment().trusted_keys)

    def handle_message(self, body: Any, message: Any) -> None:
        try:
            call = self._open(body, message)
        except Problem as problem:
            log.warning("call_refused", method=self.method_name, problem=problem.code)
            self.rpc_consumer.handle_result(message, {"problem": problem.to_json()}, None)
            return
        if time.time() >= call.deadline:
            self.rpc_consumer.discard(message)
            return
        try:
            self.container.spawn_worker(
                self, (call,), call.arguments, handle_result=partial(self.handle_result, message)
            )
        except ContainerBeingKilled:
            self.rpc_consumer.requeue_message(message)

    def _open(self, body: Any, message: Any) -> Call:
        headers = message.headers
        if str(headers.get("okacrm-principal")) not in self._principals:
            raise Problem("actor-refused")
        return self._verifier.open(self.container.service_name, self.method_name, body["kwargs"], headers)


def operation(
    method: Callable[..., Any] | None = None, *, principals: Iterable[str] = (GATEWAY,)
) -> Callable[..., Any]:
    """Makes a method of a service callable. It gets the call and the arguments, and answers with JSON values.

    A `Problem` it raises is answered as such; anything else is logged here and answered as `internal`.
    """

    def expose(function: Callable[..., Any]) -> Callable[..., Any]:
        def answer(self: Any, call: Call, **arguments: Any) -> dict[str, Any]:
            context = {"correlation_id": call.correlation_id, "method": function.__name__, "actor": str(call.actor)}
            with structlog.contextvars.bound_contextvars(**context):
                started = time.perf_counter()
                reply = _answered(partial(function, self, call, **arguments))
                outcome = reply["problem"]["code"] if "problem" in reply else "ok"
                log.debug("answered", outcome=outcome, milliseconds=round((time.perf_counter() - started) * 1000, 1))
                return reply

        answer.__name__ = function.__name__
        answer.__doc__ = function.__doc__
        return Operation.decorator(principals=principals)(answer)  # type: ignore[no-any-return]

    return expose(method) if method is not None else expose


def _answered(work: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"answer": work()}
    except Problem as problem:
        return {"problem": problem.to_json()}
    except Exception as error:
        log.error("failed", error=type(error).__name__, exc_info=error)
        return {"problem": Problem("internal").to_json()}


class Application(DependencyProvider):
    """Gives the service class what it works with, built once per process by a function that does no I/O per call."""

    def __init__(self, build: Callable[[Settings], Any]) -> None:
        self._build = build

    def setup(self) -> None:
        self._application = self._build(Settings.from_environment())

    def get_dependency(self, worker_ctx: Any) -> Any:
        return self._application


def off_the_hub(function: Callable[..., Any], *arguments: Any) -> Any:
    """Runs a computation that would freeze all green threads on a real thread, and waits for it."""
    return tpool.execute(function, *arguments)
