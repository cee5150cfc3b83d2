"""What the gateway counts, for Prometheus: by route and status, never by person.

It is told on a port of its own, which is not for the public: how much is asked is nobody's business outside.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from gateway.problems import problem_response
from gateway.request import SAFE_METHODS
from gateway.response import Response, Sender, StartResponse
from gateway.sessions import Rpc
from shared.contracts.problems import Problem

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The instruments of one gateway. Label values are few: templates of paths, known methods, statuses."""

    def __init__(self, rpc: Rpc) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "okacrm_http_requests", "Requests answered.", ("route", "method", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "okacrm_http_request_seconds",
            "Time from the request's headers to its answer.",
            ("route", "method"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.in_flight = Gauge("okacrm_http_requests_in_flight", "Requests in work.", registry=self._registry)
        connected = Gauge("okacrm_rpc_connected", "1 while the broker can be reached.", registry=self._registry)
        connected.set_function(lambda: float(rpc.connected))
        self._counters: dict[tuple[str, str, int], Counter] = {}
        self._histograms: dict[tuple[str, str], Histogram] = {}

    def observe(self, path_template: str, method: str, status: int, seconds: float) -> None:
        method = method if method in METHODS else "other"
        counter = self._counters.get((path_template, method, status))
        if counter is None:
            counter = self._requests.labels(path_template, method, status)
            self._counters[path_template, method, status] = counter
        counter.inc()
        histogram = self._histograms.get((path_template, method))
        if histogram is None:
            histogram = self._histograms[path_template, method] = self._seconds.labels(path_template, method)
        histogram.observe(seconds)

    def exposition(self) -> Response:
        return Response(200, generate_latest(self._registry), CONTENT_TYPE_LATEST)


class MetricsPage:
    """The WSGI application behind the port of the metrics: one page, and nothing else."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._sender = Sender(local=True)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        if environ["PATH_INFO"] != "/metrics":
            response = problem_response(Problem("not-found"), str(uuid.uuid4()))
        elif method not in SAFE_METHODS:
            response = problem_response(Problem("method-not-allowed", allow="GET, HEAD"), str(uuid.uuid4()))
        else:
            response = self._metrics.exposition()
        return self._sender.send(response, start_response, with_body=method != "HEAD")
