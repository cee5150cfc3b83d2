"""Load over HTTP: a number of callers, each with a connection of its own, for a while."""

from __future__ import annotations

import http.client
import json
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Measured:
    """What a load of requests showed. Latencies are in milliseconds."""

    per_second: float
    p50: float
    p95: float
    p99: float
    failed: int


Request = tuple[str, str, dict[str, str], bytes | None]
"""Method, path, headers and body."""
Requests = Callable[[int, int], Request]
"""What a caller sends as its n-th request."""


def drive(base_urls: str | Sequence[str], callers: int, seconds: float, request: Requests) -> Measured:
    """Lets `callers`, spread over the addresses, send `request(caller, n)` one after the other for `seconds`.

    What is sent in the half second before that warms up and does not count.
    """
    addresses = [urlsplit(url) for url in ([base_urls] if isinstance(base_urls, str) else base_urls)]
    start = threading.Barrier(callers)
    latencies: list[list[float]] = [[] for _ in range(callers)]
    failures = [0] * callers

    def call(caller: int) -> None:
        address = addresses[caller % len(addresses)]
        connection = http.client.HTTPConnection(str(address.hostname), address.port or 80, timeout=30)
        start.wait()
        begun, n = time.perf_counter(), 0
        while (now := time.perf_counter()) - begun < seconds + 0.5:
            method, path, headers, body = request(caller, n)
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            answer.read()
            n += 1
            if now - begun >= 0.5:
                latencies[caller].append(time.perf_counter() - now)
                failures[caller] += answer.status >= 400
        connection.close()

    threads = [threading.Thread(target=call, args=(caller,)) for caller in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return summary([each for caller in latencies for each in caller], seconds, sum(failures))


def summary(latencies: list[float], seconds: float, failed: int = 0) -> Measured:
    """Rates and percentiles of latencies given in seconds."""
    ordered = sorted(latencies)
    cuts = statistics.quantiles(ordered, n=100, method="inclusive") if len(ordered) > 1 else ordered * 99
    return Measured(
        per_second=round(len(ordered) / seconds, 1),
        p50=round(cuts[49] * 1000, 2),
        p95=round(cuts[94] * 1000, 2),
        p99=round(cuts[98] * 1000, 2),
        failed=failed,
    )


def ask(base_url: str, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
    """One request, whose answer is JSON; anything but success ends the measurement."""
    parts = urlsplit(base_url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port or 80, timeout=30)
    content = None if body is None else json.dumps(body).encode()
    connection.request(method, path, content, {"Content-Type": "application/json", **(headers or {})})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status >= 400:
        raise SystemExit(f"{method} {path} answered {answer.status}: {text.decode()[:300]}")
    return json.loads(text) if text else None
