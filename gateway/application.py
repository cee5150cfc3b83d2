"""The gateway as a WSGI application: one request in, one answer out, and one line about it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import structlog

from gateway.cookies import Cookies
from gateway.cors import Cors
from gateway.cursors import Cursors
from gateway.endpoints import ENDPOINT_OF_STEP, Endpoint, Listing
from gateway.following import FollowFeed, WaitingRoom
from gateway.idempotency import HEADER as IDEMPOTENCY_KEY
from gateway.limits import Limits, RateLimited
from gateway.metrics import METHODS, Metrics
from gateway.pages import PROBES, Page, Publication, pages
from gateway.perimeter import Perimeter
from gateway.problems import problem_response
from gateway.request import Request
from gateway.response import Response, Sender, StartResponse
from gateway.routes import ROUTES
from gateway.routing import Route, Router
from gateway.sessions import Rpc, Sessions
from gateway.watch import Watch
from shared.contracts.problems import Problem

log = structlog.get_logger()


class Application:
    """Everything between a web server and the services."""

    def __init__(self, rpc: Rpc, perimeter: Perimeter, cursors: Cursors) -> None:
        cookies = Cookies(local=perimeter.local)
        sessions = Sessions(rpc, cookies, perimeter, Watch(rpc).refused)
        self._perimeter = perimeter
        self._cors = Cors(perimeter.cors_origins)
        self._limits = Limits(perimeter)
        self._waiting_room = WaitingRoom()

        def endpoint(route: Route) -> Endpoint:
            if route.follows:
                return FollowFeed(route, rpc, sessions, cookies, self._limits, waiting_room=self._waiting_room)
            if route.lists:
                return Listing(route, rpc, sessions, cookies, self._limits, cursors=cursors)
            return ENDPOINT_OF_STEP[route.session](route, rpc, sessions, cookies, self._limits)

        endpoints = map(endpoint, ROUTES)
        self.metrics = Metrics(rpc)
        own_pages = pages(rpc, cookies, perimeter.public_url)
        self._router: Router[Endpoint | Page | Publication] = Router([*endpoints, *own_pages])
        self._sender = Sender(local=perimeter.local)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        started = time.perf_counter()
        with self.metrics.in_flight.track_inprogress():
            request = Request(environ, self._perimeter.provenance(environ))
            response = self._respond(request)
            request.let_go()
            response.headers.append(("X-Request-Id", request.id))
            if request.idempotency_key:
                response.headers.append((IDEMPOTENCY_KEY, request.idempotency_key))
            if request.standing:
                response.headers += request.standing.headers()
            response.headers += self._cors.headers(request)
            chunks = self._sender.send(response, start_response, with_body=request.method != "HEAD")
        self._report(request, response, time.perf_counter() - started)
        return chunks

    def close(self) -> None:
        """Lets nobody wait any longer for what may come: the process is about to end."""
        self._waiting_room.close()

    def _respond(self, request: Request) -> Response:
        try:
            return self._dispatch(request)
        except Problem as problem:
            return self._refuse(request, problem)
        except Exception as error:  # a person gets a stable code, the log gets the place
            log.error("failed", request_id=request.id, route=request.path_template, exc_info=error)
            return problem_response(Problem("internal"), request.id)

    def _dispatch(self, request: Request) -> Response:
        probe = request.raw_path in PROBES
        if not probe:
            self._perimeter.admit(request.provenance)
        segments = request.path_segments()
        if self._cors.is_preflight(request):
            self._charge_network(request)
            return self._cors.preflight(self._router.methods(segments))
        target, values = self._router.match(request.method, segments)
        request.path_template = target.path
        if isinstance(target, Page | Publication) and not probe:
            self._charge_network(request)
        return target.respond(request, values)

    def _charge_network(self, request: Request) -> None:
        request.standing = self._limits.charge_network(request.client_address)

    def _refuse(self, request: Request, problem: Problem) -> Response:
        """What was refused before it was charged to anybody is charged to the network that it came from."""
        if request.standing is None and not isinstance(problem, RateLimited):
            try:
                self._charge_network(request)
            except RateLimited as limited:
                problem = limited
        if isinstance(problem, RateLimited):
            request.standing = problem.standing
        return problem_response(problem, request.id)

    def _report(self, request: Request, response: Response, seconds: float) -> None:
        self.metrics.observe(request.path_template, request.method, response.status, seconds)
        log.info(
            "answered",
            method=request.method if request.method in METHODS else "?",
            route=request.path_template,
            status=response.status,
            milliseconds=round(seconds * 1000, 1),
            request_id=request.id,
        )
