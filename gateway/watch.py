"""What is refused to people who are signed in is reported to the identity service: at the side, and within bounds."""

from __future__ import annotations

import queue
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

import structlog

from gateway import idempotency
from gateway.request import Request
from gateway.routing import Route
from gateway.sessions import Rpc, Session
from shared.bus.actors import Actor
from shared.bus.connection import spawn
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import TEAM

log = structlog.get_logger()

KINDS = {
    "wrong-guard": "cross_guard",
    "scope-missing": "scope_missing",
    "csrf-failed": "csrf",
    "foreign-organisation": "cross_workspace",
}
"""Refusals that may be an attack, and what they are called there."""
SAME_FOR_SECONDS = 3600
MOST_WAITING = 100
MOST_REMEMBERED = 10_000


@dataclass(frozen=True)
class _Refusal:
    actor: Actor
    kind: str
    operation: str
    request_id: str
    command_id: str


class Watch:
    """Reports each kind of refusal of each operation to one session once an hour.

    The report's command id says so as well, so that several gateways report it once. Whoever is refused never waits for
    it; while more is waiting to be reported than `MOST_WAITING`, nothing is added.
    """

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc
        self._lock = threading.Lock()
        self._reported: OrderedDict[str, None] = OrderedDict()
        self._waiting: queue.Queue[_Refusal] = queue.Queue(MOST_WAITING)
        self._reporter: threading.Thread | None = None

    def refused(self, session: Session, route: Route, request: Request, problem: Problem) -> None:
        """Notes that somebody met a problem when they asked for what their session may not do.

        Not of a team's program: signals are about people, and operators know from whom to take a token.
        """
        if session.guard == TEAM:
            return
        kind, hour = KINDS[problem.code], int(time.time()) // SAME_FOR_SECONDS
        command_id = idempotency.command_id(session.actor, kind, route.operation_id, f"{session.id} {hour}")
        with self._lock:
            if command_id in self._reported or self._waiting.full():
                return
            self._reported[command_id] = None
            if len(self._reported) > MOST_REMEMBERED:
                self._reported.popitem(last=False)
            self._waiting.put_nowait(_Refusal(session.actor, kind, route.operation_id, request.id, command_id))
            self._reporter = self._reporter or spawn(self._report_all, "watch")

    def _report_all(self) -> None:
        while True:
            self._report(self._waiting.get())

    def _report(self, refusal: _Refusal) -> None:
        try:
            self._rpc.call(
                "identity",
                "report_refusal",
                {"kind": refusal.kind, "refused": refusal.operation},
                actor=refusal.actor,
                correlation_id=refusal.request_id,
                command_id=refusal.command_id,
            )
        except Problem as problem:
            log.warning("refusal_not_reported", problem=problem.code, request_id=refusal.request_id)
            with self._lock:
                self._reported.pop(refusal.command_id, None)
        except Exception as error:
            log.error("failed", request_id=refusal.request_id, exc_info=error)
