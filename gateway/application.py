"""The gateway as a WSGI application: one request in, one answer out, and one line about it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import structlog

from gateway.endpoints import ENDPOINT_OF_STEP, Endpoint
from gateway.idempotency import HEADER as IDEMPOTENCY_KEY
from gateway.metrics import Metrics
from gateway.pages import Page, pages
from gateway.problems import problem_response
from gateway.request import Request
from gateway.response import Response, Sender, StartResponse
from gateway.routes import ROUTES
from gateway.routing import Router
from gateway.sessions import Cookies, Rpc, Sessions
from gateway.watch import Watch
from shared.contracts.problems import Problem

log = structlog.get_logger()


class Application:
    """Everything between a web server and the services."""

    def __init__(self, rpc: Rpc, *, local: bool) -> None:
        cookies = Cookies(local=local)
        sessions = Sessions(rpc, cookies, Watch(rpc).refused)
        endpoints = [ENDPOINT_OF_STEP[route.session](route, rpc, sessions, cookies) for route in ROUTES]
        self._metrics = Metrics(rpc)
        self._router: Router[Endpoint | Page] = Router([*endpoints, *pages(rpc, cookies, self._metrics)])
        self._sender = Sender(local=local)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        started = time.perf_counter()
        with self._metrics.in_flight.track_inprogress():
            request = Request(environ)
            response = self._respond(request)
            request.let_go()
            response.headers.append(("X-Request-Id", request.id))
            if request.idempotency_key:
                response.headers.append((IDEMPOTENCY_KEY, request.idempotency_key))
            chunks = self._sender.send(response, start_response, with_body=request.method != "HEAD")
        self._report(request, response, time.perf_counter() - started)
        return chunks

    def _respond(self, request: Request) -> Response:
        try:
            target, values = self._router.match(request.method, request.path_segments())
            request.path_template = target.path
            return target.respond(request, values)
        except Problem as problem:
            return problem_response(problem, request.id)
        except Exception as error:  # a person gets a stable code, the log gets the place
            log.error("failed", request_id=request.id, route=request.path_template, exc_info=error)
            return problem_response(Problem("internal"), request.id)

    def _report(self, request: Request, response: Response, seconds: float) -> None:
        self._metrics.observe(request.path_template, request.method, response.status, seconds)
        log.info(
            "answered",
            method=request.method if request.method.isalpha() else "?",
            route=request.path_template,
            status=response.status,
            milliseconds=round(seconds * 1000, 1),
            request_id=request.id,
        )
