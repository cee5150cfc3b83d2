"""What the gateway counts, for Prometheus: by route and status, never by person."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from gateway.response import Response
from gateway.sessions import Rpc

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
